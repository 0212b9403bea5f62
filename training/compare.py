"""What a model makes of test pairs, and what judges see in it beside what anybody could make of them."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipelines.evaluation import figures
from pipelines.evaluation.baselines import baselines
from pipelines.evaluation.leakage import leakage
from pipelines.evaluation.seen.judges import Judges, Sample
from training.augment import LANDMARK_ERROR
from training.fields import each, stack
from training.inputs import Driver, to_float, to_pixels
from training.model.animator import Animator
from training.model.encoders import MotionTokens
from training.records import Record

if TYPE_CHECKING:
    from training.evaluate import EvaluationConfig

Pictures = NDArray[np.uint8]


@dataclass(frozen=True)
class Player:
    """A model that takes part, and the device that it is on."""

    animator: Animator
    device: str

    def __post_init__(self) -> None:
        self.animator.to(self.device)

    @torch.no_grad()
    def tokens(self, driver: Record) -> MotionTokens:
        """Of all frames: (1, T, ...). The body's landmarks are as wrong as networks put them, not as renderers know."""
        told = driver.driver.landmarks
        generator = torch.Generator().manual_seed(zlib.crc32(told.numpy().tobytes()))
        wrong = LANDMARK_ERROR * torch.randn(told[..., :2].shape, generator=generator)
        read = replace(driver.driver, landmarks=torch.cat([told[..., :2] + wrong, told[..., 2:]], -1))
        crops: Driver = each(stack([read]).plain(), lambda value: value.to(self.device))
        return self.animator.encode(crops)

    @torch.no_grad()
    def pictures(
        self, motion: MotionTokens, target: Record, config: "EvaluationConfig", true_points: bool = False
    ) -> Pictures:
        """Frames (T - 1, S, S, 3) of the target's person, whose last frame is the reference; motion: the driver's.

        true_points: told where the person's points come to lie, which tells how much of a fault is D's.
        """
        generator = torch.Generator().manual_seed(config.seed)
        negative = self.tokens(target).at(torch.tensor([-1])) if config.guidance_scale != 1 else None
        still, points = (value.to(self.device) for value in (target.frames[-1:], target.keypoints[-1:]))
        made = self.animator.generate(
            self.animator.look_at(to_float(still), points),
            motion.at(torch.arange(motion.body.shape[1] - 1)),
            config.steps,
            config.guidance_scale,
            generator,
            negative,
            target.keypoints[None, :-1].to(self.device) if true_points else None,
        )
        return pixels(to_pixels(made[0]))


def pixels(frames: Any) -> Pictures:
    """Tensors (T, 3, S, S) as arrays (T, S, S, 3)."""
    array: Pictures = frames.permute(0, 2, 3, 1).cpu().numpy()
    return array


def compare(outputs: Mapping[str, Pictures], target: Record, judges: Judges) -> dict[str, dict[str, float | None]]:
    """By method, of these and of the baselines, the figures of `seen.judges`.

    outputs: pictures (T - 1, s, s, 3) of the target's person by method, of any size: they are judged at the truth's.
    target: T frames of a rendered person, the last of which is the reference.
    """
    assert target.mask is not None
    *truth, reference = pixels(target.frames)
    masks = target.mask.numpy() > 127
    sample = Sample(
        truth=np.stack(truth),
        mask=masks[:-1],
        keypoints=target.keypoints[:-1].numpy(),
        reference=reference,
        reference_mask=masks[-1],
    )
    sized = {method: _resized(output, len(reference)) for method, output in outputs.items()}
    measured = judges.measure(sized | baselines(reference, sample.truth), sample)
    return {method: measures.figures for method, measures in measured.items()}


def _resized(output: Pictures, side: int) -> Pictures:
    import cv2

    if output.shape[1] == side:
        return output
    how = cv2.INTER_AREA if output.shape[1] > side else cv2.INTER_CUBIC
    return np.stack([np.asarray(cv2.resize(one, (side, side), interpolation=how)) for one in output])


def token_shares(tokens: Sequence[MotionTokens], drivers: Sequence[Record]) -> dict[str, float | None]:
    """What `leakage` says of each kind of token, over a group: all its people in all frames but the photo.

    tokens: of each driver. Parts that are hidden have a token that says so, and are left out. None where fewer than
    two tokens are left.
    """
    found: dict[str, float | None] = {}
    for kind in figures.TOKENS:
        seen = [_visible(driver.driver, kind)[:-1] for driver in drivers]
        values = [
            getattr(of_driver, kind)[0, :-1].flatten(1).float().cpu().numpy()[shown]
            for of_driver, shown in zip(tokens, seen, strict=True)
        ]
        people = np.concatenate([np.full(shown.sum(), number) for number, shown in enumerate(seen)])
        frames = np.concatenate([np.flatnonzero(shown) for shown in seen])
        enough = len(people) > 1
        shares = leakage(np.concatenate(values), people, frames, np.zeros_like(people)) if enough else None
        for share in figures.TOKEN_SHARES:
            found[figures.token_figure(kind, share)] = getattr(shares, share) if shares else None
    return found


def _visible(driver: Driver, kind: str) -> NDArray[np.bool_]:
    """In which frames (T,) a part of the driver is seen."""
    everywhere = torch.ones(len(driver.place), dtype=torch.bool)
    hands = driver.hand_visible.bool()
    shown = {"left_hand": hands[:, 0], "right_hand": hands[:, 1], "face": driver.face_visible.bool()}
    visible: NDArray[np.bool_] = shown.get(kind, everywhere).numpy()
    return visible
