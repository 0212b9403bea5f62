"""What is learned: what encoders and D see, where D places it, and flow matching; each term masked where its label is
missing.

Every term is a mean over samples of a mean within the sample, so that workers with equal shares of a batch give
the same gradient as one worker with all of it.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipelines.keypoints import BODY_SLICE, COUNT, PARTS
from training.augment import augment, draw
from training.batch import Batch
from training.config import Phase, Preset
from training.inputs import to_float
from training.model.animator import Animator, shifted
from training.model.encoders import MotionTokens
from training.model.heads import Heads
from training.model.motion import Guidance
from training.model.points import expected_places
from training.model.retarget import Places, Seen

_SPREAD = 0.7  # standard deviation of a heatmap's peak, in cells
_PART_SHARE = {"body": 0.4, "left_hand": 0.2, "right_hand": 0.2, "face": 0.2}


@dataclass(frozen=True)
class Losses:
    """Unweighted terms and their weighted sum, scalars."""

    total: Tensor
    terms: dict[str, Tensor]


class Objective(nn.Module):
    """The model with its losses as one module, so that data-parallel wrappers see every parameter's use."""

    def __init__(self, animator: Animator, preset: Preset, seed: int) -> None:
        super().__init__()
        self.animator = animator
        self.preset, self.seed = preset, seed

    def forward(self, batch: Batch, phase: Phase) -> Losses:
        animator, weights = self.animator, self.preset.loss
        draws = draw(self.seed, batch.position).to(batch.position.device)
        driver = augment(batch.driver, draws, self.preset.data.augment)
        tokens, heatmaps = animator.motion.look(driver)
        reference = to_float(batch.reference)
        seen = animator.motion.see(reference)
        places = animator.motion.place(seen, tokens)
        terms = self._perceived(batch, heatmaps, seen, places)
        if phase.retarget:
            guidance = animator.motion.guide(reference, seen, places, tokens)
            terms |= self._retargeted(batch, tokens, guidance)
        if phase.generate:
            clean = self._latents(batch.latents, batch.target)
            still = self._latents(batch.reference_latents, batch.reference[:, None])
            noise, time = flow_noise(clean.shape[1:], self.seed, batch.position, weights.pure_noise)
            time = shifted(time, animator.config.shift)
            stride = animator.codec.stride
            known = batch.known[:, ::stride]
            keep = known[:, None, :, None, None]
            # A latent frame is as real as the first of its frames; what only fills up is noise and has no weight.
            real = torch.cat([batch.real[:, :1], batch.real[:, 1::stride]], 1)[:, None, :, None, None]
            noised = torch.lerp(noise, clean, real * (1 - time[:, None, None, None, None]))
            latents = keep * clean + (1 - keep) * noised
            output, _ = animator.predict_clean(latents, time, known, guidance, reference, still)
            wanted = clean if animator.config.prediction == "x" else noise - clean
            person = animator.codec.cover(_person(batch.mask)).expand_as(clean)
            filmed = animator.codec.cover(_filmed(batch))
            weight = balanced(person, real * (1 - keep) * filmed.expand_as(clean), weights.foreground)
            terms["flow"] = _mean_per_sample((output - wanted).square(), weight)
        total = torch.stack([getattr(weights, name) * term for name, term in terms.items()]).sum()
        return Losses(total, terms)

    @torch.no_grad()
    def sample(self, batch: Batch) -> Tensor:
        """What the model makes of the batch's drivers and references, (B, T, 3, S, S) in [-1, 1]."""
        generator = torch.Generator().manual_seed(self.seed)
        tokens = self.animator.encode(batch.driver.plain())
        return self.animator.generate(to_float(batch.reference), tokens, generator=generator)

    def _latents(self, kept: Tensor | None, pixels: Tensor) -> Tensor:
        """kept: (B, C, t, h, w), or None. pixels: (B, T, 3, S, S) uint8."""
        return self.animator.codec.encode(to_float(pixels)) if kept is None else kept.float()

    def _perceived(
        self, batch: Batch, heatmaps: Tensor | None, seen: Seen | None, places: Places | None
    ) -> dict[str, Tensor]:
        """What encoders and D see, each by itself, and where D puts the points."""
        if self.animator.heads is None or heatmaps is None or seen is None or places is None:
            return {}
        read = places.read
        own, reference = seen.heatmaps[:, None], batch.reference_keypoints[:, None]
        crop = torch.cat([(batch.points[..., BODY_SLICE, :2] + 1) / 2, batch.points[..., BODY_SLICE, 2:]], -1)
        return {
            "points": point_loss(read[..., :2], batch.points),
            "shown": shown_loss(read[..., 2], batch.points[..., 2], batch.real)
            + shown_loss(seen.shown[:, None], reference[..., 2], torch.ones_like(batch.real[:, :1])),
            "places": joint_loss(expected_places(heatmaps), crop),
            "reference": joint_loss(expected_places(own), reference),
            "sight": heatmap_loss(heatmaps, crop) + heatmap_loss(own, reference),
            "placed": joint_loss(places.points, batch.keypoints),
        }

    def _retargeted(self, batch: Batch, tokens: MotionTokens, guidance: Guidance) -> dict[str, Tensor]:
        """Where D places the motion on the reference person."""
        terms = {}
        heads, features, points = self.animator.heads, guidance.features, guidance.points
        if heads is not None and features is not None and points is not None:
            logits = heads.heatmaps(features, points)
            terms["heatmaps"] = heatmap_loss(logits, batch.keypoints)
            terms["joints"] = joint_loss(expected_places(logits), batch.keypoints)
            terms["normals"] = self._normals(batch, tokens, heads, features)
        if features is not None and guidance.moved is not None:
            person = _person(batch.mask)[:, :, None].expand_as(guidance.moved)
            counts = (batch.real[:, :, None, None] * _filmed(batch))[:, :, None].expand_as(person)
            weight = balanced(person, counts, self.preset.loss.foreground)
            terms["moved"] = _mean_per_sample((guidance.moved - to_float(batch.target)).square(), weight)
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


def balanced(person: Tensor, counts: Tensor, share: float) -> Tensor:
    """Weights (B, ...) by which the person of each sample counts `share` of it, however large; without one all is even.

    person: (B, ...), how much of each value is the person's. counts: (B, ...), 0 for what does not count.
    """
    axes = tuple(range(1, person.ndim))
    inside, outside = person * counts, (1 - person) * counts
    means = [part / part.sum(axes, keepdim=True).clamp(min=1e-9) for part in (inside, outside)]
    return share * means[0] + (1 - share) * means[1]


def _mean_per_sample(values: Tensor, weight: Tensor) -> Tensor:
    """Mean over samples of the weighted mean of each; a sample without weight adds nothing."""
    axes = tuple(range(1, values.ndim))
    return ((values * weight).sum(axes) / weight.sum(axes).clamp(min=1e-9)).mean()


def _point_weights(device: torch.device) -> Tensor:
    """(88,): each part counts by its share; hands and face have more points than the body, not more to say."""
    weights = torch.zeros(COUNT, device=device)
    for name, share in _PART_SHARE.items():
        weights[PARTS[name]] = share / (PARTS[name].stop - PARTS[name].start)
    return weights


def heatmap_loss(logits: Tensor, keypoints: Tensor) -> Tensor:
    """Cross-entropy of each point's distribution over cells with a Gaussian at the true place.

    logits: (B, T, N, M, M), of the first N of the 88. keypoints: (B, T, N, 3); points off the frame or of no confidence
    do not count.
    """
    size = logits.shape[-1]
    x, y, confidence = keypoints.unbind(-1)
    inside = (x >= 0) & (x < 1) & (y >= 0) & (y < 1)
    cells = (torch.arange(size, device=logits.device) + 0.5) / size
    across, down = (
        torch.softmax(-0.5 * ((centre[..., None] - cells) * size / _SPREAD).square(), -1) for centre in (x, y)
    )
    # The target is a product of two marginals, so the sum over cells needs no target map of its own.
    expected = torch.einsum("...y,...yx,...x->...", down, logits, across)
    cross_entropy = torch.logsumexp(logits.flatten(-2), -1) - expected
    return _mean_per_sample(cross_entropy, confidence * inside * _point_weights(logits.device)[: logits.shape[-3]])


def joint_loss(points: Tensor, keypoints: Tensor) -> Tensor:
    """Distance of expected and true places, in shares of the frame's side: what evaluation measures.

    points: (B, T, N, 2), the first N of the 88. keypoints: (B, T, N, 3); points off the frame or of no confidence do
    not count.
    """
    place, confidence = keypoints[..., :2], keypoints[..., 2]
    inside = ((place >= 0) & (place < 1)).all(-1)
    # The square root has no slope at zero.
    distance = ((points - place).square().sum(-1) + 1e-6).sqrt()
    return _mean_per_sample(distance, confidence * inside * _point_weights(points.device)[: points.shape[-2]])


def normal_loss(predicted: Tensor, normals: Tensor, known: Tensor) -> Tensor:
    """1 - cosine. predicted, normals: (B, T, 2, 3, N, N). known: (B, T, 2, N, N) bool."""
    return _mean_per_sample(1 - (predicted * normals).sum(3), known.float())


def point_loss(predicted: Tensor, points: Tensor) -> Tensor:
    """Smooth L1 in crop units, by confidence. predicted: (B, T, 88, 2). points: (B, T, 88, 3)."""
    difference = F.smooth_l1_loss(predicted, points[..., :2], beta=0.1, reduction="none").sum(-1)
    return _mean_per_sample(difference, points[..., 2] * _point_weights(points.device))


def shown_loss(logits: Tensor, confidence: Tensor, real: Tensor) -> Tensor:
    """Cross-entropy of whether each point is seen, with its confidence.

    logits, confidence: (B, T, 88). real: (B, T).
    """
    entropy = F.binary_cross_entropy_with_logits(logits, confidence.clamp(0, 1), reduction="none")
    return _mean_per_sample(entropy, real[..., None] * _point_weights(logits.device))


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
