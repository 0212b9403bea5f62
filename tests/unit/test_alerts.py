"""An alert reaches a real web server, is tried again, and tells nobody the webhook's secret."""

from collections.abc import Iterator

import pytest
from webhook import Webhook, listening

from pipelines.alerts import WEBHOOK, Alert, send
from pipelines.errors import UsageError

ALERT = Alert("gate_closed", "3", "version 3 did not pass the gate: it is blurred")
AT_ONCE = (0.0, 0.0)


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    with listening() as found:
        monkeypatch.setenv(WEBHOOK, found.url)
        yield found


def test_people_and_machines_are_told(hook: Webhook, caplog: pytest.LogCaptureFixture) -> None:
    assert send(ALERT)
    assert hook.received == [
        {
            "text": "version 3 did not pass the gate: it is blurred",
            "kind": "gate_closed",
            "subject": "3",
            "product": "x-unimotion-foundry",
        }
    ]
    assert "version 3 did not pass the gate" in caplog.text


def test_a_webhook_that_stumbles_is_asked_again(hook: Webhook) -> None:
    hook.codes = [500, 429]
    assert send(ALERT, AT_ONCE)
    assert len(hook.received) == 3


def test_a_webhook_that_refuses_is_a_line_without_its_secret(hook: Webhook, caplog: pytest.LogCaptureFixture) -> None:
    hook.codes = [403] * 3
    assert not send(ALERT, AT_ONCE)
    assert "the webhook on 127.0.0.1 did not take it 3 times (status 403)" in caplog.text
    assert "very-secret" not in caplog.text


def test_a_webhook_that_is_not_there_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with listening() as gone:
        pass
    monkeypatch.setenv(WEBHOOK, gone.url)
    assert not send(ALERT, AT_ONCE)
    assert "did not take it 3 times (URLError)" in caplog.text
    assert "very-secret" not in caplog.text


def test_without_a_webhook_there_is_the_log(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.delenv(WEBHOOK, raising=False)
    assert send(ALERT)
    assert "version 3 did not pass the gate" in caplog.text


def test_a_webhook_that_is_no_url_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WEBHOOK, "file:///etc/passwd")
    with pytest.raises(UsageError, match=r"^UNIMOTION_ALERT_URL: is no http or https URL; correct it$"):
        send(ALERT)
