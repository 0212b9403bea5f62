"""Tells MLflow what there is to hear of a run (see `training.spool`): the one place that does.

Telling twice is telling once, so that it may be cut off anywhere and begun again.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from pipelines.workspace import Workspace
from training import connection, spool, tracking
from training.connection import NoAnswerError
from training.history import read_part
from training.spool import Began, Ended, Told

_MOST_METRICS = 1000  # what MLflow takes in one call
_EVERY_S, _AGAIN_S = 5.0, 60.0  # between two looks at what there is to tell; after MLflow did not answer
_NOT_LOGGED = frozenset({"step", "seconds", "waited"})


def replay(workspace: Workspace, run: str, fingerprint: str) -> str:
    """Tell MLflow all that it has not heard of a run, and give the id that the run has there.

    run: folder in the workspace. fingerprint: of the stage that trains it.
    Raises: NoAnswerError where MLflow cannot be told now. It then knows a part, and the next call goes on from there.
    """
    with connection.answering(connection.tracking_uri(workspace), answers=()):
        client, events = connection.client(workspace), spool.events(workspace, run)
        told = spool.told(workspace, run)
        run_id, heard = told.run_id, set(told.pieces)
        if run_id is None or not tracking.has_run(workspace, run_id):
            first = next((event for event in events.values() if isinstance(event, Began)), None)
            run_id, heard = tracking.start_run(workspace, fingerprint, *_beginning(first)), set()
        try:
            _tell(workspace, client, run, run_id, events, heard)
        finally:
            spool.set_told(workspace, run, Told(run_id, frozenset(heard)))
    return run_id


def _beginning(first: Began | None) -> tuple[Any, ...]:
    """The last arguments of `start_run`. Runs of earlier releases did not note how they began."""
    return ({}, None) if first is None else (first.params, first.shards, first.name, first.at)


def _tell(
    workspace: Workspace,
    client: Any,
    run: str,
    run_id: str,
    events: Mapping[str, Began | Ended],
    heard: set[str],
) -> None:
    """heard: takes the names of the pieces as they are told."""
    info = client.get_run(run_id).info
    start = int(info.start_time)
    for name, event in events.items():
        if name in heard:
            continue
        if isinstance(event, Began):
            for key, value in event.tags.items():
                client.set_tag(run_id, key, value)
        else:
            _log(client, run_id, _points(event.metrics, start, event.step))
        heard.add(name)
    for part in spool.parts(workspace, run):
        if part not in heard:
            _tell_part(workspace, client, run, run_id, part, start)
            heard.add(part)
    if events:
        last = list(events.values())[-1]
        status = last.status if isinstance(last, Ended) else "RUNNING"
        if status == "RUNNING" != info.status:
            client.update_run(run_id, status=status)
        elif status != info.status:
            client.set_terminated(run_id, status)


def _tell_part(workspace: Workspace, client: Any, run: str, run_id: str, part: str, start: int) -> None:
    from mlflow.entities import Metric

    rows, aside = read_part(workspace, run, part), spool.aside(workspace, run, part)
    points: list[Any] = []
    for row in rows:
        losses = {key: row[key] for key in row.keys() - _NOT_LOGGED}
        points += _points(losses, start, row["step"])
    points += _points({f"rate.{key}": value for key, value in aside.rates.items()}, start, rows[-1]["step"])
    for at, numbers in aside.machine:
        points += [Metric(key, value, at, max(0, at - start) // 1000) for key, value in numbers.items()]
    _log(client, run_id, points)
    if aside.picture is not None and workspace.exists(aside.picture):
        client.log_artifact(run_id, str(workspace.local(aside.picture)), "samples")


def _points(numbers: Mapping[str, float | None], start: int, step: int) -> Iterator[Any]:
    """MLflow drops a point that it has to the last field: the time must follow from the step."""
    from mlflow.entities import Metric

    for key in sorted(numbers):
        if (value := numbers[key]) is not None:
            yield Metric(key, float(value), start + step, step)


def _log(client: Any, run_id: str, points: Iterator[Any] | Sequence[Any]) -> None:
    every = list(points)
    for first in range(0, len(every), _MOST_METRICS):
        client.log_batch(run_id, metrics=every[first : first + _MOST_METRICS])


@dataclass
class Teller:
    """Tells MLflow of a run inside it, in a thread of its own: training never waits for MLflow, nor fails with it.

    say: takes a sentence for the user. run_id: of the run in MLflow; None while MLflow has not heard of it.
    """

    workspace: Workspace
    run: str
    fingerprint: str
    say: Callable[[str], None]
    run_id: str | None = None
    _behind: bool = False
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> "Teller":
        self._thread = threading.Thread(target=self._tell_meanwhile, name="telling MLflow", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        assert self._thread is not None
        self._thread.join()
        if error is not None:
            spool.end(self.workspace, self.run, Ended("FAILED" if isinstance(error, Exception) else "KILLED"))
        self.catch_up("nothing is lost: the next `unimotion train` or `unimotion register` tells it")

    def catch_up(self, otherwise: str) -> None:
        """Try once to tell what is left. otherwise: what is said to come of it where MLflow does not answer."""
        if not spool.is_behind(self.workspace, self.run):
            self.run_id = spool.told(self.workspace, self.run).run_id
            return
        try:
            self.run_id = replay(self.workspace, self.run, self.fingerprint)
        except NoAnswerError as error:
            if not self._behind or self._ended.is_set():
                self.say(f"tracking is behind: {error.what}; {otherwise}")
            self._behind = True
            return
        if self._behind:
            self.say("tracking is complete again: MLflow has heard what it missed")
        self._behind = False

    def _tell_meanwhile(self) -> None:
        while True:
            try:
                self.catch_up("training goes on, and MLflow hears later what it misses")
            except Exception:
                # The last look, which is not in this thread, meets it again, when training is done.
                return
            if self._ended.wait(_AGAIN_S if self._behind else _EVERY_S):
                return
