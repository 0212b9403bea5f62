"""What is learned: what encoders and D see, where D places it, and flow matching; each term masked where its label is
missing. The terms themselves are in `training.losses`.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipelines.keypoints import BODY_SLICE
from training.augment import augment, draw
from training.augment_pictures import PictureDraws, doubted_frame, doubted_photo, draw_for_pictures, recoloured
from training.batch import Batch
from training.config import Phase, Preset
from training.fields import concatenated
from training.inputs import to_float
from training.losses import (
    LookLoss,
    alike_loss,
    balanced,
    exact_frames,
    heatmap_loss,
    joint_loss,
    layout_losses,
    mean_per_sample,
    normal_loss,
    part_loss,
    placed_loss,
    point_loss,
    shown_loss,
)
from training.model.animator import Animator, Photo, shifted
from training.model.copies import Copier, Still
from training.model.encoders import MotionTokens
from training.model.heads import Heads
from training.model.layout import Layout
from training.model.motion import Guidance
from training.model.parts import sampled
from training.model.points import bounded, completed, expected_places
from training.practice import PointBatch

_OTHERS = 4  # stream of random numbers of what tokens are held against


@dataclass(frozen=True)
class Losses:
    """Unweighted terms and their weighted sum, scalars."""

    total: Tensor
    terms: dict[str, Tensor]


class Objective(nn.Module):
    """The model with its losses as one module, so that data-parallel wrappers see every parameter's use."""

    def __init__(self, animator: Animator, preset: Preset, seed: int, look: LookLoss | None = None) -> None:
        """look: needed where its weight in the preset's losses is not 0."""
        super().__init__()
        self.animator = animator
        self.preset, self.seed = preset, seed
        self._look_loss = look

    def forward(self, batch: Batch | PointBatch, phase: Phase) -> Losses:
        terms = self._placed(batch) if isinstance(batch, PointBatch) else self._shown(batch, phase)
        total = torch.stack([getattr(self.preset.loss, name) * term for name, term in terms.items()]).sum()
        return Losses(total, terms)

    def _shown(self, batch: Batch, phase: Phase) -> dict[str, Tensor]:
        """What a phase teaches by pictures."""
        animator = self.animator
        # Kept latents are of the pictures' own colours.
        colours = 0.0 if self.preset.data.latents else self.preset.data.augment
        picture_draws = draw_for_pictures(self.seed, batch.position, colours).to(batch.position.device)
        reference = recoloured(to_float(batch.reference), picture_draws)
        points = doubted_photo(batch.reference_keypoints, picture_draws)
        seen, guidance, terms = None, None, dict[str, Tensor]()
        if phase.perceive:
            looked, heatmaps = self._look(batch)
            terms |= self._perceived(batch, looked, heatmaps)
            if phase.retarget:
                tokens = looked.at(torch.arange(batch.target.shape[1], device=points.device))
                seen = animator.motion.see(reference, points)
                guidance = animator.motion.guide(seen, animator.motion.place(seen, tokens), tokens)
                terms |= self._retargeted(batch, tokens, guidance)
        if phase.paint:
            logits = animator.read_parts(reference, points)
            photo = animator.photo_of(reference, seen, points, logits.detach().softmax(1))
            terms |= {"read": part_loss(logits, batch.reference_parts, batch.exact)}
            terms |= self._painted(batch, photo, guidance, picture_draws)
        return terms

    def _look(self, batch: Batch) -> tuple[MotionTokens, Tensor | None]:
        """What the encoders make of the driver, and behind it of the others that it is held against."""
        strength, device = self.preset.data.augment, batch.position.device
        driver = augment(batch.driver, draw(self.seed, batch.position).to(device), strength)
        others = augment(batch.others, draw(self.seed, batch.position, _OTHERS).to(device), strength)
        return self.animator.motion.look(concatenated([driver, others], 1))

    def _painted(
        self, batch: Batch, photo: Photo, guidance: Guidance | None, picture_draws: PictureDraws
    ) -> dict[str, Tensor]:
        """Where everything is in the frames, and what they look like. Both are told the frames' true points.

        guidance: of the DiT; without it the sketch is what copies alone make.
        """
        animator, count = self.animator, batch.target.shape[1]
        target = recoloured(to_float(batch.target), picture_draws)
        points = doubted_frame(batch.keypoints, picture_draws).flatten(0, 1)
        still = photo.still.repeated(count)
        layout = animator.layout(still.shares, still.points, points)
        terms = layout_losses(layout, batch)
        # The pictures' losses do not reach the layout, which labels teach.
        layout = Layout(*(value.detach() for value in (layout.parts, layout.affines, layout.offsets, layout.visible)))
        with torch.no_grad():
            sketch = rough = animator.rough_sketch(photo, layout, points)
        if guidance is not None:
            with torch.no_grad():
                conditions = self._conditions(batch, photo, rough)
            latents, terms["flow"] = self._denoised(batch, target, rough, conditions, guidance)
            sketch = animator.sketch_of(latents.detach(), rough)
        if animator.blender is not None:
            terms |= self._blended(batch, still, layout, points, target, sketch.flatten(0, 1), picture_draws)
        return terms

    def _conditions(self, batch: Batch, photo: Photo, rough: Tensor) -> Tensor:
        if batch.reference_latents is None:
            return self.animator.conditions(photo, rough)
        copies = self.animator.codec.encode(rough)
        return torch.cat([batch.reference_latents.float().expand_as(copies), copies], 1)

    def _denoised(
        self, batch: Batch, target: Tensor, rough: Tensor, conditions: Tensor, guidance: Guidance
    ) -> tuple[Tensor, Tensor]:
        """The clean latents that the DiT sees in noised ones, and its loss."""
        animator, weights = self.animator, self.preset.loss
        with torch.no_grad():
            clean = animator.latents_of(target, rough) if batch.latents is None else batch.latents.float()
        noise, time = flow_noise(clean.shape[1:], self.seed, batch.position, weights.pure_noise)
        time = shifted(time, animator.config.shift)
        stride = animator.codec.stride
        known = batch.known[:, ::stride]
        keep = known[:, None, :, None, None]
        # A latent frame is as real as the first of its frames; what only fills up is noise and has no weight.
        real = torch.cat([batch.real[:, :1], batch.real[:, 1::stride]], 1)[:, None, :, None, None]
        noised = torch.lerp(noise, clean, real * (1 - time[:, None, None, None, None]))
        latents = keep * clean + (1 - keep) * noised
        output, found = animator.predict_clean(latents, time, known, guidance, conditions)
        wanted = clean if animator.config.prediction == "x" else noise - clean
        person, filmed = (animator.shrunk(mask[:, :, None])[:, :, 0] for mask in (_person(batch.mask), _filmed(batch)))
        person = animator.codec.cover(person).expand_as(clean)
        weight = balanced(person, real * (1 - keep) * animator.codec.cover(filmed).expand_as(clean), weights.foreground)
        return found, mean_per_sample((output - wanted).square(), weight)

    def _blended(
        self,
        batch: Batch,
        still: Still,
        layout: Layout,
        points: Tensor,
        target: Tensor,
        sketch: Tensor,
        picture_draws: PictureDraws,
    ) -> dict[str, Tensor]:
        """What F makes of a square out of each sample's frames: at full size, since edges are what it is for."""
        animator, count = self.animator, target.shape[1]
        pictures = torch.cat([target, *(mask[:, :, None] for mask in (_person(batch.mask), _filmed(batch)))], 2)
        square, at = _squares(pictures, self.preset.data.crop, picture_draws.middle)
        at = at.repeat_interleave(count, 0)
        with torch.no_grad():
            copier = Copier(still, layout, points, at)
            copies, evidence, made = copier.copies(), copier.evidence(), sampled(sketch, at)
        blend = animator.blended(copies, evidence, made)
        truth, person, filmed = square.split([3, 1, 1], 2)
        counts = (batch.real[:, :, None, None, None] * filmed).expand_as(truth)
        weight = balanced(person.expand_as(truth), counts, self.preset.loss.foreground)
        picture = blend.of(copies, made).unflatten(0, truth.shape[:2])
        edge = blend.edge.unflatten(0, truth.shape[:2])
        entropy = F.binary_cross_entropy_with_logits(edge, person, reduction="none")
        known = batch.exact[:, None, None, None, None] * counts[:, :, :1]
        terms = {
            "picture": mean_per_sample((picture - truth).abs(), weight),
            "edge": mean_per_sample(entropy, known),
        }
        if self._look_loss is not None:
            terms["look"] = self._look_loss(picture, truth, weight[:, :, :1])
        return terms

    @torch.no_grad()
    def sample(self, batch: Batch) -> Tensor:
        """What the model makes of the batch's drivers and references, (B, T, 3, S, S) in [-1, 1]."""
        generator = torch.Generator().manual_seed(self.seed)
        tokens = self.animator.encode(batch.driver.plain())
        photo = self.animator.look_at(to_float(batch.reference), batch.reference_keypoints)
        return self.animator.generate(photo, tokens, generator=generator)

    def _perceived(self, batch: Batch, looked: MotionTokens, heatmaps: Tensor | None) -> dict[str, Tensor]:
        """What encoders see. looked, heatmaps: of the driver, and then of the others."""
        told = self.animator.motion.read(looked)
        if heatmaps is None or told is None:
            return {}
        points, real = torch.cat([batch.points, batch.other_points], 1), batch.real.repeat(1, 3)
        crop = torch.cat([(points[..., BODY_SLICE, :2] + 1) / 2, points[..., BODY_SLICE, 2:]], -1)
        return {
            "points": point_loss(told[..., :2], points, batch.exact[:, None] * real),
            "shown": shown_loss(told[..., 2], points[..., 2], real),
            "alike": self._alike(batch, looked),
            "places": joint_loss(expected_places(heatmaps), crop),
            "sight": heatmap_loss(heatmaps, crop),
        }

    def _placed(self, batch: PointBatch) -> dict[str, Tensor]:
        """Where D puts the points before its features say more."""
        points = self.animator.motion.moved(batch.driver, batch.place, bounded(completed(batch.photo)))
        if points is None:
            return {}
        return {"placed": placed_loss(points[:, None], batch.target[:, None], torch.ones(len(points), 1).to(points))}

    def _alike(self, batch: Batch, looked: MotionTokens) -> Tensor:
        """How far tokens are nearer to the same motion of another person than to another motion of the same person."""
        left, right = torch.cat([batch.driver.hand_visible, batch.others.hand_visible], 1).unbind(-1)
        face = torch.cat([batch.driver.face_visible, batch.others.face_visible], 1)
        kinds = (
            (looked.body, torch.ones_like(face)),
            (looked.left_hand, left),
            (looked.right_hand, right),
            (looked.face, face),
        )
        terms = [alike_loss(token, visible, exact_frames(batch)) for token, visible in kinds]
        return torch.stack(terms).sum()

    def _retargeted(self, batch: Batch, tokens: MotionTokens, guidance: Guidance) -> dict[str, Tensor]:
        """Where D places the motion on the reference person."""
        features = guidance.features
        if features is None:
            return {}
        terms = {
            "joints": placed_loss(guidance.points[..., :2], batch.keypoints, exact_frames(batch)),
            "appear": shown_loss(guidance.points[..., 2], batch.keypoints[..., 2], batch.real),
        }
        heads = self.animator.heads
        if heads is not None:
            terms["heatmaps"] = heatmap_loss(heads.heatmaps(features, guidance.points[..., :2]), batch.keypoints)
            terms["normals"] = self._normals(batch, tokens, heads, features)
        return terms

    def _normals(self, batch: Batch, tokens: MotionTokens, heads: Heads, features: Tensor) -> Tensor:
        hands = torch.stack([tokens.left_hand, tokens.right_hand], 2)
        predicted = heads.normals(features, hands, batch.hand_boxes)
        known = (batch.normals[:, :, :, 3] > 127) & batch.driver.hand_visible[..., None, None]
        return normal_loss(predicted, to_float(batch.normals[:, :, :, :3]), known)


def _person(mask: Tensor) -> Tensor:
    return (mask > 127).float()


def _filmed(batch: Batch) -> Tensor:
    """(B, T, S, S): 1 where the target's picture was filmed, 0 where it is filled."""
    count, size = batch.target.shape[1], batch.target.shape[-1]
    x0, y0, x1, y1 = batch.shown[:, :, None].unbind(1)
    middles = (torch.arange(size, device=batch.shown.device) + 0.5) / size
    across = ((middles >= x0) & (middles < x1)).float()
    down = ((middles >= y0) & (middles < y1)).float()
    return (down[:, :, None] * across[:, None, :])[:, None].expand(-1, count, -1, -1)


def square_side(size: int, share: float) -> int:
    """Pixels per side of the square that F learns from in frames of a size: F halves it four times."""
    return min(size, max(1, round(size * share / 16)) * 16)


def _squares(pictures: Tensor, share: float, middle: Tensor) -> tuple[Tensor, Tensor]:
    """A square out of each sample's frames, and the middles of its pixels in shares of the frame.

    pictures: (B, T, C, S, S), the mask of the person second to last. share: of the frame's side. middle (B, 2) in
    [0, 1]: where it lies about the box of the person. Returns (B, T, C, c, c) and (B, c, c, 2).
    """
    size = pictures.shape[-1]
    side = square_side(size, share)
    masks = pictures[:, :, -2].amax(1)
    steps = torch.arange(size, device=pictures.device)
    starts = []
    for axis, where in enumerate((masks.amax(1), masks.amax(2))):
        there = where > 0.5
        there = there | ~there.any(1, keepdim=True)  # where nobody is, anywhere
        first = torch.where(there, steps, size).amin(1)
        last = torch.where(there, steps, -1).amax(1)
        centre = first + middle[:, axis] * (last - first)
        starts.append((centre - side / 2).round().clamp(0, size - side).long())
    within = torch.arange(side, device=pictures.device)
    across, down = (start[:, None] + within for start in starts)
    rows = torch.stack([p[:, :, y][:, :, :, x] for p, y, x in zip(pictures, down, across, strict=True)])
    at = torch.stack(torch.broadcast_tensors(across[:, None, :], down[:, :, None]), -1)
    return rows, (at + 0.5) / size


def flow_noise(shape: torch.Size, seed: int, positions: Tensor, pure: float) -> tuple[Tensor, Tensor]:
    """Noise (B, *shape) and flow times (B,) in [0, 1], each sample's own whatever the batch it is in.

    Times are logit-normal but for the share `pure` at pure noise.
    """
    noises, times = [], []
    for position in positions.tolist():
        generator = torch.Generator().manual_seed(seed * 1_000_003 + position)
        noises.append(torch.randn(shape, generator=generator))
        time = torch.randn((), generator=generator).add(0.5).sigmoid()
        times.append(time if torch.rand((), generator=generator) >= pure else torch.ones(()))
    return torch.stack(noises).to(positions.device), torch.stack(times).to(positions.device)
