"""One message to whoever is on call: a line in the log, and a webhook where one is set.

The body is JSON that Slack's incoming webhooks take (`text`), with the same facts for machines beside it.
"""

import json
import logging
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import asdict, dataclass

from pipelines.errors import UsageError

WEBHOOK = "UNIMOTION_ALERT_URL"  # of the environment: its path is a secret, as Slack's are
_TIMEOUT_S = 10.0
_PAUSES_S = (1.0, 4.0)  # between tries
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Alert:
    """kind: a word for machines, such as `run_failed`. text: one sentence for people: what, where, what to do.
    subject: what it is about, such as a batch, a run or a version."""

    kind: str
    subject: str
    text: str


def send(alert: Alert, pauses_s: tuple[float, ...] = _PAUSES_S) -> bool:
    """Log an alert and post it to the webhook, if there is one; whether everybody was told.

    pauses_s: before each further try. A webhook that does not answer is one more line in the log, never an error: an
    alert must not stop what it is about.
    Raises: UsageError where the webhook's URL is none.
    """
    _logger.warning("%s: %s", alert.kind, alert.text)
    url = os.environ.get(WEBHOOK, "")
    if not url:
        return True
    host = _host(url)
    body = json.dumps({**asdict(alert), "product": "x-unimotion-foundry"})
    trouble = ""
    for pause in (0.0, *pauses_s):
        time.sleep(pause)
        trouble = _post(url, body.encode())
        if not trouble:
            return True
    _logger.error("alerts: the webhook on %s did not take it %d times (%s)", host, 1 + len(pauses_s), trouble)
    return False


def _host(url: str) -> str:
    """All of the URL that may be told."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{WEBHOOK}: is no http or https URL; correct it")
    return parts.hostname


def _post(url: str, body: bytes) -> str:
    """What went wrong, without the URL; nothing where it went well."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S):
            return ""
    except urllib.error.HTTPError as error:
        return f"status {error.code}"
    except (OSError, ValueError) as error:
        return type(error).__name__
