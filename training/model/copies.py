"""What a frame can copy from the photo, by name: each part from its place, or from its twin's, or its mean colour; and
the place behind the person. Nothing is mixed across parts, so nothing becomes a ghost."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pipelines.synthesis.scenes.scene import PART_LABELS
from training.model.layout import Layout, picked
from training.model.parts import HAS_TWIN, PARTS, TWINS, mirrored_points, moved_by, part_affines, places_in, sampled

_HALO = 4  # pixels around the person that the plate does not trust, of a picture of 256
_KNOWN = 4.0  # how soon a level of the plate's pyramid counts as known
_FACES = [PART_LABELS.index(name) - 1 for name in ("face", "head")]
_HANDS = [PART_LABELS.index(name) - 1 for name in ("left_hand", "right_hand")]
_SIMILAR = {
    "hand": {"face": 0.004, "forearm": 5e-4},
    "forearm": {"upper_arm": 0.002, "face": 1e-4},
    "upper_arm": {"forearm": 0.001, "torso": 0.001},
    "thigh": {"shin": 0.002},
    "shin": {"thigh": 0.002},
    "foot": {"shin": 2e-4},
}
_SKIN = {("neck", "face"): 0.01, ("face", "neck"): 0.01, ("head", "face"): 0.001}
_OWN_TWIN, _ANY = 0.03, 1e-7


def _likeness() -> Tensor:
    """How much each part's colour says of each other's, (16, 16): what was never seen takes that of its relatives."""
    index = {name: number for number, name in enumerate(PART_LABELS[1:])}
    table = torch.full((PARTS, PARTS), _ANY)
    for number, twin in enumerate(TWINS.tolist()):
        table[number, number] = 1
        if twin != number:
            table[number, twin] += _OWN_TWIN
    for (part, other), share in _SKIN.items():
        table[index[part], index[other]] += share
    for side in ("left", "right"):
        for limb, others in _SIMILAR.items():
            for other, share in others.items():
                name = f"{side}_{other}" if f"{side}_{other}" in index else other
                table[index[f"{side}_{limb}"], index[name]] += share
    return table


_LIKENESS = _likeness()


@dataclass(frozen=True)
class Still:
    """The photo, ready to be copied from. image (B, 3, H, W) in [-1, 1], of any size. shares (B, 17, P, P): of the
    parts. points (B, 88, 3). plate (B, 3, H, W): the place without the person. colours (B, 16, 3): of the parts."""

    image: Tensor
    shares: Tensor
    points: Tensor
    plate: Tensor
    colours: Tensor

    @staticmethod
    def of(image: Tensor, shares: Tensor, points: Tensor) -> "Still":
        return Still(image, shares, points, plate_behind(image, shares), part_colours(image, shares))

    def repeated(self, count: int) -> "Still":
        """Each photo `count` times, for as many frames of it."""
        if count == 1:
            return self
        fields = (self.image, self.shares, self.points, self.plate, self.colours)
        return Still(*(value.repeat_interleave(count, 0) for value in fields))


@dataclass(frozen=True)
class Copies:
    """Of N frames at H x W places. own, twin, plain, behind (N, 3, H, W): the part from where it is in the photo, from
    its twin, in its mean colour, and the place. cover (N, 1, H, W) in [0, 1]: share of the place that is the person."""

    own: Tensor
    twin: Tensor
    plain: Tensor
    behind: Tensor
    cover: Tensor

    @property
    def rough(self) -> Tensor:
        """The picture (N, 3, H, W) without any net."""
        return self.behind.lerp(self.own, self.cover)


@dataclass(frozen=True)
class Evidence:
    """What speaks for each copy of N frames, all in [0, 1] (N, 1, H, W). sure: how much of the part the photo has
    there; shown: whether the photo shows that place, as L thinks; twin_sure as `sure`. face, hand: shares of these."""

    sure: Tensor
    shown: Tensor
    twin_sure: Tensor
    face: Tensor
    hand: Tensor


COPY_CHANNELS = 5 * 3 + 6


def stacked(copies: Copies, evidence: Evidence) -> Tensor:
    """All of it as channels (N, COPY_CHANNELS, H, W) in [-1, 1]."""
    shares = [copies.cover, evidence.sure, evidence.shown, evidence.twin_sure, evidence.face, evidence.hand]
    pictures = [copies.rough, copies.own, copies.twin, copies.plain, copies.behind]
    return torch.cat([*pictures, 2 * torch.cat(shares, 1) - 1], 1)


class Copier:
    """Copies of N frames at places (N, H, W, 2), or of whole frames as large as the still.

    still: of N photos, see `Still.repeated`. target (N, 88, 3): the frame's points.
    """

    def __init__(self, still: Still, layout: Layout, target: Tensor, at: Tensor | None = None) -> None:
        self._still, self._layout, self._at = still, layout, at
        height, width = still.image.shape[-2:]
        everywhere = places_in(height, width, target.device).expand(len(target), -1, -1, -1)
        places = everywhere if at is None else at
        self._logits = self._of_frame(layout.parts)
        # `argmax` takes six times as long.
        self._part = self._logits[:, 1:].max(1).indices
        self._sources = layout.sources(self._part, places)
        self._mirrored = moved_by(part_affines(target, mirrored_points(still.points)), self._part, places)

    def copies(self) -> Copies:
        still, logits = self._still, self._logits
        return Copies(
            own=sampled(still.image, self._sources),
            twin=sampled(still.image, self._mirrored),
            plain=torch.einsum("nkhw,nkc->nchw", logits[:, 1:].softmax(1), still.colours),
            behind=still.plate if self._at is None else sampled(still.plate, self._at),
            cover=(logits[:, 1:].logsumexp(1, keepdim=True) - logits[:, :1]).sigmoid(),
        )

    def evidence(self) -> Evidence:
        part, persons, volume = self._part, self._logits.softmax(1)[:, 1:], self._still.shares[:, None, 1:]
        twins, has_twin = TWINS.to(part.device)[part], HAS_TWIN.to(part.device)[part][:, None]
        return Evidence(
            sure=picked(volume, part, self._sources),
            shown=self._of_frame(self._layout.visible).sigmoid(),
            twin_sure=picked(volume, twins, self._mirrored) * has_twin,
            face=persons[:, _FACES].sum(1, keepdim=True),
            hand=persons[:, _HANDS].sum(1, keepdim=True),
        )

    def _of_frame(self, maps: Tensor) -> Tensor:
        """Maps of the frame (N, C, h, w) at the places."""
        if self._at is not None:
            return sampled(maps, self._at)
        # The same as sampling everywhere, in a third of the time.
        return enlarged(maps, self._still)


def enlarged(maps: Tensor, still: Still) -> Tensor:
    """Maps (N, C, h, w) as large as a still."""
    return F.interpolate(maps, size=still.image.shape[-2:], mode="bilinear")


def part_colours(image: Tensor, shares: Tensor) -> Tensor:
    """The mean colour of every part (B, 16, 3), or that of its relatives where it is not seen.

    image: (B, 3, H, W). shares: (B, 17, P, P).
    """
    weight = shares[:, 1:].flatten(2).square()
    pixels = F.interpolate(image, size=shares.shape[-2:], mode="area").flatten(2)
    sums, amount = weight @ pixels.transpose(1, 2), weight.sum(-1)
    likeness = _LIKENESS.to(image.device)
    return (likeness @ sums) / (amount @ likeness.T + 1e-4)[..., None]


def plate_behind(image: Tensor, shares: Tensor) -> Tensor:
    """The picture (B, 3, H, W) with the person (shares (B, 17, P, P)) taken out and the hole filled from around it.

    By a pyramid of means (push and pull; Gortler et al., 1996): what a level does not know the coarser one tells.
    """
    height, width = image.shape[-2:]
    reach = max(1, round(_HALO * width / 256))
    person = F.interpolate(1 - shares[:, :1], size=(height, width), mode="bilinear")
    # Rows, then columns: the same maximum as of a square, many times faster.
    wide = F.max_pool2d(person, (1, 2 * reach + 1), 1, (0, reach))
    known = (1 - F.max_pool2d(wide, (2 * reach + 1, 1), 1, (reach, 0))).clamp(0, 1).square()
    levels = [(image * known, known)]
    while min(levels[-1][0].shape[-2:]) > 1:
        colour, weight = (F.avg_pool2d(value, 2, ceil_mode=True) for value in levels[-1])
        levels.append((colour, weight))
    top, weight = levels.pop()
    filled = top / weight.clamp(min=1e-4)
    for colour, weight in reversed(levels):
        coarse = F.interpolate(filled, size=colour.shape[-2:], mode="bilinear")
        filled = coarse.lerp(colour / weight.clamp(min=1e-4), (_KNOWN * weight).clamp(max=1))
    return filled
