"""Map a worker over items: in this process, or by actors on Ray, with the same results in the same order.

A worker is made once per process (it may load models) and turns one item into rows. What it raises decides what
becomes of the item: `DataError` quarantines it for good, an `OSError` that no other item would survive stops the
stage, anything else quarantines it until the next run; so does what outlasts its deadline and, on Ray, what kills its
process twice. On Ray, what killed its process or ran out of memory is tried once more when nothing else runs: it has
all the machine's memory then, and takes nobody with it. A finished item is written to a journal, so that a killed stage
repeats nothing.
"""

import errno
import json
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipelines.errors import DataError, TransientError, UnimotionError, WorkError, explain_os_error, one_line
from pipelines.progress import Progress

Row = dict[str, Any]
Worker = Callable[[Row], list[Row]]
MakeWorker = Callable[[], Worker]


@dataclass(frozen=True)
class Item:
    """key: fingerprint of the item's work. payload: what the worker gets (JSON-able). label: what people read.
    deadline_s: a worker that is still at it after so many seconds is taken to hang."""

    key: str
    payload: Row
    label: str
    parent_id: str | None = None
    deadline_s: float = math.inf


@dataclass(frozen=True)
class Outcome:
    """Rows of a finished item, or the reason why there are none.

    transient: another run may succeed. fatal: no further item can succeed.
    """

    key: str
    rows: list[Row] = field(default_factory=list)
    error: str | None = None
    transient: bool = False
    fatal: bool = False


class Journal:
    """Append-only record of finished items, one JSON line each; a line torn by a kill is ignored.

    trust: says whether a recorded outcome still holds (somebody may have deleted its files).
    """

    def __init__(self, path: Path, trust: Callable[[Outcome], bool] = lambda _: True) -> None:
        self._path = path
        self._trust = trust
        self._finished: dict[str, Outcome] = {}
        self._torn = False
        if path.exists():
            # Bytes, since a tear may cut a character, and a name may hold what text calls a line end.
            for line in path.read_bytes().split(b"\n"):
                try:
                    outcome = Outcome(**json.loads(line))
                except (ValueError, TypeError):
                    self._torn |= bool(line)
                    continue
                self._finished[outcome.key] = outcome

    def get(self, key: str) -> Outcome | None:
        outcome = self._finished.get(key)
        return outcome if outcome is not None and self._trust(outcome) else None

    def outcomes(self) -> list[Outcome]:
        """All that is recorded, under whatever config."""
        return list(self._finished.values())

    def forget(self, unwanted: Callable[[Outcome], bool]) -> None:
        """Take outcomes out of the file, and with them what a kill tore; it is replaced as a whole."""
        kept = {key: outcome for key, outcome in self._finished.items() if not unwanted(outcome)}
        if self._torn or len(kept) < len(self._finished):
            partial = self._path.with_name(".part-journal")
            partial.write_text("".join(_line(outcome) for outcome in kept.values()), "utf-8")
            partial.replace(self._path)
            self._finished, self._torn = kept, False

    @contextmanager
    def writer(self) -> Iterator[Callable[[Outcome], None]]:
        try:
            with self._path.open("a", encoding="utf-8") as file:
                # A line that a kill tore must not swallow the next one.
                file.write("\n")

                def append(outcome: Outcome) -> None:
                    file.write(_line(outcome))
                    file.flush()

                yield append
        except OSError as error:
            raise explain_os_error(error, str(self._path)) or error from error


def _line(outcome: Outcome) -> str:
    return json.dumps(asdict(outcome), ensure_ascii=False) + "\n"


def attempt(worker: Worker, item: Item) -> Outcome:
    """Run one item and turn whatever it raises into an outcome.

    Raises: MemoryError, since it may work with more memory.
    """
    try:
        # The round trip through JSON makes a fresh result equal to one read back from the journal.
        return Outcome(item.key, json.loads(json.dumps(worker(item.payload), allow_nan=False)))
    except Exception as error:
        if _is_out_of_memory(error):
            raise MemoryError from error
        return _failed(item, error)


def _failed(item: Item, error: Exception) -> Outcome:
    if isinstance(error, DataError):
        # No manifest can hold a file name that is not UTF-8.
        return Outcome(item.key, error=one_line(str(error)))
    if isinstance(error, UnimotionError):
        transient = isinstance(error, TransientError)
        return Outcome(item.key, error=str(error), transient=transient, fatal=not transient)
    fatal = explain_os_error(error, item.label) if isinstance(error, OSError) else None
    # Else a bug or a crash in a library: this item waits for the next run, the others go on.
    message = str(fatal) if fatal else f"{type(error).__name__}: {error}"
    return Outcome(item.key, error=one_line(message), transient=True, fatal=fatal is not None)


def _is_out_of_memory(error: BaseException) -> bool:
    """Python's own error and FFmpeg's, torch's for a device, OpenCV's, the system's; or one of them called something
    else: a video that could not be decoded for want of memory is no bad video."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or "Insufficient memory" in str(error)
        or (error.__cause__ is not None and _is_out_of_memory(error.__cause__))
    )


@dataclass(frozen=True)
class Engine:
    """workers: processes to use; 1 is this process. address: a running Ray cluster (None: a local one is started)."""

    workers: int = 1
    address: str | None = None

    def map(
        self, make_worker: MakeWorker, items: Sequence[Item], journal: Journal, progress: Progress
    ) -> list[Outcome]:
        """Outcomes in the order of the items, whatever the number of workers.

        Raises: WorkError as soon as an item shows that no other can succeed.
        """
        outcomes = {item.key: found for item in items if (found := journal.get(item.key)) is not None}
        todo = list({item.key: item for item in items if item.key not in outcomes}.values())
        with progress.bar(len(todo)) as advance, journal.writer() as append:
            run: Iterator[tuple[Item, Outcome]]
            if not todo:
                run = iter([])
            elif self.address is None and min(self.workers, len(todo)) == 1:
                run = _map_here(make_worker, todo)
            else:
                run = _map_on_ray(make_worker, todo, min(self.workers, len(todo)), self)
            for item, outcome in run:
                if outcome.fatal:
                    raise WorkError(outcome.error)
                outcomes[item.key] = outcome
                if not outcome.transient:
                    append(outcome)
                advance(item.label, outcome.error)
        return [outcomes[item.key] for item in items]


def pin_threads() -> None:
    """One thread per worker: processes are our parallelism, and sums do not depend on the number of cores."""
    os.environ["OMP_NUM_THREADS"] = "1"
    # Mesa's llvmpipe draws in the caller's thread at 0, and in a second one at 1: that is no faster.
    os.environ["LP_NUM_THREADS"] = "0"
    import cv2

    cv2.setNumThreads(1)
    if "torch" in sys.modules:  # else it reads the environment when it is imported, which few workers do
        sys.modules["torch"].set_num_threads(1)


def _map_here(make_worker: MakeWorker, items: Sequence[Item]) -> Iterator[tuple[Item, Outcome]]:
    pin_threads()
    worker = make_worker()
    for item in items:
        try:
            with _deadline(item.deadline_s):
                outcome = attempt(worker, item)
        except MemoryError:
            outcome = out_of_memory(item)
        except _DeadlineError:
            outcome = overdue(item)
        yield item, outcome


class _DeadlineError(BaseException):
    """No `Exception`, as no item may take it for its own."""


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Raises _DeadlineError inside after so many seconds, as soon as Python runs; nothing elsewhere than in a main
    thread, which alone gets signals. A process has one timer: somebody else's is left alone where it ends sooner, and
    goes on afterwards where it does not.
    """
    others = signal.getitimer(signal.ITIMER_REAL)[0]
    here = threading.current_thread() is threading.main_thread()
    if math.isinf(seconds) or not here or 0 < others <= seconds:
        yield
        return

    def ring(*_: object) -> None:
        raise _DeadlineError

    before, began = signal.signal(signal.SIGALRM, ring), time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if others:
            signal.setitimer(signal.ITIMER_REAL, max(others - (time.monotonic() - began), 1e-3))


def overdue(item: Item) -> Outcome:
    """Of an item whose worker was still at it at its deadline."""
    why = f"{item.label}: took longer than {item.deadline_s:.0f} s; cut it up, or convert it"
    return Outcome(item.key, error=why, transient=True)


def out_of_memory(item: Item) -> Outcome:
    """Of an item for which the memory did not suffice when it had the machine to itself."""
    why = f"{item.label}: needs more memory than there is; cut it up, scale it down, or use a larger machine"
    return Outcome(item.key, error=why, transient=True)


def _map_on_ray(
    make_worker: MakeWorker, items: Sequence[Item], workers: int, engine: Engine
) -> Iterator[tuple[Item, Outcome]]:
    from pipelines.actors import Actors
    from pipelines.cluster import connect

    connect(engine.address, engine.workers)
    yield from Actors(make_worker, items).outcomes(workers)
