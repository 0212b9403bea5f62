"""The whole model: encode a driving video into four tokens per frame, generate the reference person moving so."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.config import ModelConfig
from training.fields import each
from training.inputs import Driver
from training.model.blend import Blend, Blender
from training.model.codec import group_frames, latent_frames, make_codec
from training.model.copies import Copier, Copies, Evidence, Still, enlarged
from training.model.dit import VideoDiT
from training.model.encoders import MotionTokens
from training.model.heads import Heads
from training.model.layout import Layout, PartLayout, PartReader, outlined
from training.model.motion import Guidance, Motion, RetargetedMotion
from training.model.points import bounded, completed
from training.model.retarget import Seen
from training.model.skeleton import SkeletonMotion
from training.model.wan import MotionWan

AT_ONCE = 4  # frames that are drafted together, where windows are shorter


@dataclass(frozen=True)
class Photo:
    """A reference as all parts of the model see it. seen: by D, None where D has no part. still, small: to copy from,
    at the size of the frames (S) and of the sketch. The points have a place each, see `completed`."""

    seen: Seen | None
    still: Still
    small: Still

    def repeated(self, count: int) -> "Photo":
        """Each photo `count` times."""
        if count == 1:
            return self
        still = self.still.repeated(count)
        small = still if self.small is self.still else self.small.repeated(count)
        return Photo(self.seen and each(self.seen, lambda value: value.repeat_interleave(count, 0)), still, small)


@dataclass(frozen=True)
class Draft:
    """What is decided of N frames before they are painted, at any size. points (N, 88, 3): of the person. sketch (N, 3,
    s, s): what the DiT made. blend: None where the sketch is the picture."""

    points: Tensor
    layout: Layout
    sketch: Tensor
    blend: Blend | None


class Animator(nn.Module):
    """All trained parts. Images are (B, 3, H, W) or (B, T, 3, H, W) in [-1, 1].

    weights: False leaves out what is pretrained and gives random numbers of the same shapes.
    """

    def __init__(self, config: ModelConfig, weights: bool = True) -> None:
        super().__init__()
        self.config = config
        self.codec = make_codec(config, weights)
        self.motion: Motion = SkeletonMotion(config) if config.motion == "skeleton" else RetargetedMotion(config)
        self.heads = Heads(config) if config.heads else None
        self.reader, self.layout = PartReader(config), PartLayout(config)
        self.blender = Blender(config) if config.blend_width else None
        channels = self.codec.channels
        self.dit: VideoDiT | MotionWan = (
            MotionWan(config, channels, 2 * channels, self.codec.stride, weights)
            if config.pretrained
            else VideoDiT(config, channels, 2 * channels, self.codec.stride)
        )

    def encode(self, driver: Driver) -> MotionTokens:
        """driver: float crops with axes (B, T, ...), see `prepare_driver`."""
        return self.motion.look(driver)[0]

    def read_parts(self, picture: Tensor, points: Tensor) -> Tensor:
        """Logits (B, 17, P, P) of the parts of the person in a picture."""
        side = (self.config.layout, self.config.layout)
        small = F.interpolate(picture, size=side, mode="bilinear", antialias=True)
        logits: Tensor = self.reader(small, points)
        return logits

    def look_at(self, picture: Tensor, points: Tensor, outline: Tensor | None = None) -> Photo:
        """picture: the reference (B, 3, S, S). points (B, 88, 3): of the person in it, in shares of the picture.
        outline (B, 1, H, W): how much of each place is the person's, where that is known."""
        points = bounded(completed(points))
        shares = self.read_parts(picture, points).softmax(1)
        if outline is not None:
            shares = outlined(shares, outline)
        return self.photo_of(picture, self.motion.see(picture, points), points, shares)

    def photo_of(self, picture: Tensor, seen: Seen | None, points: Tensor, shares: Tensor) -> Photo:
        """A photo whose points and parts (B, 17, P, P) are known."""
        still = Still.of(picture, shares, points)
        if self.config.sketch == self.config.size:
            return Photo(seen, still, still)
        return Photo(seen, still, Still.of(self.shrunk(picture[:, None])[:, 0], shares, points))

    def guide(self, photo: Photo, tokens: MotionTokens) -> Guidance:
        """Retarget the tokens to the person in the photo."""
        assert photo.seen is not None, "a photo for D is made by `look_at`"
        return self.motion.guide(photo.seen, self.motion.place(photo.seen, tokens), tokens)

    def rough_sketch(self, photo: Photo, layout: Layout, points: Tensor) -> Tensor:
        """What copies alone make, at the size of the sketch: (B, T, 3, s, s). layout, points: of B T frames."""
        count = len(points) // len(photo.small.image)
        copies = Copier(photo.small.repeated(count), layout, points).copies()
        rough: Tensor = copies.rough.unflatten(0, (-1, count))
        return rough

    def latents_of(self, frames: Tensor, rough: Tensor) -> Tensor:
        """What the DiT learns to make of frames (B, T, 3, S, S): (B, C, t, h, w).

        A pretrained one makes the frames; another one what the copies lack of them.
        """
        if self.config.pretrained:
            return self.codec.encode(frames)
        return self.codec.encode(self.shrunk(frames) - rough)

    def shrunk(self, frames: Tensor) -> Tensor:
        """Frames (B, T, 3, S, S) at the size of the sketch."""
        side = (self.config.sketch, self.config.sketch)
        small: Tensor = F.interpolate(frames.flatten(0, 1), size=side, mode="area").unflatten(0, (len(frames), -1))
        return small

    def sketch_of(self, latents: Tensor, rough: Tensor) -> Tensor:
        """The frames (B, T, 3, s, s) that latents mean, see `latents_of`."""
        frames = self.codec.decode(latents)
        return frames if self.config.pretrained else rough + frames

    def conditions(self, photo: Photo, rough: Tensor) -> Tensor:
        """What the DiT is shown beside the motion: latents (B, 2 C, t, h, w) of the photo and of the rough sketch."""
        still = self.codec.encode(photo.small.image[:, None])
        copies = self.codec.encode(rough)
        return torch.cat([still.expand(-1, -1, copies.shape[2], -1, -1), copies], 1)

    def predict_clean(
        self, latents: Tensor, time: Tensor, known: Tensor, guidance: Guidance, conditions: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The network's output (x or velocity, by the config) and the clean latents that follow from it.

        latents: (B, C, t, h, w) at flow time `time` (B,): (1 - time) x + time noise. known: (B, t).
        """
        motion = group_frames(guidance.motion, self.codec.stride)
        out = self.dit(latents, time, known, motion, conditions, guidance.face)
        if self.config.prediction == "x":
            return out, out
        return out, latents - time[:, None, None, None, None] * out

    def blended(self, copies: Copies, evidence: Evidence, sketch: Tensor) -> Blend:
        """How F blends the copies of N frames with their sketch (N, 3, H, W), as large as they are."""
        assert self.blender is not None
        blend: Blend = self.blender(copies, evidence, sketch)
        return blend

    @torch.no_grad()
    def generate(
        self,
        photo: Photo,
        tokens: MotionTokens,
        steps: int | None = None,
        guidance_scale: float = 1.0,
        generator: torch.Generator | None = None,
        negative: MotionTokens | None = None,
        points: Tensor | None = None,
    ) -> Tensor:
        """Frames (B, T, 3, S, S) of the photo's person moving as the tokens say; arguments as of `drafts`."""
        batch, frames = len(photo.still.image), []
        for draft in self.drafts(photo, tokens, steps, guidance_scale, generator, negative, points):
            count = len(draft.points) // batch
            frames.append(self.paint(photo.still.repeated(count), draft).unflatten(0, (batch, count)))
        return torch.cat(frames, 1)

    @torch.no_grad()
    def drafts(
        self,
        photo: Photo,
        tokens: MotionTokens,
        steps: int | None = None,
        guidance_scale: float = 1.0,
        generator: torch.Generator | None = None,
        negative: MotionTokens | None = None,
        points: Tensor | None = None,
    ) -> Iterator[Draft]:
        """The frames of a video, window by window; each window is given the last frames of the one before.

        steps: of Euler's method, None for the config's. negative: the motion of the reference image itself (one frame).
        points (B, T, 88, 3): where the person's points come to lie and how much each is seen, in place of what D says;
        the bench tells by them how much of a fault is D's.
        Raises: ValueError for a guidance scale other than 1 without a negative.
        """
        if guidance_scale != 1 and negative is None:
            raise ValueError("guidance_scale needs `negative`: the tokens of the reference image itself")
        window, history = self.config.window, self.config.history
        # Windows that know nothing of each other are made together: a processor then takes a third less time for each.
        together = 1 if history else max(1, AT_ONCE // window)
        count, batch = tokens.body.shape[1], len(photo.still.image)
        side = self.config.sketch // self.config.codec_factor
        shape = (batch, self.codec.channels, latent_frames(self.codec, window), side, side)
        # Every window starts from the same noise: what the motion does not decide then stays as it is.
        noise = torch.randn(shape, generator=generator).to(photo.still.image.device).repeat_interleave(together, 0)
        photos = photo.repeated(together)
        done, last = 0, None
        while done < count:
            start = done - history if done else 0
            index = torch.arange(start, start + together * window).clamp(max=count - 1)

            def in_windows(value: Tensor) -> Tensor:
                """(B, together * window, ...) -> (B * together, window, ...)."""
                folded: Tensor = value.unflatten(1, (together, window)).flatten(0, 1)
                return folded

            guides = [self.guide(photos, each(tokens.at(index), in_windows))]
            placed = seen_points(guides[0].points) if points is None else in_windows(points[:, index])
            if guidance_scale != 1 and negative is not None:
                rest = negative.at(torch.zeros(together * window, dtype=torch.long))
                guides.append(self.guide(photos, each(rest, in_windows)))
            steps = steps or self.config.steps
            draft, sketch = self._window(photos, guides, placed, noise, last, steps, guidance_scale)
            last = sketch[:, window - history :] if history else None
            fresh = slice(history if done else 0, min(together * window, count - start))
            yield _frames_of(draft, batch, fresh)
            done = start + together * window

    def _window(
        self,
        photo: Photo,
        guides: list[Guidance],
        placed: Tensor,
        noise: Tensor,
        last: Tensor | None,
        steps: int,
        guidance_scale: float,
    ) -> tuple[Draft, Tensor]:
        """A window's frames, and their sketch (B, T, 3, s, s). placed (B, T, 88, 3): the person's points. last: the
        sketch of the frames that it begins with."""
        points = bounded(placed).flatten(0, 1)
        count = len(points) // len(photo.still.image)
        still = photo.still.repeated(count)
        layout = self.layout(still.shares, still.points, points).with_hair(still.shares)
        rough = self.rough_sketch(photo, layout, points)
        conditions = self.conditions(photo, rough)
        past = None if last is None else self._latents_of_sketch(last, rough)
        latents, given = noise, 0 if past is None else past.shape[2]
        known = torch.zeros(len(noise), noise.shape[2], device=noise.device)
        known[:, :given] = 1
        times = shifted(torch.linspace(1, 0, steps + 1, device=noise.device), self.config.shift)
        for now, then in pairwise(times):
            if past is not None:
                latents = torch.cat([past, latents[:, :, given:]], 2)
            time = now.expand(len(noise))
            cleans = [self.predict_clean(latents, time, known, guide, conditions)[1] for guide in guides]
            clean = cleans[0] if len(cleans) == 1 else cleans[1].lerp(cleans[0], guidance_scale)
            latents = clean + (latents - clean) * (then / now)
        sketch = self.sketch_of(latents, rough)
        flat = sketch.flatten(0, 1)
        if self.blender is None:
            return Draft(points, layout, flat, None), sketch
        copier = Copier(still, layout, points)
        blend = self.blended(copier.copies(), copier.evidence(), enlarged(flat, still))
        return Draft(points, layout, flat, blend), sketch

    def _latents_of_sketch(self, sketch: Tensor, rough: Tensor) -> Tensor:
        count = sketch.shape[1]
        return self.codec.encode(sketch if self.config.pretrained else sketch - rough[:, :count])

    def paint(self, still: Still, draft: Draft) -> Tensor:
        """The pictures (N, 3, H, W) of a draft, as large as the still is.

        Masks and places are smooth, so that they move a photo of any size; what F adds is enlarged.
        """
        if draft.blend is None:
            return draft.sketch
        blend = draft.blend
        blend = Blend(*(enlarged(value, still) for value in (blend.shares, blend.edge, blend.correction)))
        return blend.of(Copier(still, draft.layout, draft.points).copies(), enlarged(draft.sketch, still))


def trainable(animator: Animator) -> dict[str, nn.Parameter]:
    """What is learned, by name: all but what is pretrained and frozen."""
    return {name: p for name, p in animator.named_parameters() if p.requires_grad}


def seen_points(points: Tensor) -> Tensor:
    """Places and logits of being seen (..., 3), with shares in place of the logits."""
    return torch.cat([points[..., :2], points[..., 2:].sigmoid()], -1)


def _frames_of(draft: Draft, batch: int, frames: slice) -> Draft:
    """Some frames of the window that a draft of `batch` samples is."""

    def part(value: Tensor) -> Tensor:
        chosen: Tensor = value.unflatten(0, (batch, -1))[:, frames].flatten(0, 1)
        return chosen

    layout, blend = draft.layout, draft.blend
    chosen = Layout(*(part(value) for value in (layout.parts, layout.affines, layout.offsets, layout.visible)))
    blended = blend and Blend(part(blend.shares), part(blend.edge), part(blend.correction))
    return Draft(part(draft.points), chosen, part(draft.sketch), blended)


def shifted(time: Tensor, shift: float) -> Tensor:
    """Flow times in [0, 1] moved towards noise (1): Esser et al., 2024 (arXiv 2403.03206), eq. 23."""
    return shift * time / (1 + (shift - 1) * time)
