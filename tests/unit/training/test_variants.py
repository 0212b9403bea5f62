"""Each variant trains, exports and generates as the preset does, and lacks what its name says, and that alone."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_training import TINY, awake, make_stream
from toy_shards import keypoints_of

from pipelines.curation.watch import Followed, Portrait
from pipelines.shards.read import ShardIndex
from pipelines.workspace import Workspace
from training.batch import Batch
from training.config import Preset, to_json
from training.data import Plan
from training.estimate import estimate
from training.export import load_animator, write_model
from training.fields import concatenated
from training.inputs import to_float
from training.model.animator import Animator
from training.objective import Objective
from training.painter import Painter, Sampling, joined
from training.presets import PRESETS
from training.step import Learner, train_step
from training.train import TrainConfig
from training.variants import VARIANTS, variant_of


def objective_of(name: str) -> Objective:
    """With weights that start at zero taking part."""
    preset = variant_of(TINY, name)
    torch.manual_seed(0)
    animator = Animator(preset.model)
    awake(animator)
    return Objective(animator, preset, 0)


def generating(shards: Workspace, name: str) -> Batch:
    return make_stream(shards, variant_of(TINY, name)).batch(3)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "skeleton" else [pytest.mark.slow]) for name in VARIANTS]
)
def test_it_trains_exports_loads_and_generates(shards: Workspace, tmp_path: Path, name: str) -> None:
    preset = variant_of(TINY, name)
    torch.manual_seed(0)
    learner = Learner.fresh(Animator(preset.model), preset)
    objective, stream = Objective(learner.animator, preset, 0), make_stream(shards, preset)
    for step in range(preset.steps):
        values = train_step(objective, learner, stream.batch(step), preset)
        assert values["gradient_norm"] > 0
        assert "flow" in values or name != "skeleton"
    write_model(Workspace(str(tmp_path)), "m", preset.model, learner.ema)
    painter = Painter(load_animator(tmp_path / "m"))
    keypoints = np.stack([keypoints_of(np.full(10, x), np.ones(3)) for x in (-0.5, 0.0, 0.5)])
    frames = np.random.default_rng(0).integers(0, 255, (3, 48, 48, 3), dtype=np.uint8)
    corners, times = np.zeros((3, 2), np.int64), np.arange(3) / 8
    followed = Followed(times, 3 / 8, Fraction(1, 8), keypoints, corners, side=48, seconds=3 / 8)
    tokens = joined(list(painter.encode(followed, iter(frames))))
    portrait = Portrait(frames[0], corners[0], 48, keypoints[0])
    made = list(painter.paint(portrait, 40, tokens, 30.0, 0, Sampling(seed=0, steps=None, strength=1.5)))
    assert [picture.shape for picture in made] == [(40, 40, 3)] * 3
    assert not np.array_equal(made[0], made[1])
    cost = estimate(preset, 1, None, None)
    assert cost.parameters == sum(parameter.numel() for parameter in painter.animator.parameters())


@pytest.mark.parametrize("name", ["skeleton", "no-hands", "no-heads"])
def test_nothing_that_is_built_stays_untaught(shards: Workspace, name: str) -> None:
    objective = objective_of(name)
    for step in (0, 3, objective.preset.steps - 2, objective.preset.steps - 1):
        batch = make_stream(shards, objective.preset).batch(step)
        if isinstance(batch, Batch):
            batch.driver.hand_visible[0, 0, 0] = False
            batch.driver.face_visible[0, 0] = False
        objective(batch, objective.preset.phase_at(step)[0]).total.backward()
    dead = [name for name, p in objective.animator.named_parameters() if p.grad is None or not p.grad.any()]
    assert [name for name in dead if not name.endswith("to_k.bias")] == []


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("preset", PRESETS)
def test_steps_samples_and_the_generator_stay(preset: str, name: str) -> None:
    before, after = PRESETS[preset], variant_of(PRESETS[preset], name)
    assert after != before
    # A skeleton has nothing to place.
    phases = [phase for phase in before.phases if name != "skeleton" or not phase.place]
    kept = ("name", "steps", "batch", "frames", "history")
    for ours, theirs in zip(after.phases, phases, strict=True):
        assert [getattr(ours, field) for field in kept] == [getattr(theirs, field) for field in kept]
        assert ours.rate <= theirs.rate
    changed = {key for key, value in to_json(after.model).items() if value != to_json(before.model)[key]}
    assert changed <= {"motion", "heads", "hands"}


def test_without_pairs_everyone_drives_themselves_in_the_same_pictures(shards: Workspace) -> None:
    index, other = ShardIndex.load(shards, "train"), variant_of(TINY, "no-pairs")
    for phase in TINY.phases:
        for position in range(200):
            crossed, alone = (Plan(index, preset, 0).choose(phase, position) for preset in (TINY, other))
            assert alone.driver == alone.target == crossed.target
            assert (alone.ref, alone.reference, list(alone.frames)) == (
                crossed.ref,
                crossed.reference,
                list(crossed.frames),
            )


def test_without_augmentation_the_encoders_see_what_was_filmed(
    shards: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    objective, batch, seen = objective_of("no-augment"), generating(shards, "no-augment"), []
    look = objective.animator.motion.look
    monkeypatch.setattr(objective.animator.motion, "look", lambda driver: seen.append(driver) or look(driver))
    objective(batch, objective.preset.phases[2])
    assert torch.equal(seen[0].body, concatenated([batch.driver, batch.others], 1).plain().body)


def test_without_heads_neither_heatmaps_nor_normals_teach(shards: Workspace) -> None:
    objective = objective_of("no-heads")
    terms = objective(generating(shards, "no-heads"), objective.preset.phases[2]).terms
    assert objective.animator.heads is None
    whole = objective_of("")
    assert set(whole(generating(shards, ""), whole.preset.phases[2]).terms) - set(terms) == {"heatmaps", "normals"}


def test_without_hands_their_crops_have_no_effect(shards: Workspace) -> None:
    animator, driver = objective_of("no-hands").animator, generating(shards, "no-hands").driver.plain()
    other = replace(driver, hands=torch.rand_like(driver.hands), hand_visible=~driver.hand_visible)
    tokens, changed = animator.encode(driver), animator.encode(other)
    for side in ("left_hand", "right_hand"):
        assert torch.equal(getattr(tokens, side), animator.motion.encoder.hand.null.expand_as(tokens.left_hand))
        assert torch.equal(getattr(tokens, side), getattr(changed, side))
    assert torch.equal(tokens.body, changed.body)


def test_a_skeleton_is_all_that_its_model_knows_of_the_driver(shards: Workspace) -> None:
    objective, batch = objective_of("skeleton"), generating(shards, "skeleton")
    phase, own = objective.preset.phases[2], batch.driver

    def total(**changes: torch.Tensor) -> torch.Tensor:
        return objective(replace(batch, driver=replace(own, **changes)), phase).total

    plain = total()
    for name in ("body", "hands", "face", "place", "hand_visible", "face_visible", "hand_box", "face_box"):
        assert total(**{name: torch.zeros_like(getattr(own, name))}) == plain, name
    assert total(keypoints=own.keypoints + 0.1) != plain
    # It is placed by the driver's frame, whoever is in the reference image.
    reference = to_float(batch.reference)
    tokens = objective.animator.encode(own.plain())
    for points in (batch.reference_keypoints, batch.reference_keypoints * 0.9):
        guidance = objective.animator.guide(objective.animator.look_at(reference, points), tokens)
        assert torch.equal(guidance.points[..., :2], own.keypoints[..., :2])


def test_a_variant_is_chosen_by_name_and_part_of_the_fingerprint(tiny: Preset) -> None:
    assert variant_of(tiny, "") is tiny
    digests = {TrainConfig("tiny", variant=name).preset_digest for name in ("", *VARIANTS)}
    assert len(digests) == 1 + len(VARIANTS)
    with pytest.raises(ValueError, match=r"variant 'no-feet' does not exist; choose among skeleton, no-pairs"):
        TrainConfig("tiny", variant="no-feet")
