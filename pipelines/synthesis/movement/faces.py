"""What faces do: expressions that come and go, speech, gaze in saccades, blinks. In ARKit's 52 facial actions.

Sources of the numbers: blinks last 150 to 300 ms, close faster than they open, and come 10 to 20 times a minute
(Stern et al., 1984; Bentivoglio et al., 1997); saccades of 5 to 20 degrees take 30 to 80 ms, both eyes together, the
upper lids follow (Bahill et al., 1975); the head takes a part of larger shifts of gaze (Freedman and Sparks, 1997).
"""

import numpy as np
from numpy.typing import NDArray

from pipelines.synthesis.movement.gestures import FACES, VISEMES, Values
from pipelines.synthesis.movement.legs import ease
from pipelines.synthesis.movement.skeleton import Angles

Array = NDArray[np.float64]

_SIDED = (
    "browDown browOuterUp cheekSquint eyeBlink eyeLookDown eyeLookIn eyeLookOut eyeLookUp eyeSquint eyeWide mouthDimple"
    " mouthFrown mouthLowerDown mouthPress mouthSmile mouthStretch mouthUpperUp noseSneer"
)
_SINGLE = (
    "browInnerUp cheekPuff jawForward jawLeft jawOpen jawRight mouthClose mouthFunnel mouthLeft mouthPucker mouthRight"
    " mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper tongueOut"
)
ACTIONS = tuple(sorted([*_SINGLE.split(" "), *(f"{n}{side}" for n in _SIDED.split(" ") for side in ("Left", "Right"))]))
# Pairs of which a face cannot do both.
OPPOSED = (
    *((f"{a}{side}", f"{b}{side}") for a, b in (
        ("mouthSmile", "mouthFrown"), ("eyeWide", "eyeSquint"), ("eyeWide", "eyeBlink"), ("browDown", "browOuterUp"),
        ("eyeLookUp", "eyeLookDown"), ("eyeLookIn", "eyeLookOut"),
    ) for side in ("Left", "Right")),
    ("jawLeft", "jawRight"), ("mouthLeft", "mouthRight"), ("mouthPucker", "mouthStretchLeft"),
    ("mouthPucker", "mouthStretchRight"), ("mouthPucker", "mouthSmileLeft"), ("mouthPucker", "mouthSmileRight"),
    ("cheekPuff", "jawOpen"), ("mouthClose", "jawOpen"), ("tongueOut", "mouthPucker"),
)  # fmt: skip
REST = 0.15  # what is left of the weaker of an opposed pair, as a share of it
_SACCADE = 0.05
_CLOSE, _OPEN = 0.07, 0.15
_SIDE_DEGREES, _UP_DEGREES = 30.0, 25.0  # that the eyes turn by at full action
_HEAD_SHARE = 0.35


def sample_face(rng: np.random.Generator, times: Array, speaking: bool) -> tuple[Angles, Angles]:
    """Facial actions at `times` (K,), each (K,) in [0, 1], and the head's turn and bend that go with the gaze."""
    actions = {name: np.zeros(len(times)) for name in ACTIONS}
    for name, value in _expressions(rng, times).items():
        actions[name] += value
    if speaking:
        _speak(rng, times, actions)
    head = _look(rng, times, actions)
    _blink(rng, times, actions)
    agree(actions)
    return actions, head


def agree(actions: Angles) -> None:
    """Bring actions into [0, 1], in place; of an opposed pair both give way, so that the weaker nearly goes."""
    for name, value in actions.items():
        actions[name] = np.clip(value, 0, 1)
    for first, second in OPPOSED:
        both = (1 - REST) * np.minimum(actions[first], actions[second])
        actions[first], actions[second] = actions[first] - both, actions[second] - both


def _expressions(rng: np.random.Generator, times: Array) -> Angles:
    """One expression after another, each of its own strength; between two, all actions move together."""
    names, when = list(FACES), -float(rng.uniform(0, 1.5))
    keys: list[tuple[float, Values]] = []
    while not keys or keys[-1][0] < times[-1]:
        strength = float(rng.uniform(0.45, 1.0))
        first, second = (FACES[names[i]] for i in rng.choice(len(names), 2, replace=False))
        share = float(rng.beta(1, 4))
        mixed = {
            name: strength * ((1 - share) * first.get(name, 0.0) + share * second.get(name, 0.0))
            for name in sorted({*first, *second})
        }
        hold, onset = float(rng.uniform(0.4, 1.4)), float(rng.uniform(0.25, 0.5))
        keys += [(when, mixed), (when + hold, mixed)]
        when += hold + onset
    return _between(times, keys)


def _between(times: Array, keys: list[tuple[float, Values]]) -> Angles:
    """Every action of the keys at `times`, with the least jerk from key to key."""
    when = np.array([time for time, _ in keys])
    before = np.clip(np.searchsorted(when, times, side="right") - 1, 0, len(keys) - 1)
    after = np.minimum(before + 1, len(keys) - 1)
    share = ease((times - when[before]) / np.maximum(when[after] - when[before], 1e-6))
    angles = {}
    for name in sorted({name for _, pose in keys for name in pose}):
        values = np.array([pose.get(name, 0.0) for _, pose in keys])
        angles[name] = values[before] + share * (values[after] - values[before])
    return angles


def _speak(rng: np.random.Generator, times: Array, actions: Angles) -> None:
    """Visemes every 90 to 180 ms in phrases, over a mouth whose expression is fainter while it speaks."""
    names, when = list(VISEMES), -float(rng.uniform(0, 1.0))
    keys: list[tuple[float, Values]] = []
    loud = float(rng.uniform(0.6, 1.0))
    while not keys or keys[-1][0] < times[-1]:
        for _ in range(int(rng.integers(5, 16))):
            shape = VISEMES[names[int(rng.integers(len(names)))]]
            keys.append((when, {name: loud * value for name, value in shape.items()}))
            when += float(rng.uniform(0.09, 0.18))
        keys += [(when, {}), (when + float(rng.uniform(0.2, 0.8)), {})]
        when = keys[-1][0] + 0.12
    for name in actions:
        if name.startswith(("mouth", "jaw", "tongue", "cheekPuff")):
            actions[name] *= 0.35
    for name, value in _between(times, keys).items():
        actions[name] += value


def _look(rng: np.random.Generator, times: Array, actions: Angles) -> Angles:
    """Both eyes jump from target to target; the upper lids go along, and the head follows later and in part."""
    aims: list[Array] = []
    starts, when = [], -float(rng.uniform(0, 1.0))
    while when < times[-1] or not aims:
        ahead = rng.random() < 0.4
        aims.append(rng.normal(0, (3, 2)) if ahead else np.clip(rng.normal(0, (15, 9)), (-28, -18), (28, 18)))
        starts.append(when)
        when += float(rng.uniform(0.35, 1.6))
    aim, slow = np.tile(aims[0], (len(times), 1)), np.tile(aims[0], (len(times), 1))
    for last, following, start in zip(aims, aims[1:], starts[1:], strict=False):
        aim += ease((times - start) / _SACCADE)[:, None] * (following - last)
        slow += ease((times - start - 0.05) / 0.45)[:, None] * (following - last)
    head = _HEAD_SHARE * slow
    eyes = aim - head
    toward = float(rng.uniform(0.0, 2.5))  # degrees of vergence of each eye: the target is at 0.7 m or farther
    for side, sign in (("Left", 1.0), ("Right", -1.0)):
        out = (sign * eyes[:, 0] - toward) / _SIDE_DEGREES
        up = eyes[:, 1] / _UP_DEGREES
        actions[f"eyeLookOut{side}"], actions[f"eyeLookIn{side}"] = np.maximum(out, 0), np.maximum(-out, 0)
        actions[f"eyeLookUp{side}"], actions[f"eyeLookDown{side}"] = np.maximum(up, 0), np.maximum(-up, 0)
        actions[f"eyeBlink{side}"] += 0.28 * np.maximum(-up, 0)
        actions[f"eyeWide{side}"] += 0.25 * np.maximum(up, 0)
    return {"head_turn": head[:, 0], "head_bend": -head[:, 1]}


def _blink(rng: np.random.Generator, times: Array, actions: Angles) -> None:
    """Both lids close and open, at random times; open lids differ a little from person to person."""
    when, least = float(rng.uniform(-3.0, 1.0)), abs(float(rng.normal(0, 0.05)))
    closed = np.full(len(times), least)
    while when < times[-1]:
        shut = float(rng.uniform(0.0, 0.05))
        slower = float(rng.uniform(0.8, 1.2))
        down = ease((times - when) / (_CLOSE * slower))
        up = ease((times - when - _CLOSE * slower - shut) / (_OPEN * slower))
        closed = np.maximum(closed, down - up)
        when += 0.4 if rng.random() < 0.1 else float(rng.uniform(2.0, 6.0))
    for side in ("Left", "Right"):
        actions[f"eyeBlink{side}"] = np.maximum(actions[f"eyeBlink{side}"], closed)
        actions[f"eyeSquint{side}"] *= 1 - 0.7 * closed
        actions[f"eyeWide{side}"] *= 1 - closed
