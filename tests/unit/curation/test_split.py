from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.curation.coverage import stage as coverage
from pipelines.curation.identities.stage import SCHEMA
from pipelines.curation.split import STAGE, SplitConfig, representative, split_of
from pipelines.engine import Engine
from pipelines.manifest import build, digest_of, read, write
from pipelines.stage import run_stage
from pipelines.workspace import Workspace

IDS = [digest_of(i) for i in range(4000)]


def test_shares_are_those_asked_for() -> None:
    counts = Counter(split_of(name, SplitConfig(validation=0.2, test=0.1)) for name in IDS)
    assert counts["test"] == pytest.approx(400, abs=60)
    assert counts["validation"] == pytest.approx(800, abs=80)


def test_decisions_are_for_ever() -> None:
    """These are recorded decisions: a change of the code that moves one would leak test videos into training."""
    decisions = {name: split_of(name, SplitConfig()) for name in map(str, range(40))}
    assert [name for name in decisions if decisions[name] == "validation"] == ["3", "11", "25", "27"]
    held_out = ["7", "12", "16", "18", "19", "28", "33", "34", "37"]
    assert [name for name in decisions if decisions[name] == "test"] == held_out


@given(st.text(min_size=1), st.floats(0, 0.4), st.floats(0, 0.4), st.floats(0, 0.15))
def test_a_larger_test_share_only_takes_videos_in(name: str, validation: float, test: float, more: float) -> None:
    if split_of(name, SplitConfig(validation, test)) == "test":
        assert split_of(name, SplitConfig(validation, test + more)) == "test"


@pytest.mark.parametrize("shares", [(-0.1, 0.1), (0.5, 0.5), (0.1, 1.0)])
def test_shares_that_leave_no_training_are_refused(shares: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="leave something for training"):
        SplitConfig(*shares)


def test_the_video_that_decides_is_drawn_without_regard_to_its_split() -> None:
    groups = [[f"{number}/{video}" for video in range(6)] for number in range(4000)]
    counts = Counter(split_of(representative(group), SplitConfig(0.2, 0.1)) for group in groups)
    assert counts["test"] == pytest.approx(400, abs=60)
    assert counts["validation"] == pytest.approx(800, abs=80)


@given(st.lists(st.text(max_size=4), min_size=1, unique=True), st.text(max_size=4))
def test_a_group_moves_only_if_the_video_that_decides_joins_or_leaves(videos: list[str], more: str) -> None:
    assert representative(videos) == representative(reversed(videos))
    assert representative([*videos, more]) in {representative(videos), more}
    others = [video for video in videos if video != more]
    if others and representative(videos) != more:
        assert representative(others) == representative(videos)


def test_a_group_stays_together_and_new_videos_move_no_other(workspace: Workspace) -> None:
    """Videos come in threes that share a person."""

    def splits(videos: int) -> dict[str, tuple[str, str, str]]:
        rows = [
            {"id": digest_of(v, clip), "parent_id": digest_of(v, clip), "status": "kept", "video_id": f"video-{v}"}
            | {"identity": f"person-{v}-{clip}" if clip else f"person-{v // 3}", "group": f"video-{v // 3 * 3}"}
            for v in range(videos)
            for clip in range(3)
        ]
        write(workspace, "identities", build(rows, SCHEMA), f"{videos}", 0)
        judged = [{key: row[key] for key in ("id", "parent_id", "status", "video_id")} for row in rows]
        too_many = {"status": "rejected", "reason": "over_represented: x"}
        judged = [{**row, **(too_many if row["id"] in dropped else {})} for row in judged]
        write(workspace, "coverage", build(judged, coverage.SCHEMA), f"{videos}", 0)
        run_stage(STAGE, workspace, SplitConfig(), Engine(), quiet=True)
        return {row["id"]: (row["video_id"], row["identity"], row["split"]) for row in read(workspace, "split").rows()}

    dropped: set[str] = set()
    few, many = splits(60), splits(180)
    assert few.items() <= many.items()
    assert len(many) == 540
    for kind, count in ((0, 180), (1, 60 + 360)):
        assert len({(row[kind], row[2]) for row in many.values()}) == count
    assert {split for *_, split in many.values()} == {"train", "validation", "test"}
    dropped = set(sorted(many)[:100])
    assert splits(180).items() == {name: row for name, row in many.items() if name not in dropped}.items()
