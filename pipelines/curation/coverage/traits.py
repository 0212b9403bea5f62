"""A clip's motion descriptor: for each trait the share of its frames that show each of the trait's kinds.

turn        which way the chest is turned: the shoulders' distance across the picture, in torsos, and which is where
arms        how high the wrist is over the shoulder: below half a torso under it, up to .2 torsos over it, higher
legs        raised: the ankles' heights differ by more than .35 torsos; bent: a knee of less than 140°; else standing
hands       fingers whose tip is 1.6 times as far from the wrist as their knuckle count as straight: 3 or 4, some, none
distance    whether ankles, at least hips, or neither are seen
pace        mean speed of the seen body points: below .15, below .8, or more torsos per second
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pipelines import keypoints as kp
from pipelines.curation.tracking import Points

TRAITS: dict[str, tuple[str, ...]] = {
    "turn": ("front", "left", "right", "back", "unseen"),
    "left_arm": ("down", "level", "raised", "unseen"),
    "right_arm": ("down", "level", "raised", "unseen"),
    "legs": ("standing", "bent", "raised", "unseen"),
    "left_hand": ("open", "half", "fist", "unseen"),
    "right_hand": ("open", "half", "fist", "unseen"),
    "distance": ("full body", "upper body", "head"),
    "pace": ("still", "slow", "fast"),
}
# What two clips must have in common to count as the same kind of motion.
CELL = ("turn", "left_arm", "right_arm", "legs", "distance", "pace")
_SEEN = 0.5
_FINGERS = ((5, 8), (9, 12), (13, 16), (17, 20))  # knuckle and tip
Kinds = NDArray[np.int64]


def describe(keypoints: Points, fps: float) -> dict[str, list[float]]:
    """Trait -> share of the frames of each of its kinds. keypoints: (T, 88, 3) in shares of a square picture."""
    body = {name: keypoints[:, index] for index, name in enumerate(kp.BODY)}
    torso = _torso(body)
    kinds = {
        "turn": _turn(body, torso),
        **{f"{side}_arm": _arm(body[f"{side}_shoulder"], body[f"{side}_wrist"], torso) for side in ("left", "right")},
        "legs": _legs(body, torso),
        **{f"{side}_hand": _hand(keypoints[:, kp.PARTS[f"{side}_hand"]]) for side in ("left", "right")},
        "distance": _distance(body),
        "pace": _pace(keypoints[:, kp.BODY_SLICE], torso, fps),
    }
    return {
        name: (np.bincount(found, minlength=len(TRAITS[name])) / len(found)).round(4).tolist()
        for name, found in kinds.items()
    }


def cell_of(shares: dict[str, list[float]]) -> str:
    """The kind of motion in words: the most frequent kind of each trait of `CELL`."""
    kinds = {name: TRAITS[name][int(np.argmax(shares[name]))] for name in CELL}
    arms = f"arms {kinds['left_arm']} and {kinds['right_arm']}"
    return ", ".join((kinds["turn"], arms, f"legs {kinds['legs']}", kinds["distance"], kinds["pace"]))


def _seen(*points: Points) -> NDArray[np.bool_]:
    flags: NDArray[np.bool_] = np.all([point[..., 2] >= _SEEN for point in points], axis=0)
    return flags


def _torso(body: dict[str, Points]) -> NDArray[np.float64]:
    """(T,) length from the shoulders to the hips; from the shoulders' distance where hips are not seen."""
    shoulders = [body[f"{side}_shoulder"] for side in ("left", "right")]
    hips = [body[f"{side}_hip"] for side in ("left", "right")]
    width = np.linalg.norm(shoulders[0][:, :2] - shoulders[1][:, :2], axis=1)
    length = np.linalg.norm((shoulders[0] + shoulders[1] - hips[0] - hips[1])[:, :2] / 2, axis=1)
    found: NDArray[np.float64] = np.where(_seen(*hips), length, 1.4 * width).clip(min=1e-3).astype(np.float64)
    return found


def _turn(body: dict[str, Points], torso: NDArray[np.float64]) -> Kinds:
    left, right, nose = body["left_shoulder"], body["right_shoulder"], body["nose"]
    across = (left[:, 0] - right[:, 0]) / torso
    to_the_left = nose[:, 0] > (left[:, 0] + right[:, 0]) / 2
    side = np.where(to_the_left, 1, 2)
    kinds = np.select([across > 0.25, across < -0.25], [0, 3], side)
    return np.where(_seen(left, right), kinds, 4)


def _arm(shoulder: Points, wrist: Points, torso: NDArray[np.float64]) -> Kinds:
    height = (shoulder[:, 1] - wrist[:, 1]) / torso
    return np.where(_seen(shoulder, wrist), np.select([height < -0.5, height <= 0.2], [0, 1], 2), 3)


def _legs(body: dict[str, Points], torso: NDArray[np.float64]) -> Kinds:
    sides = [[body[f"{side}_{joint}"] for joint in ("hip", "knee", "ankle")] for side in ("left", "right")]
    bent = np.min([_angle(*leg) for leg in sides], axis=0) < 140
    raised = np.abs(sides[0][2][:, 1] - sides[1][2][:, 1]) / torso > 0.35
    kinds = np.select([raised, bent], [2, 1], 0)
    return np.where(_seen(*sides[0], *sides[1]), kinds, 3)


def _angle(a: Points, b: Points, c: Points) -> NDArray[np.float64]:
    """(T,) degrees at b."""
    one, other = (a - b)[:, :2], (c - b)[:, :2]
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    cosine = (one * other).sum(1) / np.maximum(lengths, 1e-9)
    found: NDArray[np.float64] = np.degrees(np.arccos(cosine.clip(-1, 1)))
    return found


def _hand(hand: Points) -> Kinds:
    away = np.linalg.norm(hand[..., :2] - hand[:, :1, :2], axis=2)
    straight = np.sum([away[:, tip] > 1.6 * away[:, knuckle] for knuckle, tip in _FINGERS], axis=0)
    return np.where(_seen(hand[:, 0]), np.select([straight >= 3, straight > 0], [0, 1], 2), 3)


def _distance(body: dict[str, Points]) -> Kinds:
    ankles, hips = (_seen(body[f"left_{j}"]) | _seen(body[f"right_{j}"]) for j in ("ankle", "hip"))
    return np.select([ankles, hips], [0, 1], 2)


def _pace(body: Points, torso: NDArray[np.float64], fps: float) -> Kinds:
    if len(body) < 2:
        return np.zeros(len(body), np.int64)
    both = (body[1:, :, 2] >= _SEEN) & (body[:-1, :, 2] >= _SEEN)
    moved = np.linalg.norm(np.diff(body[..., :2], axis=0), axis=2) * both
    speed = moved.sum(1) / np.maximum(both.sum(1), 1) * fps / torso[1:]
    speed = np.concatenate([speed[:1], speed])
    return np.select([speed < 0.15, speed < 0.8], [0, 1], 2)


def capped(cells: list[str], seconds: list[float], order: Callable[[int], str], max_share: float) -> set[int]:
    """Indices of the clips that are too many of their cell: beyond `max_share` of all seconds, in a fixed order."""
    room = dict.fromkeys(cells, max_share * sum(seconds))
    dropped = set()
    for index in sorted(range(len(cells)), key=order):
        if seconds[index] <= room[cells[index]]:
            room[cells[index]] -= seconds[index]
        else:
            dropped.add(index)
    return dropped
