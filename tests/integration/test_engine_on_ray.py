"""Real Ray: the same rows as in process, and a dying worker costs only its item."""

import functools
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.engine import Engine, Item, Journal, Row, Worker
from pipelines.errors import DataError
from pipelines.progress import Progress

QUIET = Progress("test", quiet=True)


@pytest.fixture(scope="module", autouse=True)
def shut_ray_down() -> Iterator[None]:
    import ray

    # Ray's processes cannot import test modules by name.
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    ray.shutdown()


def make_worker(deaths: str) -> Worker:
    def work(payload: Row) -> list[Row]:
        number = payload["number"]
        if number == 3:
            raise DataError("three is bad")
        if number in {5, 7}:
            marks = Path(deaths) / str(number)
            before = len(list(Path(deaths).glob(f"{number}-*")))
            if number == 5 or before == 0:
                marks.with_name(f"{number}-{before}").touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return [{"id": str(number), "square": number**2}]

    return work


def test_same_as_in_process_and_survives_dying_workers(tmp_path: Path) -> None:
    items = [Item(f"key{i}", {"number": i}, f"item {i}") for i in range(9)]
    make = functools.partial(make_worker, str(tmp_path))
    outcomes = Engine(2).map(make, items, Journal(tmp_path / "j"), QUIET)
    assert [o.rows for i, o in enumerate(outcomes) if i not in {3, 5}] == [
        [{"id": str(i), "square": i**2}] for i in range(9) if i not in {3, 5}
    ]
    assert outcomes[3].error == "three is bad"
    assert outcomes[5].error == "killed its worker process 2 times"
    assert sorted(p.name for p in tmp_path.glob("[57]-*")) == ["5-0", "5-1", "7-0"]
    here = Engine(1).map(make, [i for i in items if i.payload["number"] != 5], Journal(tmp_path / "k"), QUIET)
    assert here == [o for i, o in enumerate(outcomes) if i != 5]


def make_sleeper() -> Worker:
    time.sleep(3.0)  # starting takes none of an item's time

    def work(payload: Row) -> list[Row]:
        time.sleep(payload["seconds"])
        return [{"id": str(payload["seconds"])}]

    return work


def test_what_hangs_is_given_up_and_the_others_go_on(tmp_path: Path) -> None:
    items = [Item(f"key{i}", {"seconds": s}, f"{i}.mp4", deadline_s=2.0) for i, s in enumerate([0, 500, 0.1, 400, 0.2])]
    outcomes = Engine(2).map(make_sleeper, items, Journal(tmp_path / "j"), QUIET)
    for index in (1, 3):
        assert outcomes[index].error == f"{index}.mp4: took longer than 2 s; cut it up, or convert it"
        assert outcomes[index].transient
    assert [outcomes[index].rows for index in (0, 2, 4)] == [[{"id": "0"}], [{"id": "0.1"}], [{"id": "0.2"}]]


def make_hungry(notes: str) -> Worker:
    """Item 1 needs memory that is there only when nothing else runs, item 2 more than there is."""

    def work(payload: Row) -> list[Row]:
        number, running = payload["number"], Path(notes) / f"running{payload['number']}"
        running.touch()
        try:
            time.sleep(0.5)
            others = [path for path in Path(notes).glob("running*") if path != running]
            if number == 2 or (number == 1 and others):
                raise MemoryError
            return [{"id": str(number)}]
        finally:
            running.unlink()

    return work


def test_what_runs_out_of_memory_is_tried_again_alone(tmp_path: Path) -> None:
    items = [Item(f"key{i}", {"number": i}, f"{i}.mp4") for i in range(6)]
    outcomes = Engine(2).map(functools.partial(make_hungry, str(tmp_path)), items, Journal(tmp_path / "j"), QUIET)
    assert [outcome.rows for outcome in outcomes] == [[{"id": str(i)}] if i != 2 else [] for i in range(6)]
    assert outcomes[2].transient
    assert "2.mp4: needs more memory than there is" in str(outcomes[2].error)
    here = Engine(1).map(functools.partial(make_hungry, str(tmp_path)), items, Journal(tmp_path / "k"), QUIET)
    assert here == outcomes


def make_logger(log: str) -> Worker:
    def work(payload: Row) -> list[Row]:
        with Path(log).open("a") as lines:
            lines.write(f"{payload['seconds']}\n")
        # So that nothing begins before what was given out earlier has begun: a worker may be slow to start.
        while len(Path(log).read_text().split()) < 2:
            time.sleep(0.01)
        time.sleep(0.2)
        return []

    return work


def test_the_longest_items_go_first(tmp_path: Path) -> None:
    lengths = [1, 5, 2, 9, 3, 7]
    items = [Item(f"key{s}", {"seconds": s}, f"item {s}", deadline_s=60.0 + s) for s in lengths]
    log = tmp_path / "log"
    outcomes = Engine(2).map(functools.partial(make_logger, str(log)), items, Journal(tmp_path / "j"), QUIET)
    assert all(outcome.error is None for outcome in outcomes)
    began = [int(line) for line in log.read_text().split()]
    assert sorted(began) == sorted(lengths)
    # Two workers: each begins at most one place away from its turn.
    assert sorted(began[:2]) == [7, 9]
    assert set(began[-2:]) <= {1, 2, 3}
