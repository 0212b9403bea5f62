"""The network as `animate` uses it: what a driver does as tokens, and these as pictures of the person in a photo."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from operator import itemgetter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipelines.curation.cut import resized
from pipelines.curation.watch import Followed, Portrait
from training.fields import each, stack
from training.inputs import Driver, course_of, driver_of, prepare_driver, to_float, to_pixels
from training.model.animator import Animator
from training.model.copies import Still
from training.model.encoders import MotionTokens
from training.tensors import usual_device

_CHUNK = 32  # frames that are encoded at once


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
        self.device = usual_device()
        self.animator = animator.to(self.device)

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
        self, portrait: Portrait, size: int, tokens: MotionTokens, first: int, sampling: Sampling
    ) -> Iterator[NDArray[np.uint8]]:
        """The windows (size, size, 3) from the frame `first` on, which is a multiple of the model's window.

        portrait: of the photo. tokens: of all frames of the driver. The frames before `first` are not painted; where a
        model's windows go on from each other they have to be thought of again.
        """
        animator, config = self.animator, self.animator.config
        small = portrait.cut(config.size)
        photo = animator.look_at(self._picture(small), torch.from_numpy(portrait.keypoints[None]).to(self.device))
        still = Still.of(self._picture(portrait.cut(size)), photo.still.shares, photo.still.points)
        negative = None
        if sampling.strength != 1:
            own = prepare_driver(small[None], portrait.keypoints[None], config)
            negative = animator.encode(self._moved(own))
        skipped = 0 if config.history else first
        rest = torch.arange(skipped, tokens.body.shape[1])
        moves = each(tokens.at(rest), lambda value: value.to(self.device))
        generator = torch.Generator().manual_seed(sampling.seed)
        index = skipped
        for draft in animator.drafts(photo, moves, sampling.steps, sampling.strength, generator, negative):
            for number in range(len(draft.points)):
                if index >= first:
                    # One by one: a picture at the photo's size takes a lot of memory.
                    picture = animator.paint(still, each(draft, itemgetter(slice(number, number + 1))))
                    yield to_pixels(picture[0]).permute(1, 2, 0).cpu().numpy()
                index += 1

    def _picture(self, pixels: NDArray[np.uint8]) -> Tensor:
        return to_float(torch.from_numpy(pixels).permute(2, 0, 1)[None].to(self.device))

    def _moved(self, driver: Driver) -> Driver:
        return each(stack([driver]), lambda value: value.to(self.device))


def joined(chunks: list[MotionTokens]) -> MotionTokens:
    """The tokens of all chunks, see `Painter.encode`."""
    names = [field.name for field in fields(MotionTokens)]
    return MotionTokens(*(torch.cat([getattr(chunk, name) for chunk in chunks], 1) for name in names))
