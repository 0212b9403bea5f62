"""What arms and hands do: styles of gesturing as key poses in time, and the smooth way between them.

A style gives keys (time, pose of both arms); between them joints move with the least jerk. Times are seconds.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from scipy.ndimage import gaussian_filter1d

from pipelines.synthesis.movement.gestures import ARMS, HANDS, Values
from pipelines.synthesis.movement.legs import RATE, Array, ease
from pipelines.synthesis.movement.skeleton import Angles

SIDES = ("left", "right")
Key = tuple[float, Values]
_SMOOTH = 0.05  # seconds: rounds the corners where one move ends and the next begins
_SPREAD = {"arm_raise": 7, "arm_front": 9, "arm_twist": 8, "elbow": 9, "forearm_twist": 14, "wrist_bend": 9}
_TALK = ("talking", "talking_wide", "offering", "thinking", "hello", "on_hip", "push", "pointing_front")
_SIGN = ("chest", "talking", "offering", "shoulder_high", "face_high", "push", "talking_wide", "pointing_front")
_DANCE = ("sideways", "flexing", "overhead", "on_hip", "swing_front", "talking_wide", "reaching_up", "hello")
_REACH = ("pointing_front", "pointing_side", "reaching_up", "overhead", "offering", "push")
_DODGE = 12.0  # degrees that a thumb opens while the fingers move
_FAST = 330.0  # degrees a second that a joint moves on average on its way to another pose, at most


def track(times: Array, keys: list[Key]) -> Angles:
    """Every joint of the keys at `times`: at rest in each key, with the least jerk between two."""
    when = np.array([time for time, _ in keys])
    before = np.clip(np.searchsorted(when, times, side="right") - 1, 0, len(keys) - 1)
    after = np.minimum(before + 1, len(keys) - 1)
    share = ease((times - when[before]) / np.maximum(when[after] - when[before], 1e-6))
    values = {name: np.array([pose.get(name, 0.0) for _, pose in keys]) for name in {n for _, p in keys for n in p}}
    return {
        name: gaussian_filter1d(v[before] + share * (v[after] - v[before]), _SMOOTH * RATE, mode="nearest")
        for name, v in sorted(values.items())
    }


def both(left: Values, right: Values) -> Values:
    """One pose of two sides."""
    return {f"left_{name}": v for name, v in left.items()} | {f"right_{name}": v for name, v in right.items()}


def vary(rng: np.random.Generator, name: str, much: float = 1.0) -> Values:
    """An arm of the library, a little different each time."""
    arm = {joint: value + much * rng.normal(0, _SPREAD[joint]) for joint, value in ARMS[name].items()}
    return {**arm, "wrist_lean": much * rng.normal(0, 5), "shoulder_shrug": much * abs(rng.normal(0, 3))}


def travel(first: Values, second: Values) -> float:
    """Seconds that it takes a person to go from one pose to another."""
    widest = max((abs(first.get(name, 0.0) - second.get(name, 0.0)) for name in {*first, *second}), default=0.0)
    return max(0.25, widest / _FAST)


def _path(rng: np.random.Generator, seconds: float, pose: Callable[[], Values], hold: tuple[float, float]) -> list[Key]:
    """Poses one after the other, each held for a while. The first begins before the motion does."""
    last = pose()
    when = -float(rng.uniform(0, 0.6))
    keys = [(when, last)]
    while when < seconds:
        held = float(rng.uniform(*hold))
        following = pose()
        keys += [(when + held, last), (when + held + travel(last, following), following)]
        when, last = keys[-1][0], following
    return keys


def _cycle(rng: np.random.Generator, seconds: float, poses: list[Values], period: float) -> list[Key]:
    """Poses in turn, again and again, `period` seconds for all of them."""
    step = max(period / len(poses), *(travel(a, b) for a, b in zip(poses, poses[1:] + poses[:1], strict=True)))
    start = -float(rng.uniform(0, period))
    return [(start + n * step, poses[n % len(poses)]) for n in range(int((seconds - start) / step) + 2)]


def _pick(rng: np.random.Generator, names: tuple[str, ...] | list[str]) -> str:
    return names[int(rng.integers(len(names)))]


def _random(rng: np.random.Generator, seconds: float) -> list[Key]:
    names = [*ARMS, "hanging", "hanging"]

    def pose() -> Values:
        left = vary(rng, _pick(rng, names))
        return both(left, left if rng.random() < 0.2 else vary(rng, _pick(rng, names)))

    return _path(rng, seconds, pose, (0.0, 0.5))


def _beats(names: tuple[str, ...], alone: float, hold: tuple[float, float]) -> Callable[..., list[Key]]:
    """A stream of poses from some names; with a chance of `alone`, of one arm while the other rests."""

    def keys(rng: np.random.Generator, seconds: float) -> list[Key]:
        resting = vary(rng, _pick(rng, ("hanging", "on_hip", "talking")))
        one, left = rng.random() < alone, rng.random() < 0.5

        def pose() -> Values:
            first, second = vary(rng, _pick(rng, names)), vary(rng, _pick(rng, names))
            return both(first if left or not one else resting, second if not left or not one else resting)

        return _path(rng, seconds, pose, hold)

    return keys


def _wave(rng: np.random.Generator, seconds: float) -> list[Key]:
    base, other = vary(rng, _pick(rng, ("waving", "hello"))), vary(rng, _pick(rng, ("hanging", "on_hip")))
    wide, left = rng.uniform(12, 24), rng.random() < 0.5
    ends = [{**base, "arm_twist": base["arm_twist"] + d, "elbow": base["elbow"] + 0.5 * d} for d in (-wide, wide)]
    return _cycle(rng, seconds, [both(e, other) if left else both(other, e) for e in ends], rng.uniform(0.6, 0.9))


def _clap(rng: np.random.Generator, seconds: float) -> list[Key]:
    apart, together = vary(rng, "clap_apart", 0.4), vary(rng, "clap_together", 0.0)
    return _cycle(rng, seconds, [both(apart, apart), both(together, together)], rng.uniform(0.5, 0.9))


def _dance(rng: np.random.Generator, seconds: float) -> list[Key]:
    """Two bars of four beats: a figure, then its mirror image."""
    figure = [(vary(rng, _pick(rng, _DANCE), 0.6), vary(rng, _pick(rng, _DANCE), 0.6)) for _ in range(2)]
    if rng.random() < 0.5:
        figure = [(left, left) for left, _ in figure]
    bars = [both(*pair) for pair in figure] * 2 + [both(right, left) for left, right in figure] * 2
    return _cycle(rng, seconds, bars, 8 * rng.uniform(0.45, 0.6))


def _box(rng: np.random.Generator, seconds: float) -> list[Key]:
    guard = [vary(rng, "guard", 0.4) for _ in SIDES]
    keys = [(-float(rng.uniform(0, 0.5)), both(*guard))]
    while keys[-1][0] < seconds:
        hand, hook = int(rng.integers(2)), vary(rng, _pick(rng, ("punch", "uppercut")), 0.5)
        out = both(hook, guard[1]) if hand == 0 else both(guard[0], hook)
        start = keys[-1][0] + rng.uniform(0.1, 0.5)
        keys += [(start, both(*guard)), (start + travel(guard[hand], hook) * 0.8, out)]
        keys += [(keys[-1][0] + 0.05, out), (keys[-1][0] + 0.05 + travel(hook, guard[hand]), both(*guard))]
    return keys


def _reach(rng: np.random.Generator, seconds: float) -> list[Key]:
    rest, other, left = vary(rng, "hanging"), vary(rng, "hanging"), rng.random() < 0.5

    def pose() -> Values:
        moved = vary(rng, _pick(rng, _REACH)) if rng.random() < 0.65 else rest
        return both(moved, other) if left else both(other, moved)

    return _path(rng, seconds, pose, (0.1, 0.4))


STYLES: dict[str, Callable[[np.random.Generator, float], list[Key]]] = {
    "random": _random,
    "talk": _beats(_TALK, 0.4, (0.05, 0.4)),
    "sign": _beats(_SIGN, 0.35, (0.05, 0.25)),
    "rest": _beats(("hanging",), 0.0, (0.8, 2.0)),
    "wave": _wave,
    "clap": _clap,
    "dance": _dance,
    "box": _box,
    "reach": _reach,
}


def swing(rng: np.random.Generator, phase: Array, jog: bool) -> Angles:
    """Arms that swing against the legs. phase (K,): of the gait, the left foot swinging in its first half."""
    names = ("jog_front", "jog_back") if jog else ("swing_front", "swing_back")
    front, back = (vary(rng, name, 0.4) for name in names)
    wide = rng.uniform(0.5, 1.0)
    angles: Angles = {}
    for side, shift in (("left", 0.5), ("right", 0.0)):
        share = 0.5 + 0.5 * wide * np.sin(2 * np.pi * (phase + shift))
        angles |= {f"{side}_{name}": back[name] + share * (front[name] - back[name]) for name in front}
    return angles


def sample_hands(rng: np.random.Generator, times: Array, lively: float) -> Angles:
    """Both hands from shape to shape, each in its own time or both alike. lively: mean changes a second."""
    left = _hand(rng, times, lively)
    right = left if rng.random() < 0.3 else _hand(rng, times, lively)
    return both_tracks(left, right)


def both_tracks(left: Angles, right: Angles) -> Angles:
    return {f"left_{name}": v for name, v in left.items()} | {f"right_{name}": v for name, v in right.items()}


def _hand(rng: np.random.Generator, times: Array, lively: float) -> Angles:
    keys: list[Key] = []
    when = -float(rng.uniform(0, 1 / lively))
    while not keys or keys[-1][0] < times[-1]:
        shape, share = HANDS[_pick(rng, list(HANDS))], float(rng.uniform(0.85, 1.0))
        pose = {name: share * value + (1 - share) * HANDS["relaxed"][name] for name, value in shape.items()}
        hold = float(rng.uniform(0.15, 0.7)) / lively
        keys += [(when, pose), (when + hold, pose)]
        when += hold + float(rng.uniform(0.28, 0.5))
    return track(times, keys) | track(times, thumb_keys(keys))


def thumb_keys(keys: list[Key]) -> list[Key]:
    """Keys of the thumb alone: halfway it is out of the fingers' way, more open than before and after."""
    made: list[Key] = []
    for (start, pose), (end, following) in pairwise(keys):
        thumb, then = ({name: p[name] for name in ("thumb_base", "thumb_bend")} for p in (pose, following))
        still = pose is following
        aside = {name: min(thumb[name], then[name]) - (0.0 if still else _DODGE) for name in thumb}
        made += [(start, thumb), ((start + end) / 2, aside)]
    return [*made, (keys[-1][0], {name: keys[-1][1][name] for name in ("thumb_base", "thumb_bend")})]
