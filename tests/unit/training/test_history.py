import pytest
from tiny_training import TINY
from toy_shards import write_toy_shards

from pipelines.shards.read import ShardIndex
from pipelines.workspace import Workspace
from training.data import Plan
from training.history import read_history, read_taken, write_history

RUN = "train/run"
BATCHES = [phase.batch for phase in TINY.phases for _ in range(phase.steps)]


@pytest.fixture
def plan(workspace: Workspace) -> Plan:
    write_toy_shards(workspace)
    return Plan(ShardIndex.load(workspace, "train"), TINY, 0)


def write(workspace: Workspace, plan: Plan, steps: range) -> None:
    write_history(workspace, RUN, [{"step": step, "loss": 1 / (1 + step)} for step in steps], plan)


def test_every_step_is_kept_once_with_its_samples(workspace: Workspace, plan: Plan) -> None:
    half = TINY.steps // 2
    for steps in (range(half), range(half, TINY.steps), range(half, TINY.steps)):
        write(workspace, plan, steps)
    assert [row["step"] for row in read_history(workspace, RUN)] == list(range(TINY.steps))
    taken = read_taken(workspace, RUN)
    assert [row["step"] for row in taken] == [step for step, batch in enumerate(BATCHES) for _ in range(batch)]
    assert [row["position"] for row in taken] == list(range(sum(BATCHES)))


def test_an_epoch_takes_every_pair_once(workspace: Workspace, plan: Plan) -> None:
    write(workspace, plan, range(TINY.steps))
    pairs = sorted(ref.id for ref in ShardIndex.load(workspace, "train").samples if ref.kind == "pair")
    taken = [row["id"] for row in read_taken(workspace, RUN) if row["id"] in pairs]
    assert len(taken) >= len(pairs)
    assert sorted(taken[: len(pairs)]) == pairs
