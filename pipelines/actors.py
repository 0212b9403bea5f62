"""The engine's work by actors on Ray, one item at a time each: a dying or hanging worker costs only its own item.

Memory runs out because of what else runs, as a rule, and models get one picture at a time, so that the only batch that
can be made smaller is that of the items: what ran out of memory, or killed its worker, is tried again alone at the end.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.cluster import LOOK_EVERY_S, end_with_raylet, ensure_alive
from pipelines.engine import Item, MakeWorker, Outcome, attempt, out_of_memory, overdue, pin_threads
from pipelines.errors import WorkError

_MOST_TRIES = 2


class _Actor:
    def __init__(self, make_worker: MakeWorker) -> None:
        end_with_raylet()
        pin_threads()
        self._worker = make_worker()

    def started(self) -> None:
        """Returns when the worker has been made."""

    def run(self, item: Item) -> Outcome:
        return attempt(self._worker, item)


@dataclass(frozen=True)
class _Call:
    """What an actor is doing: an item since a time (s), or None while it starts."""

    actor: Any
    item: Item | None
    began: float = field(default_factory=time.monotonic)

    def is_overdue(self) -> bool:
        return self.item is not None and time.monotonic() - self.began > self.item.deadline_s


class Actors:
    """Actors and the items that wait for them. Ray must be connected."""

    def __init__(self, make_worker: MakeWorker, items: Sequence[Item]) -> None:
        import ray

        # The longest first, so that none is left when all others are done.
        self._make_worker, self._queue = make_worker, deque(sorted(items, key=lambda item: -item.deadline_s))
        self._class = ray.remote(num_cpus=1)(_Actor)
        self._calls: dict[Any, _Call] = {}
        self._again: list[Item] = []  # those that are tried once more
        self._tries: dict[str, int] = {}
        self._failed_starts, self._most_failed_starts = 0, _MOST_TRIES + len(items)

    def outcomes(self, workers: int) -> Iterator[tuple[Item, Outcome]]:
        """Each item as it finishes. Raises: WorkError where workers cannot start, and where Ray is dead."""
        import ray

        looked = time.monotonic()
        try:
            for _ in range(workers):
                self._start()
            while self._is_busy() or self._take_up_again():
                done, waiting = ray.wait(list(self._calls), num_returns=1, timeout=LOOK_EVERY_S)
                if time.monotonic() - looked >= LOOK_EVERY_S:
                    ensure_alive()
                    looked = time.monotonic()
                for reference in done:
                    yield from self._end(reference)
                for reference in waiting:
                    if self._calls[reference].is_overdue():
                        yield self._give_up(reference)
        finally:
            if ray.is_initialized():
                for call in self._calls.values():
                    ray.kill(call.actor)

    def _is_busy(self) -> bool:
        return bool(self._queue) or any(call.item for call in self._calls.values())

    def _take_up_again(self) -> bool:
        """Queue one of the items that are tried once more; False where there is none."""
        if not self._again:
            return False
        self._queue.append(self._again.pop(0))
        if not self._calls:
            self._start()
        return True

    def _start(self) -> None:
        actor = self._class.remote(self._make_worker)
        # Waited for, since the start must not use up the time of the first item.
        self._calls[actor.started.remote()] = _Call(actor, None)

    def _end(self, reference: Any) -> Iterator[tuple[Item, Outcome]]:
        import ray

        call = self._calls.pop(reference)
        try:
            outcome = ray.get(reference)
        except ray.exceptions.ActorDiedError as error:
            yield from self._bury(call.item, error)
            return
        except MemoryError:  # Ray raises what the worker raised
            assert call.item is not None
            ray.kill(call.actor)
            yield from self._retry(call.item, out_of_memory(call.item))
            return
        except ray.exceptions.RayError:
            ensure_alive()
            raise
        if self._queue:
            following = self._queue.popleft()
            self._calls[call.actor.run.remote(following)] = _Call(call.actor, following)
        else:
            ray.kill(call.actor)
        if call.item is not None:
            yield call.item, outcome

    def _bury(self, item: Item | None, error: Any) -> Iterator[tuple[Item, Outcome]]:
        """An actor is dead: another takes its place, unless Ray is dead, too."""
        ensure_alive()
        self._failed_starts += item is None
        if error.actor_init_failed or self._failed_starts > self._most_failed_starts:
            why = (str(error).strip().splitlines() or ["no reason given"])[-1].strip()
            raise WorkError(f"a worker could not start: {why}; see --debug") from error
        if item is not None:
            why = f"killed its worker process {_MOST_TRIES} times"
            yield from self._retry(item, Outcome(item.key, error=why, transient=True))
        elif self._queue:
            self._start()

    def _retry(self, item: Item, last: Outcome) -> Iterator[tuple[Item, Outcome]]:
        """An item whose worker is gone is tried once more. last: its outcome if it has been already."""
        tries = self._tries[item.key] = self._tries.get(item.key, 0) + 1
        if tries < _MOST_TRIES:
            self._again.append(item)
        else:
            yield item, last
        if self._queue:
            self._start()

    def _give_up(self, reference: Any) -> tuple[Item, Outcome]:
        import ray

        call = self._calls.pop(reference)
        assert call.item is not None
        ray.kill(call.actor)
        if self._queue:
            self._start()
        return call.item, overdue(call.item)
