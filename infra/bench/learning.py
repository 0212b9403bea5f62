"""Suite `learning`: what the demo preset learns in half an hour on two cores, and that the network can learn by heart.

It renders its own pairs; poses, people and places of the test pairs are in none of the training pairs. Half an hour.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations

import numpy as np

from infra.bench.groups import write_groups
from infra.bench.results import Result
from pipelines.evaluation.baselines import TRUTH
from pipelines.evaluation.figures import means
from pipelines.evaluation.gate import BASELINE, MODEL
from pipelines.evaluation.metrics import psnr
from pipelines.evaluation.seen.judges import Judges, Pictures
from pipelines.shards.read import Reader, SampleRef, ShardIndex
from pipelines.workspace import Workspace
from training import checkpoint
from training.compare import Player, compare, pixels
from training.config import Phase, Preset
from training.evaluate import EvaluationConfig
from training.history import read_history
from training.launch import launch
from training.loop import Job
from training.model.animator import Animator
from training.presets import PRESETS
from training.records import Record, Records

_GROUPS = {"train": 1536, "validation": 16, "test": 24}
_DEMO = PRESETS["demo"]
_TRUE_POINTS = "true-points"
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
        found = _judged(workspace, "train/demo", _DEMO, pairs)
        how = f"demo, {_DEMO.steps} steps, {_GROUPS['train']} groups; {len(pairs)} held-out pairs of all framings"
        ours, told, copied, floor = (found[method] for method in (MODEL, _TRUE_POINTS, BASELINE, TRUTH))
        yield Result(
            "learning.lpips_vgg",
            ours["lpips_vgg"] / copied["lpips_vgg"],
            "x",
            f"repeating the reference, {copied['lpips_vgg']:.3f}; told the true points it is "
            f"{told['lpips_vgg'] / copied['lpips_vgg']:.2f} ({how})",
            "lower",
        )
        yield Result(
            "learning.silhouette_iou",
            ours["silhouette_iou"],
            "",
            f"the true silhouette; repeating the reference has {copied['silhouette_iou']:.2f}, the truth as it is seen "
            f"{floor['silhouette_iou']:.2f} ({how})",
            "higher",
        )
        yield Result(
            "learning.body_px",
            ours["body_px"] / floor["body_px"],
            "x",
            f"the body's points as they are read in the truth, {floor['body_px']:.1f} px off; repeating the reference: "
            f"{copied['body_px']:.1f} px ({how})",
            "lower",
        )
        yield Result("learning.seconds", seconds, "s", "half an hour of two cores", "lower", 1800.0)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(folder)
        write_groups(workspace, {"train": 8})
        launch(Job(folder, "train/heart", _BY_HEART, 0, 1, None), workers=2, max_failures=0, address=None)
        refs = ShardIndex.load(workspace, "train").samples
        pairs = [(ref, (a, b)) for ref in refs for a, b in permutations(range(3), 2)]
        decibels: list[float] = []
        for made, target in _made(workspace, "train/heart", _BY_HEART, pairs):
            truth = pixels(target.frames[:-1])
            shown = zip(made[MODEL], truth, strict=True)
            decibels.append(float(np.mean([psnr(one, true) for one, true in shown])))
        yield Result(
            "learning.by_heart",
            float(np.mean(decibels)),
            "dB",
            f"the truth, all {len(pairs)} pairs of 8 groups after {_BY_HEART.steps} steps",
            "higher",
            30.0,
        )


def _made(
    workspace: Workspace, run: str, preset: Preset, pairs: list[tuple[SampleRef, tuple[int, int]]]
) -> Iterator[tuple[dict[str, Pictures], Record]]:
    """Of pairs of (driver, target) in their groups, what the trained model makes, by itself and told the true points,
    and the target."""
    animator = Animator(preset.model).eval()
    step = checkpoint.complete_steps(workspace, run)[-1]
    animator.load_state_dict(checkpoint.load_ema(workspace, run, step))
    player, records = Player(animator, "cpu"), Records(Reader(workspace), preset.model, 2**28)
    for ref, (driver, target) in pairs:
        frames = range(int(ref.meta["frames"]))
        motion, still = player.tokens(records.get(ref, driver, frames)), records.get(ref, target, frames)
        config = EvaluationConfig()
        made = player.pictures(motion, still, config)
        yield {MODEL: made, _TRUE_POINTS: player.pictures(motion, still, config, true_points=True)}, still


def _judged(
    workspace: Workspace, run: str, preset: Preset, pairs: list[tuple[SampleRef, tuple[int, int]]]
) -> dict[str, dict[str, float]]:
    """By method, the mean of each figure over pairs."""
    judges = Judges.open(workspace)
    rows = []
    for made, target in _made(workspace, run, preset, pairs):
        for method, measured in compare(made, target, judges).items():
            rows.append({"method": method, **measured})
    return means(rows)
