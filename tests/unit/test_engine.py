"""What becomes of an item depends on what its worker raises; finished items are never repeated."""

import errno
import functools
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import av
import av.error
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.engine import Engine, Item, Journal, Outcome, Row, Worker, attempt
from pipelines.errors import DataError, WorkError
from pipelines.progress import Progress

QUIET = Progress("test", quiet=True)


def items(count: int) -> list[Item]:
    return [Item(f"key{i}", {"number": i}, f"item {i}") for i in range(count)]


def make_worker(log: Path) -> Worker:
    def work(payload: Row) -> list[Row]:
        number = payload["number"]
        with log.open("a") as file:
            file.write(f"{number}\n")
        if number == 1:
            raise DataError("clip.mp4: is empty; copy it again")
        if number == 2:
            raise KeyError("surprise")
        return [{"id": str(number), "square": number**2, "process": os.getpid() if number < 0 else 0}]

    return work


def test_bad_data_is_final_and_surprises_are_tried_again(tmp_path: Path) -> None:
    log, journal = tmp_path / "log", tmp_path / "journal.jsonl"
    first = Engine(1).map(functools.partial(make_worker, log), items(4), Journal(journal), QUIET)
    assert [outcome.error for outcome in first] == [
        None,
        "clip.mp4: is empty; copy it again",
        "KeyError: 'surprise'",
        None,
    ]
    assert [outcome.transient for outcome in first] == [False, False, True, False]
    again = Engine(1).map(functools.partial(make_worker, log), items(4), Journal(journal), QUIET)
    assert again == first
    assert log.read_text().split() == ["0", "1", "2", "3", "2"]  # only the surprise was repeated


def test_full_disk_stops_everything(tmp_path: Path) -> None:
    def make() -> Worker:
        def work(_payload: Row) -> list[Row]:
            raise OSError(errno.ENOSPC, "No space left on device", "/w/clip.mp4")

        return work

    with pytest.raises(WorkError, match=r"/w/clip\.mp4: the disk is full"):
        Engine(1).map(make, items(3), Journal(tmp_path / "j"), QUIET)


def test_an_ordinary_os_error_is_the_items_own() -> None:
    def work(_payload: Row) -> list[Row]:
        raise FileNotFoundError(errno.ENOENT, "No such file", "x")

    outcome = attempt(work, items(1)[0])
    assert outcome.transient
    assert not outcome.fatal


@given(st.integers(0, 400))
@settings(max_examples=30)
def test_a_journal_torn_anywhere_is_read_as_far_as_it_is_whole(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("journal") / "j.jsonl"
    outcomes = [Outcome(f"key{i}", [{"id": "é" * i}]) for i in range(5)]
    with Journal(path).writer() as append:
        for outcome in outcomes:
            append(outcome)
    path.write_bytes(path.read_bytes()[:cut])
    survived = [o for o in outcomes if Journal(path).get(o.key) is not None]
    assert survived == outcomes[: len(survived)]
    assert all(Journal(path).get(o.key) == o for o in survived)
    with Journal(path).writer() as append:  # going on after the tear loses nothing of what is new
        append(Outcome("new"))
    assert Journal(path).get("new") == Outcome("new")
    assert all(Journal(path).get(o.key) == o for o in survived)


def test_what_hangs_is_left_at_its_deadline(tmp_path: Path) -> None:
    def make() -> Worker:
        def work(payload: Row) -> list[Row]:
            try:
                time.sleep(payload["seconds"])
            except Exception:  # no worker may take its deadline for an error of its own
                return []
            return [{"id": "done"}]

        return work

    hanging = [Item(str(s), {"seconds": s}, f"{s}.mp4", deadline_s=0.2) for s in (0, 600, 0.01)]
    outcomes = Engine(1).map(make, hanging, Journal(tmp_path / "j"), QUIET)
    assert [bool(outcome.rows) for outcome in outcomes] == [True, False, True]
    assert outcomes[1].error == "600.mp4: took longer than 0 s; cut it up, or convert it"
    assert outcomes[1].transient


def test_a_deadline_leaves_the_timer_of_others_as_it_was(tmp_path: Path) -> None:
    """Pytest's own limit, for one, is such a timer."""
    rung: list[int] = []
    handler = signal.signal(signal.SIGALRM, lambda number, _: rung.append(number))
    timer, began = signal.setitimer(signal.ITIMER_REAL, 0.3), time.monotonic()
    try:
        short = [Item(str(s), {}, "x", deadline_s=s) for s in (0.2, 100)]
        outcomes = Engine(1).map(lambda: lambda _: [], short, Journal(tmp_path / "j"), QUIET)
        assert [outcome.error for outcome in outcomes] == [None, None]
        assert not rung
        time.sleep(0.5)
        assert rung == [signal.SIGALRM]
    finally:
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, max(timer[0] - (time.monotonic() - began), 0.0))


class OutOfMemoryError(RuntimeError):
    """As torch calls its own."""


def decoded() -> None:
    try:
        av.error.err_check(-errno.ENOMEM)
    except av.error.FFmpegError as error:
        raise DataError("clip.mp4: cannot be decoded") from error


def raised(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    "work",
    [
        decoded,
        functools.partial(raised, MemoryError()),
        functools.partial(raised, OutOfMemoryError("CUDA out of memory")),
        functools.partial(raised, OSError(errno.ENOMEM, "Cannot allocate memory")),
        functools.partial(raised, RuntimeError("OpenCV: (-4:Insufficient memory) Failed to allocate")),
    ],
)
def test_what_runs_out_of_memory_is_no_bad_data(work: Callable[[], None], tmp_path: Path) -> None:
    def make() -> Worker:
        return lambda _: work() or []

    (outcome,) = Engine(1).map(make, items(1), Journal(tmp_path / "j"), QUIET)
    assert outcome.transient, "the next run tries again"
    assert str(outcome.error).startswith("item 0: needs more memory than there is")
