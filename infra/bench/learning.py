"""Suite `learning`: what the demo preset learns in ten minutes on two cores, and that the network can learn by heart.

It renders its own pairs; poses, people and places of the test pairs are in none of the training pairs. Half an hour.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations

import numpy as np

from infra.bench.groups import write_groups
from infra.bench.results import Result
from pipelines.evaluation.gate import BASELINE, MODEL
from pipelines.shards.read import Reader, SampleRef, ShardIndex
from pipelines.workspace import Workspace
from training import checkpoint
from training.config import Phase, Preset
from training.evaluate import EvaluationConfig, compare
from training.history import read_history
from training.launch import launch
from training.loop import Job
from training.model.animator import Animator
from training.presets import PRESETS
from training.records import Records

_GROUPS = {"train": 1536, "validation": 16, "test": 64}
_DEMO = PRESETS["demo"]
_BY_HEART = replace(
    _DEMO,
    phases=(Phase("warm-up", 300, learn="retargeting", final=0.5), Phase("frames", 2200)),
    data=replace(_DEMO.data, augment=0.0),
    validation=0,
)


def run() -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(folder)
        write_groups(workspace, _GROUPS)
        launch(Job(folder, "train/demo", _DEMO, 0, 1, None), workers=2, max_failures=0, address=None)
        seconds = sum(row["seconds"] for row in read_history(workspace, "train/demo"))
        refs = ShardIndex.load(workspace, "test").samples
        pairs = [(ref, (i, (i + 1) % 3)) for ref in refs for i in range(3)]
        found = _measured(workspace, "train/demo", _DEMO, pairs)
        how = f"demo, {_DEMO.steps} steps, {_GROUPS['train']} groups; {len(pairs)} held-out pairs of all framings"
        gain = found[MODEL]["foreground_psnr"] - found[BASELINE]["foreground_psnr"]
        yield Result(
            "learning.foreground_gain",
            gain,
            "dB",
            f"repeating the reference ({how}), PSNR of the person",
            "higher",
            3.0,
        )
        yield Result(
            "learning.pose_head_error",
            found[MODEL]["pose_head_error"],
            "px",
            f"the truth, as the model's own pose head places joints, not its picture, at 64 px; the reference's are "
            f"{found[BASELINE]['pose_head_error']:.1f} px off ({how})",
            "lower",
            2.8,
        )
        yield Result("learning.seconds", seconds, "s", "ten minutes of two cores", "lower", 600.0)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(folder)
        write_groups(workspace, {"train": 8})
        launch(Job(folder, "train/heart", _BY_HEART, 0, 1, None), workers=2, max_failures=0, address=None)
        refs = ShardIndex.load(workspace, "train").samples
        pairs = [(ref, (a, b)) for ref in refs for a, b in permutations(range(3), 2)]
        found = _measured(workspace, "train/heart", _BY_HEART, pairs)
        yield Result(
            "learning.by_heart",
            found[MODEL]["psnr"],
            "dB",
            f"the truth, all {len(pairs)} pairs of 8 groups after {_BY_HEART.steps} steps",
            "higher",
            30.0,
        )


def _measured(
    workspace: Workspace, run: str, preset: Preset, pairs: list[tuple[SampleRef, tuple[int, int]]]
) -> dict[str, dict[str, float]]:
    """By method, the mean of each measure over pairs of (driver, target) in their groups."""
    animator = Animator(preset.model).eval()
    step = checkpoint.complete_steps(workspace, run)[-1]
    animator.load_state_dict(checkpoint.load_ema(workspace, run, step))
    records = Records(Reader(workspace), preset.model, 2**28)
    rows: dict[str, dict[str, list[float]]] = {}
    for ref, (driver, target) in pairs:
        frames = range(int(ref.meta["frames"]))
        _, found = compare(
            animator, records.get(ref, driver, frames), records.get(ref, target, frames), EvaluationConfig()
        )
        for method, measures in found.items():
            for name, value in measures.items():
                if value is not None:
                    rows.setdefault(method, {}).setdefault(name, []).append(value)
    return {
        method: {name: float(np.mean(values)) for name, values in measures.items()} for method, measures in rows.items()
    }
