from pipelines.wheels import models_of
from pipelines.workspace import Workspace


def test_what_a_killed_process_left_of_a_model_goes(workspace: Workspace) -> None:
    for name in ("whole.tflite", ".part-0123.tflite"):
        with workspace.publish(f"models/wheels/{name}") as path:
            path.write_bytes(b"model")
    with models_of(workspace) as local:
        assert local.local("models/wheels/whole.tflite").read_bytes() == b"model"
        assert local.children("models/wheels") == ["whole.tflite"]
        assert not list(local.local_root.rglob(".part-*"))
