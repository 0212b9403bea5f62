from typing import Any

from pipelines.workspace import Workspace
from training.history import read_history, read_taken, write_history

RUN = "train/run"


def rows(steps: range) -> list[dict[str, Any]]:
    return [{"step": step, "loss": 1 / (1 + step)} for step in steps]


def samples(steps: range, first: int) -> list[dict[str, Any]]:
    """Two per step, the workers' one after the other's."""
    order = [(step, first + 2 * number + worker) for worker in (0, 1) for number, step in enumerate(steps)]
    return [{"step": step, "position": position, "id": f"p{position}"} for step, position in order]


def test_steps_and_their_samples_come_back_in_order(workspace: Workspace) -> None:
    for steps, first in ((range(3), 0), (range(3, 5), 6)):
        write_history(workspace, RUN, rows(steps), samples(steps, first))
    assert read_history(workspace, RUN) == rows(range(5))
    assert [(row["step"], row["position"]) for row in read_taken(workspace, RUN)] == [(n // 2, n) for n in range(10)]


def test_what_is_done_again_is_there_once(workspace: Workspace) -> None:
    for _ in range(2):
        write_history(workspace, RUN, rows(range(3)), samples(range(3), 0))
    assert len(read_history(workspace, RUN)) == 3
    assert len(read_taken(workspace, RUN)) == 6


def test_a_sample_that_was_taken_at_two_steps_shows_twice(workspace: Workspace) -> None:
    write_history(workspace, RUN, rows(range(2)), samples(range(2), 0))
    write_history(workspace, RUN, rows(range(2, 4)), samples(range(2, 4), 2))
    assert [row["position"] for row in read_taken(workspace, RUN)] == [0, 1, 2, 3, 2, 3, 4, 5]
