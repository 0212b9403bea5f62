"""The terms of the objective, each masked where its label is missing.

Every term is a mean over samples of a mean within the sample, so that workers with equal shares of a batch give
the same gradient as one worker with all of it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from pipelines.evaluation.seen.lpips import Lpips
from pipelines.keypoints import COUNT, PARTS
from training.batch import Batch
from training.model.layout import Layout
from training.model.parts import places_in, sampled
from training.model.points import bounded

_SPREAD = 0.7  # standard deviation of a heatmap's peak, in cells
# How much a point counts whose place only a renderer knows, and one off the picture.
_HIDDEN, _OUTSIDE = 0.3, 0.1
_UNSEEN = 0.2  # how much the place of what the photo does not show counts
_SOURCE_RANGE = (-0.3, 1.3)  # beyond it a place in the photo may as well be anywhere
_ALIKE = 0.1  # difference of cosines that is hardly one
_PART_SHARE = {"body": 0.4, "left_hand": 0.2, "right_hand": 0.2, "face": 0.2}


def exact_frames(batch: Batch) -> Tensor:
    """(B, T): 1 for rendered frames, 0 for filmed ones and for what only fills up."""
    return batch.exact[:, None] * batch.real


def balanced(person: Tensor, counts: Tensor, share: float) -> Tensor:
    """Weights (B, ...) by which the person of each sample counts `share` of it, however large; without one all is even.

    person: (B, ...), how much of each value is the person's. counts: (B, ...), 0 for what does not count.
    """
    axes = tuple(range(1, person.ndim))
    inside, outside = person * counts, (1 - person) * counts
    means = [part / part.sum(axes, keepdim=True).clamp(min=1e-9) for part in (inside, outside)]
    return share * means[0] + (1 - share) * means[1]


def mean_per_sample(values: Tensor, weight: Tensor) -> Tensor:
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
    return mean_per_sample(cross_entropy, confidence * inside * _point_weights(logits.device)[: logits.shape[-3]])


def joint_loss(points: Tensor, keypoints: Tensor) -> Tensor:
    """Distance of expected and true places, in shares of the frame's side: what evaluation measures.

    points: (B, T, N, 2), the first N of the 88. keypoints: (B, T, N, 3); points off the frame or of no confidence do
    not count.
    """
    place, confidence = keypoints[..., :2], keypoints[..., 2]
    inside = ((place >= 0) & (place < 1)).all(-1)
    # The square root has no slope at zero.
    distance = ((points - place).square().sum(-1) + 1e-6).sqrt()
    return mean_per_sample(distance, confidence * inside * _point_weights(points.device)[: points.shape[-2]])


def normal_loss(predicted: Tensor, normals: Tensor, known: Tensor) -> Tensor:
    """1 - cosine. predicted, normals: (B, T, 2, 3, N, N). known: (B, T, 2, N, N) bool."""
    return mean_per_sample(1 - (predicted * normals).sum(3), known.float())


def placed_loss(points: Tensor, keypoints: Tensor, exact: Tensor) -> Tensor:
    """As `joint_loss`, but points that are hidden or off the frame count, too, where their places are exact (B, T)."""
    place, confidence = bounded(keypoints)[..., :2], keypoints[..., 2]
    # Of a limb that is pictures away it hardly matters how many.
    distance = ((points - place).square().sum(-1) + 1e-6).sqrt().log1p()
    inside = ((place >= 0) & (place < 1)).all(-1).float()
    guess = exact[..., None] * (_OUTSIDE + (_HIDDEN - _OUTSIDE) * inside)
    weight = torch.maximum(confidence * inside, guess * _told(keypoints))
    return mean_per_sample(distance, weight * _point_weights(points.device))


def _told(points: Tensor) -> Tensor:
    """(..., 88): 0 where a point has no place at all."""
    return points[..., :2].any(-1).float()


def point_loss(predicted: Tensor, points: Tensor, exact: Tensor) -> Tensor:
    """Smooth L1 in crop units, by confidence; what is hidden counts less, and only where its place is exact (B, T).

    predicted: (B, T, 88, 2). points: (B, T, 88, 3).
    """
    difference = F.smooth_l1_loss(predicted, points[..., :2], beta=0.1, reduction="none").sum(-1)
    weight = torch.maximum(points[..., 2], _HIDDEN * exact[..., None] * _told(points))
    return mean_per_sample(difference, weight * _point_weights(points.device))


def alike_loss(tokens: Tensor, visible: Tensor, exact: Tensor) -> Tensor:
    """Softplus of how much nearer, by the cosine, a token is to the same person's in another frame than to another
    person's in the same frame: what `pipelines.evaluation.leakage` counts.

    tokens (B, 3 T, width), visible (B, 3 T) bool: the driver's, the same frames of another, other frames of the driver.
    exact (B, T): 1 where frames of pairs are the same. Source: InfoNCE of one negative (van den Oord et al., 2018,
    arXiv 1807.03748).
    """
    own, twin, apart = tokens.chunk(3, 1)
    near, far = (F.cosine_similarity(own, other, dim=-1) for other in (twin, apart))
    counts = torch.stack(visible.chunk(3, 1)).all(0).float() * exact
    return mean_per_sample(F.softplus((far - near) / _ALIKE), counts)


def part_loss(logits: Tensor, parts: Tensor, exact: Tensor) -> Tensor:
    """Cross-entropy of the part that each cell shows. logits: (N, 17, P, P). parts: (N, P, P). exact: (N,)."""
    entropy = F.cross_entropy(logits, parts.long(), reduction="none")
    return mean_per_sample(entropy, exact[:, None, None].expand_as(entropy))


def layout_losses(layout: Layout, batch: Batch) -> dict[str, Tensor]:
    """Of L: which part each cell shows, where the photo has it, and whether one sees it there.

    Places count fully where the photo shows them, and a little where it does not.
    """
    parts, source = batch.parts.flatten(0, 1), batch.source.flatten(0, 1).float()
    exact = exact_frames(batch).flatten()
    place, visible = source[:, :2].permute(0, 2, 3, 1).clamp(*_SOURCE_RANGE), source[:, 2]
    person = (parts > 0).float() * exact[:, None, None]
    at = places_in(parts.shape[1], parts.shape[2], parts.device).expand(len(parts), -1, -1, -1)
    found = layout.sources((parts.long() - 1).clamp(min=0), at)
    distance = ((found - place).square().sum(-1) + 1e-5).sqrt()
    seen = sampled(layout.visible, at)[:, 0]
    return {
        "parts": part_loss(layout.parts, parts, exact),
        "offsets": mean_per_sample(distance, person * (_UNSEEN + (1 - _UNSEEN) * visible)),
        "visible": mean_per_sample(F.binary_cross_entropy_with_logits(seen, visible, reduction="none"), person),
    }


def shown_loss(logits: Tensor, confidence: Tensor, real: Tensor) -> Tensor:
    """Cross-entropy of whether each point is seen, with its confidence.

    logits, confidence: (B, T, 88). real: (B, T).
    """
    entropy = F.binary_cross_entropy_with_logits(logits, confidence.clamp(0, 1), reduction="none")
    return mean_per_sample(entropy, real[..., None] * _point_weights(logits.device))


class LookLoss:
    """How far apart pictures look: LPIPS (Zhang et al., 2018) at each place, weighed and averaged per sample.

    A plain class, so that what shares or shards the objective's parameters leaves the network, never trained, alone.
    """

    def __init__(self, network: Lpips) -> None:
        self._network = network

    def __call__(self, pictures: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
        """pictures, truth: (B, T, 3, H, W) in [-1, 1]. weight: (B, T, 1, H, W). Returns a scalar."""
        made = self._network.features((pictures.flatten(0, 1) + 1) / 2)
        with torch.no_grad():
            wanted = self._network.features((truth.flatten(0, 1) + 1) / 2)
        terms = []
        for places in self._network.maps(made, wanted):
            weights = F.interpolate(weight.flatten(0, 1), size=places.shape[-2:], mode="area")
            terms.append(mean_per_sample(*(value.unflatten(0, truth.shape[:2]) for value in (places, weights))))
        return torch.stack(terms).sum()
