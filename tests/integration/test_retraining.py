"""A model is made early where enough is new, once; what was trained on or taken out is not new."""

from dagster import SensorResult, SkipReason, build_schedule_context, build_sensor_context

from dagster_project.defs.retraining import enough_new_data, weekly_retraining
from dagster_project.foundry import Foundry
from pipelines.curation.clips import STAGE as CLIPS
from pipelines.curation.duplicates.stage import STAGE as DUPLICATES
from pipelines.manifest import Status, build, write
from pipelines.retraining import Hours, RetrainingConfig, hours
from pipelines.shards import contents
from pipelines.workspace import Workspace
from training.train import STAGE as TRAIN

FPS, HALF_AN_HOUR = 10.0, 18_000


def curated(workspace: Workspace, batch: str, *clips: str) -> None:
    """Each of half an hour; one more is rejected."""
    about = {"frames": HALF_AN_HOUR, "fps": FPS}
    rows = [{"id": name, "parent_id": batch, "status": Status.KEPT, **about} for name in clips]
    rows.append({"id": f"{batch}-bad", "parent_id": batch, "status": Status.REJECTED, **about})
    write(workspace, f"clips/{batch}", build(rows, CLIPS.schema), "f", 0)


def trained(workspace: Workspace, *clips: str) -> None:
    held = [contents.Held(name, {"kind": "clip", "split": "train", "path": "p", "sha256": "s"}, ()) for name in clips]
    path = contents.write(workspace, held)
    row = {"id": "t", "status": Status.KEPT, "contents_path": path}
    write(workspace, "train", build([row], TRAIN.schema), "f", 0)


def test_what_is_new(workspace: Workspace) -> None:
    assert hours(workspace) == Hours(0, 0)
    curated(workspace, "monday", "a", "b", "c")
    curated(workspace, "tuesday", "c", "d")
    assert hours(workspace) == Hours(all=2, new=2)
    trained(workspace, "a", "b")
    assert hours(workspace) == Hours(all=2, new=1)
    copy = {"id": "d", "parent_id": "d", "status": Status.REJECTED}
    write(workspace, "duplicates", build([copy], DUPLICATES.schema), "f", 0)
    assert hours(workspace) == Hours(all=2, new=0.5)


def test_what_justifies_a_training() -> None:
    config = RetrainingConfig(least_new_hours=1, least_new_share=0.1)
    assert Hours(all=5, new=1).justify(config)
    assert not Hours(all=5, new=0.9).justify(config)
    assert not Hours(all=50, new=4.9).justify(config)
    assert Hours(all=50, new=5).justify(config)


def test_enough_that_is_new_asks_for_a_model_once(workspace: Workspace) -> None:
    foundry, cursor = Foundry(workspace_url=workspace.url, workers=1), ""

    def tick() -> int:
        nonlocal cursor
        found = enough_new_data(build_sensor_context(cursor=cursor), foundry=foundry)
        if isinstance(found, SkipReason):
            return 0
        assert isinstance(found, SensorResult)
        cursor = found.cursor or ""
        return len(found.run_requests or [])

    assert tick() == 0
    curated(workspace, "monday", "a")
    assert tick() == 0
    curated(workspace, "tuesday", "b")
    assert tick() == 1
    assert tick() == 0
    trained(workspace, "a", "b")
    curated(workspace, "wednesday", "c")
    assert tick() == 0
    curated(workspace, "thursday", "d")
    assert tick() == 1


def test_a_week_without_any_batch_is_left_out(workspace: Workspace) -> None:
    found = weekly_retraining(build_schedule_context(), foundry=Foundry(workspace_url=workspace.url))
    assert isinstance(found, SkipReason)
    assert (found.skip_message or "").startswith("there is nothing to make a model of: ")
