"""Real Ray: the same rows as in process, and a dying worker costs only its item."""

import functools
import os
import signal
import sys
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
