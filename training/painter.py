"""The network as `animate` uses it: what a driver does as tokens, and these as pictures of the person in a photo."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from operator import itemgetter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipelines.ahead import ahead
from pipelines.curation.cut import resized
from pipelines.curation.smoothing import FAST, steadied
from pipelines.curation.watch import Followed, Portrait
from pipelines.keypoints import PARTS
from training.fields import each, stack
from training.inputs import Driver, course_of, driver_of, prepare_driver, to_float, to_pixels
from training.model.animator import AT_ONCE, Animator, Photo, seen_points
from training.model.copies import Still
from training.model.encoders import MotionTokens
from training.tensors import keep_freed_memory, usual_device

_CHUNK = 32  # frames that are encoded at once
_STEADY_S = 0.08  # standard deviation of the mean in time that takes the trembling out of slow motion, see `smoothing`


@dataclass(frozen=True)
class Sampling:
    """seed: of the noise. steps: of Euler's method, None for the model's own. strength: of classifier-free guidance, by
    which the motion is followed more (above 1) or less than the model says."""

    seed: int
    steps: int | None
    strength: float


class Painter:
    """animator: any; it is moved to the GPU where there is one."""

    def __init__(self, animator: Animator) -> None:
        keep_freed_memory()
        self.device = usual_device()
        self.animator = animator.to(self.device)

    @property
    def at_once(self) -> int:
        """How many frames are made of one piece: the same ones together give the same bytes."""
        window = self.animator.config.window
        return window if self.animator.config.history else max(window, AT_ONCE // window * window)

    @torch.no_grad()
    def encode(self, followed: Followed, frames: Iterator[NDArray[np.uint8]]) -> Iterator[MotionTokens]:
        """The tokens of a driving video in chunks, with axes (1, t, ...), on the CPU.

        frames: (H, W, 3) of the video, one for each of the times. What the crops have to know of the whole video comes
        from its keypoints, so that they are the same as if it were cut in one piece.
        """
        config = self.animator.config
        persons, place = course_of(followed.keypoints, 1.0)
        count = len(followed.times)
        for start in range(0, count, _CHUNK):
            part = slice(start, min(start + _CHUNK, count))
            windows = [resized(next(frames), corner, followed.side, config.size) for corner in followed.corners[part]]
            driver = driver_of(np.stack(windows), followed.keypoints[part], persons[part], place[part], config)
            yield each(self.animator.encode(self._moved(driver.plain())), Tensor.cpu)

    @torch.no_grad()
    def paint(
        self, portrait: Portrait, size: int, tokens: MotionTokens, fps: float, first: int, sampling: Sampling
    ) -> Iterator[NDArray[np.uint8]]:
        """The windows (size, size, 3) from the frame `first` on, which is a multiple of `at_once`.

        portrait: of the photo. tokens: of all frames of the driver, fps of them a second. The frames before `first` are
        not painted; where a model's windows go on from each other they have to be thought of again.
        """
        animator, config = self.animator, self.animator.config
        small = portrait.cut(config.size)
        keypoints = torch.from_numpy(portrait.keypoints[None]).to(self.device)
        outline = None if portrait.outline is None else torch.from_numpy(portrait.outline[None, None]).to(self.device)
        photo = animator.look_at(self._picture(small), keypoints, outline)
        still = Still.of(self._picture(portrait.cut(size)), photo.still.shares, photo.still.points)
        negative = None
        if sampling.strength != 1:
            own = prepare_driver(small[None], portrait.keypoints[None], config)
            negative = animator.encode(self._moved(own))
        skipped = 0 if config.history else first
        rest = torch.arange(skipped, tokens.body.shape[1])
        moves = each(tokens.at(rest), lambda value: value.to(self.device))
        points = self._places(photo, tokens, fps)[:, rest]
        generator = torch.Generator().manual_seed(sampling.seed)
        index = skipped
        drafts = animator.drafts(photo, moves, sampling.steps, sampling.strength, generator, negative, points)
        for draft in ahead(drafts):
            for number in range(len(draft.points)):
                if index >= first:
                    # One by one: a picture at the photo's size takes a lot of memory.
                    picture = animator.paint(still, each(draft, itemgetter(slice(number, number + 1))))
                    yield to_pixels(picture[0]).permute(1, 2, 0).cpu().numpy()
                index += 1

    def _places(self, photo: Photo, tokens: MotionTokens, fps: float) -> Tensor:
        """Where the person's points come to lie in all frames, and how surely each is seen: (1, T, 88, 3).

        D places each frame by itself, and so everything trembles a little, which a viewer sees before anything else:
        a body at rest changed its speed from frame to frame by five times as much as the driver's landmarks did.
        """
        told = []
        for start in range(0, tokens.body.shape[1], _CHUNK):
            part = tokens.at(torch.arange(start, min(start + _CHUNK, tokens.body.shape[1])))
            guidance = self.animator.guide(photo, each(part, lambda value: value.to(self.device)))
            told.append(seen_points(guidance.points)[0].cpu())
        points = torch.cat(told).numpy()
        for name, where in PARTS.items():
            points[:, where, :2] = steadied(points[:, where], np.ones(2, np.float32), fps, _STEADY_S, FAST[name])
        return torch.from_numpy(points)[None].to(self.device)

    def _picture(self, pixels: NDArray[np.uint8]) -> Tensor:
        return to_float(torch.from_numpy(pixels).permute(2, 0, 1)[None].to(self.device))

    def _moved(self, driver: Driver) -> Driver:
        return each(stack([driver]), lambda value: value.to(self.device))


def joined(chunks: list[MotionTokens]) -> MotionTokens:
    """The tokens of all chunks, see `Painter.encode`."""
    names = [field.name for field in fields(MotionTokens)]
    return MotionTokens(*(torch.cat([getattr(chunk, name) for chunk in chunks], 1) for name in names))
