from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.curation.split import STAGE, SplitConfig, split_of
from pipelines.engine import Engine
from pipelines.manifest import build, digest_of, read, schema_of, write
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


def test_clips_of_one_video_stay_together_and_new_videos_move_none(tmp_path) -> None:
    import pyarrow as pa

    workspace = Workspace(str(tmp_path))

    def splits(videos: int) -> dict[str, tuple[str, str]]:
        rows = [
            {"id": digest_of(v, clip), "parent_id": "p", "status": "kept", "video_id": f"video-{v}"}
            for v in range(videos)
            for clip in range(3)
        ]
        write(workspace, "duplicates", build(rows, schema_of(video_id=pa.string())), f"{videos}", 0)
        run_stage(STAGE, workspace, SplitConfig(), Engine(), quiet=True)
        return {row["id"]: (row["video_id"], row["split"]) for row in read(workspace, "split").rows()}

    few, many = splits(20), splits(60)
    assert len(few) == 60
    assert len(many) == 180
    assert few.items() <= many.items()
    assert len(set(many.values())) == 60
    assert {split for _, split in many.values()} == {"train", "validation", "test"}
