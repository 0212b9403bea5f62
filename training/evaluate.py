"""The `evaluation` stage: test pairs whose truth is known, against copying the reference; then the gate."""

import dataclasses
import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.engine import Worker
from pipelines.errors import WorkError
from pipelines.evaluation import gate, metrics
from pipelines.evaluation.baselines import copy_reference
from pipelines.evaluation.gate import GateConfig, Verdict
from pipelines.manifest import Row, Status, digest_of, schema_of
from pipelines.stage import Context, Stage
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from training.records import Record

GATE = "gate.json"  # in the stage's folder: the verdict on the model
_GRIDS = "evaluation/grids"
_GRID_FRAMES = 4
_GRID_SCALE = 2
_CACHE_BYTES = 2**26


@dataclass(frozen=True)
class EvaluationConfig:
    """groups: the most test groups to use; in each, every identity drives the next one.

    steps (None: the model's own), guidance_scale: of the sampler. gate: see `GateConfig`.
    """

    groups: int = 64
    steps: int | None = None
    guidance_scale: float = 1.0
    seed: int = 0
    gate: GateConfig = field(default_factory=GateConfig)


def _run(context: Context) -> list[Row]:
    models = context.inputs["model"].rows()
    rows = _compared(context, models[0]) if models else []
    shown = {row["grid_path"] for row in rows if row["status"] == Status.KEPT}
    for name in context.workspace.children(_GRIDS):
        # What no row names must go: its pair may follow a video that was withdrawn.
        if f"{_GRIDS}/{name}" not in shown:
            context.workspace.remove(f"{_GRIDS}/{name}")
    verdict = gate.judge([row for row in rows if row["status"] == Status.KEPT], context.config.gate)
    judged = dataclasses.asdict(verdict)
    if models:
        judged |= {"version": _registered(context.workspace)["version"]}
    with context.workspace.publish(f"evaluation/{GATE}") as path:
        path.write_text(json.dumps(judged, indent=1, sort_keys=True))
    if models:
        _record(context, models[0], verdict)
    return rows


def _registered(workspace: Workspace) -> Row:
    """What the stage `model` wrote of the version that is judged."""
    about: Row = json.loads(workspace.local("model/registered.json").read_text())
    return about


def _compared(context: Context, model: Row) -> list[Row]:
    from pipelines.shards.read import ShardIndex

    config: EvaluationConfig = context.config
    refs = [ref for ref in ShardIndex.load(context.workspace, "test").samples if ref.kind == "pair"]
    if not refs:
        raise WorkError(
            "evaluation: the shards have no test pairs; raise the number of pairs and run `unimotion pairs`"
        )
    payloads: Iterator[tuple[str | None, str, Row]] = (
        (model["id"], f"{ref.id} {i}", {"sample": ref.id, "driver": i, "model": model["id"], "shard": ref.shard})
        for ref in refs[: config.groups]
        for i in range(len(ref.meta["identities"]))
    )
    return context.map(functools.partial(_make_worker, context.workspace, model["export_path"], config), payloads)


def _record(context: Context, model: Row, verdict: Verdict) -> None:
    """Log the verdict with the model's run, and make a model that passed the champion."""
    from training import tracking

    registered = _registered(context.workspace)
    flat = {
        f"{method}.{name}": value for method, found in verdict.means.items() for name, value in sorted(found.items())
    }
    tracking.log_evaluation(context.workspace, registered["mlflow_run_id"], flat | {"gate": float(verdict.passed)})
    if not verdict.passed:
        context.progress.say(f"gate closed: {'; '.join(verdict.reasons)}")
    elif model["variant"]:
        context.progress.say(f"gate passed; {model['variant']} is for comparison and does not become the champion")
    else:
        tracking.promote(context.workspace, registered["version"])
        context.progress.say(f"gate passed: version {registered['version']} is the champion")


def _make_worker(workspace: Workspace, export_path: str, config: EvaluationConfig) -> Worker:
    from pipelines.shards.read import Reader, ShardIndex
    from training.export import load_animator, local_model
    from training.records import Records

    animator = load_animator(local_model(workspace, export_path))
    records = Records(Reader(workspace), animator.config, _CACHE_BYTES)
    refs = {ref.id: ref for ref in ShardIndex.load(workspace, "test").samples}

    def work(payload: Row) -> list[Row]:
        ref = refs[payload["sample"]]
        frames = range(int(ref.meta["frames"]))
        driver = records.get(ref, payload["driver"], frames)
        target = records.get(ref, (payload["driver"] + 1) % len(ref.meta["identities"]), frames)
        made, found = compare(animator, driver, target, config)
        *truth, reference = _pixels(target.frames)
        grid = f"{_GRIDS}/{digest_of(payload)[:16]}.jpg"
        _write_grid(workspace, grid, reference, _pixels(driver.frames[:-1]), made, np.stack(truth))
        return [
            {
                "id": digest_of(payload, method),
                "parent_id": payload["model"],
                "status": Status.KEPT,
                "sample": ref.id,
                "method": method,
                "frames": len(truth),
                **measures,
                "grid_path": grid,
            }
            for method, measures in found.items()
        ]

    return work


def compare(
    animator: Any, driver: "Record", target: "Record", config: EvaluationConfig
) -> tuple[NDArray[np.uint8], dict[str, dict[str, float | None]]]:
    """One person of a group animates another. driver, target: all T frames, the last of which is the reference.

    Returns the frames (T - 1, S, S, 3), and by method (the model, and repeating the reference) the means over frames
    of the measures; None for what cannot be measured. The model's pose_head_error is that of the places which D_h
    gives, not of what its picture shows; that of the reference is of its true points.
    """
    made, points = _generate(animator, driver, target, config)
    truth, reference = _pixels(target.frames[:-1]), _pixels(target.frames[-1:])[0]
    outputs = {gate.MODEL: made, gate.BASELINE: copy_reference(reference, len(truth))}
    joints = {gate.MODEL: points, gate.BASELINE: target.keypoints[-1:, :, :2].expand(len(truth), -1, -1).numpy()}
    mask = target.mask[:-1].numpy() > 127 if target.mask is not None else None
    keypoints = target.keypoints[:-1].numpy()
    return made, {method: _measure(image, truth, mask, joints[method], keypoints) for method, image in outputs.items()}


def _generate(
    animator: Any, driver: "Record", target: "Record", config: EvaluationConfig
) -> tuple[NDArray[np.uint8], NDArray[np.float32] | None]:
    """Frames (T - 1, S, S, 3) of the target's person, and where D_h places its points (None without D_h)."""
    import torch

    from training.fields import stack
    from training.inputs import to_float, to_pixels
    from training.model.points import expected_places

    def tokens(record: "Record") -> Any:
        return animator.encode(stack([record.driver]).plain())

    generator = torch.Generator().manual_seed(config.seed)
    with torch.no_grad():
        motion = tokens(driver).at(torch.arange(len(driver.frames) - 1))
        negative = tokens(target).at(torch.tensor([-1])) if config.guidance_scale != 1 else None
        reference = to_float(target.frames[-1:])
        frames = animator.generate(reference, motion, config.steps, config.guidance_scale, generator, negative)
        points = None
        if animator.heads is not None:
            guidance = animator.guide(reference, motion)
            logits = animator.heads.heatmaps(guidance.features, guidance.points)
            points = expected_places(logits)[0].numpy()
    return _pixels(to_pixels(frames[0])), points


def _pixels(frames: Any) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = frames.permute(0, 2, 3, 1).numpy()
    return pixels


def _measure(
    image: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    mask: NDArray[np.bool_] | None,
    points: NDArray[np.float32] | None,
    keypoints: NDArray[np.float32],
) -> dict[str, float | None]:
    """Means over frames; None for what cannot be measured."""
    per_frame = {
        "psnr": [metrics.psnr(a, b) for a, b in zip(image, truth, strict=True)],
        "ssim": [metrics.ssim(a, b) for a, b in zip(image, truth, strict=True)],
        "pose_head_error": []
        if points is None
        else [metrics.joint_error(p, k, truth.shape[1]) for p, k in zip(points, keypoints, strict=True)],
        "foreground_psnr": []
        if mask is None
        else [metrics.psnr(a, b, m) for a, b, m in zip(image, truth, mask, strict=True)],
    }
    finite = {name: [value for value in values if np.isfinite(value)] for name, values in per_frame.items()}
    return {name: float(np.mean(values)) if values else None for name, values in finite.items()}


def _write_grid(workspace: Workspace, relative: str, reference: NDArray[np.uint8], *columns: NDArray[np.uint8]) -> None:
    """A picture for people, one row per frame: reference, driving frame, output, truth."""
    import simplejpeg

    shown = np.linspace(0, len(columns[0]) - 1, min(_GRID_FRAMES, len(columns[0]))).astype(int)
    rows = [np.concatenate([reference, *(column[t] for column in columns)], 1) for t in shown]
    picture = np.concatenate(rows).repeat(_GRID_SCALE, 0).repeat(_GRID_SCALE, 1)
    with workspace.publish(relative) as path:
        path.write_bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(picture), quality=92))


STAGE = Stage(
    name="evaluation",
    config=EvaluationConfig,
    schema=schema_of(
        sample=pa.string(),
        method=pa.string(),
        frames=pa.int64(),
        psnr=pa.float64(),
        foreground_psnr=pa.float64(),
        ssim=pa.float64(),
        pose_head_error=pa.float64(),
        grid_path=pa.string(),
    ),
    run=_run,
    needs=("model", "shards"),
    version=2,
    covers="model",
    beside=(GATE,),
)
