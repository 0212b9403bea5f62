"""What legs do: plans of steps, weight and flight, for `grounding` to solve.

A plan is a list of steps (which foot, when, to where) and a path of the pelvis. A foot stays exactly where it is from
one of its steps to the next. Times are seconds, lengths metres of the mean adult, directions the person's own at the
start of the motion: x to the left, -y forward.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicHermiteSpline
from scipy.ndimage import gaussian_filter1d

from pipelines.synthesis.movement.grounding import Pelvis, Soles
from pipelines.synthesis.movement.skeleton import about

Array = NDArray[np.float64]

RATE = 30.0  # samples a second of every motion
_HALF = 0.105  # metres from the middle to a foot when standing
_GRAVITY = 9.81
# How far each step of a gait goes: there and back, so that it stays in the picture.
_ONWARD = (1.0, 1.0, 1.0, 0.35, -0.45, -0.6, -0.6, -0.5, -0.1)
_PUSH = 0.14  # seconds before a foot leaves the floor that its heel rises, and after it lands that its toes come down


@dataclass(frozen=True)
class Step:
    """One foot (0 left, 1 right) moves from `start` to `end` to a place (x, y) with a yaw in degrees. lift: how high;
    push: degrees by which the heel rises before; strike: degrees by which the toes are up when it lands; over: how far
    the foot swings (x, y) off its way, for kicks and raised knees."""

    foot: int
    start: float
    end: float
    place: tuple[float, float]
    yaw: float = 0.0
    lift: float = 0.07
    push: float = 0.0
    strike: float = 0.0
    over: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Stance:
    """Where the feet are at the start: places (2, 2) and yaws (2,)."""

    place: Array
    yaw: Array


@dataclass(frozen=True)
class Legs:
    """phase (K,): of a gait, in turns, that arms may follow; name: of the generator."""

    name: str
    soles: Soles
    pelvis: Pelvis
    phase: Array


def ease(share: Array) -> Array:
    """From 0 to 1 with the least jerk (Flash and Hogan, 1985)."""
    share = np.clip(share, 0, 1)
    return np.asarray(share**3 * (10 - 15 * share + 6 * share**2))


def _stance(half: float = _HALF, ahead: float = 0.0, out: float = 6.0) -> Stance:
    """Feet beside each other; the left one `ahead` of the right one by that much; toes pointing `out` degrees."""
    return Stance(np.array([[half, -ahead / 2], [-half, ahead / 2]]), np.array([out, -out]))


def _walked(times: Array, stance: Stance, steps: list[Step]) -> tuple[Soles, Array]:
    """The soles, and how much of the weight each foot may bear, (K, 2)."""
    place = np.zeros((len(times), 2, 3))
    yaw, pitch, weight = (np.zeros((len(times), 2)) for _ in range(3))
    for foot in (0, 1):
        place[:, foot, :2], yaw[:, foot], weight[:, foot] = stance.place[foot], stance.yaw[foot], 1.0
    for step in sorted(steps, key=lambda step: step.start):
        foot, span = step.foot, step.end - step.start
        share = (times - step.start) / span
        moved, bell = ease(share), np.where((share > 0) & (share < 1), 64 * (share * (1 - share)) ** 3, 0.0)
        before, turned = place[:, foot, :2].copy(), yaw[:, foot].copy()
        place[:, foot, :2] = before + moved[:, None] * (np.array(step.place) - before) + bell[:, None] * step.over
        place[:, foot, 2] += step.lift * bell
        yaw[:, foot] = turned + moved * (step.yaw - turned)
        rise = ease((times - step.start + _PUSH) / _PUSH) * (1 - ease((share - 0.05) / 0.6))
        land = ease((share - 0.45) / 0.55) * (1 - ease((times - step.end) / _PUSH))
        pitch[:, foot] += step.push * rise - step.strike * land
        weight[:, foot] *= 1 - np.where((share > 0) & (share < 1), 1.0, 0.0)
    return Soles(place, yaw, pitch), weight


def _carried(soles: Soles, weight: Array, facing: float, turn: bool, sway: float = 0.55, calm: float = 0.16) -> Pelvis:
    """A pelvis over the feet: towards those that bear weight, by `sway`, and smooth over `calm` seconds."""
    bearing = weight + 1e-3
    feet = soles.place[..., :2]
    loaded = (feet * bearing[..., None]).sum(1) / bearing.sum(1, keepdims=True)
    flat = np.stack([np.zeros(len(feet)), np.full(len(feet), 0.025)], 1)  # ankles are behind the middle of the sole
    middle = gaussian_filter1d((1 - sway) * feet.mean(1) + sway * loaded, calm * RATE, axis=0, mode="nearest") - flat
    place = np.concatenate([middle, np.full((len(feet), 1), -0.012)], 1)
    yaw = gaussian_filter1d(soles.yaw.mean(1), calm * RATE, mode="nearest") if turn else np.zeros(len(feet))
    return Pelvis(place, yaw + facing, np.zeros(len(feet)))


def _faced(legs: Legs, facing: float) -> Legs:
    """The whole plan turned by `facing` degrees about the vertical axis."""
    spin = about(np.eye(3)[2], np.array([facing]))[0]
    soles, pelvis = legs.soles, legs.pelvis
    return Legs(
        legs.name,
        Soles(soles.place @ spin.T, soles.yaw + facing, soles.pitch),
        Pelvis(pelvis.place @ spin.T, pelvis.facing + facing, pelvis.tilt),
        legs.phase,
    )


def _stand(rng: np.random.Generator, times: Array) -> Legs:
    """Weight shifts from foot to foot."""
    soles, weight = _walked(times, _stance(rng.uniform(0.09, 0.19), rng.normal(0, 0.06), rng.uniform(2, 14)), [])
    pelvis = _carried(soles, weight, 0.0, turn=False)
    sway = rng.uniform(0, 0.045) * np.sin(2 * np.pi * (times / rng.uniform(2.5, 5) + rng.random()))
    pelvis.place[:, 0] += sway
    pelvis.place[:, 2] -= 0.1 * np.abs(sway) + rng.uniform(0, 0.02)
    return Legs("stand", soles, pelvis, times / 4)


def _gait(rng: np.random.Generator, times: Array, name: str) -> Legs:
    """Alternating steps: walk forwards or backwards, on the spot, turning, sideways, or a jog on the spot."""
    jog = name == "jog"
    period = rng.uniform(0.5, 0.62) if jog else rng.uniform(0.85, 1.15)  # of two steps
    stride = {"walk": rng.uniform(0.45, 0.7), "back": -0.35, "jog": 0.0}.get(name, 0.0) / 2
    aside = rng.uniform(0.1, 0.2) * rng.choice([-1, 1]) if name == "side" else 0.0
    spin = rng.uniform(12, 26) * rng.choice([-1, 1]) if name == "turn" else 0.0
    share, half = 0.62 if jog else 0.38, _HALF if name in {"side", "turn"} else 0.085
    start = -period * (1 + rng.random())
    first, phased = int(rng.integers(2)), int(rng.integers(len(_ONWARD)))
    middle, yaw, steps = np.zeros(2), 0.0, []
    count = int(np.ceil((times[-1] - start) / period * 2)) + 1
    for number in range(count):
        foot = (first + number) % 2
        sign = 1.0 if foot == 0 else -1.0
        onward = _ONWARD[(number + phased) % len(_ONWARD)]
        step, drift = onward * stride, onward * aside
        yaw += onward * spin
        forward = np.array([np.sin(np.radians(yaw)), -np.cos(np.radians(yaw))])
        middle = middle + forward * step + np.array([drift, 0])
        left = start + number * period / 2
        place = middle + np.array([-forward[1], forward[0]]) * half * sign + forward * step / 2
        steps.append(
            Step(
                foot, left, left + share * period, (float(place[0]), float(place[1])), yaw + 4 * sign,
                lift=0.16 if jog else 0.07, push=30.0 if jog or step > 0 else 16.0,
                strike=15.0 if step > 0 else -12.0 if jog else 0.0,
            )
        )  # fmt: skip
    soles, weight = _walked(times, _stance(half), steps)
    pelvis = _carried(soles, weight, 0.0, turn=True, sway=0.3, calm=0.09 if jog else 0.14)
    phase = (times - start) / period + first / 2
    pelvis.place[:, 2] -= 0.015 + (0.03 if jog else 0.012) * (1 - np.cos(4 * np.pi * (times - start) / period)) / 2
    pelvis.tilt[:] = 5.0 if jog else 2.0
    return Legs(name, soles, pelvis, phase)


def _bob(rng: np.random.Generator, times: Array, name: str) -> Legs:
    """Both feet stay; the pelvis goes down and up: squats, a low stance held, or the bounce of a dance."""
    wide = rng.uniform(0.13, 0.24)
    soles, weight = _walked(times, _stance(wide, 0.0, 14 + 60 * (wide - 0.13)), [])
    pelvis = _carried(soles, weight, 0.0, turn=False)
    period = {"squat": rng.uniform(1.5, 2.4), "crouch": 6.0, "bounce": rng.uniform(0.45, 0.65)}[name]
    deep = {"squat": rng.uniform(0.22, 0.42), "crouch": rng.uniform(0.25, 0.42), "bounce": rng.uniform(0.03, 0.06)}[
        name
    ]
    phase = times / period + rng.random()
    low = (
        deep * (1 - np.cos(2 * np.pi * phase)) / 2 if name != "crouch" else deep * (0.85 + 0.15 * np.cos(phase * 6.28))
    )
    pelvis.place[:, 2] -= low
    pelvis.place[:, 1] += 0.42 * low  # the seat goes back as the trunk leans forward
    if name == "bounce":
        pelvis.place[:, 0] += rng.uniform(0.02, 0.06) * np.sin(np.pi * phase)
    pelvis.tilt[:] = 42 * low
    return Legs(name, soles, pelvis, phase / 2)


def _jump(rng: np.random.Generator, times: Array) -> Legs:
    """Crouch, flight on a parabola, landing on the balls of the feet; again after a while."""
    soles, weight = _walked(times, _stance(rng.uniform(0.1, 0.15), 0.0, 8), [])
    pelvis = _carried(soles, weight, 0.0, turn=False)
    high = rng.uniform(0.1, 0.28)
    speed = float(np.sqrt(2 * _GRAVITY * high))
    flight, dip, tip = 2 * speed / _GRAVITY, rng.uniform(0.16, 0.26), 0.055
    keys = np.cumsum([0.0, 0.42, 0.26, flight, 0.24, 0.45, 0.3])
    path = CubicHermiteSpline(keys, [0, -dip, tip, tip, -0.8 * dip, 0, 0], [0, 0, speed, -speed, 0, 0, 0])
    clock = np.mod(times + rng.uniform(0, keys[-1]), keys[-1])
    up = np.where((clock > keys[2]) & (clock < keys[3]), clock - keys[2], 0.0)
    air = np.where(up > 0, speed * up - _GRAVITY * up**2 / 2, 0.0)
    height = np.where(up > 0, tip + air, path(clock))
    pitch = 38 * ease((clock - keys[2] + 0.15) / 0.15) * (1 - ease((clock - keys[3]) / 0.12))
    soles.place[..., 2] += air[:, None]
    soles.pitch[:] = pitch[:, None]
    low = np.maximum(-height, 0)
    pelvis.place[:, 2] += height
    pelvis.place[:, 1] += 0.42 * low - 0.03 * pitch / 38
    pelvis.tilt[:] = 60 * low
    return Legs("jump", soles, pelvis, clock / keys[-1])


def _raise(rng: np.random.Generator, times: Array, name: str) -> Legs:
    """On one foot: a knee lifted, a kick, or a leg out to the side."""
    foot, sign = int(rng.integers(2)), 1.0
    sign = 1.0 if foot == 0 else -1.0
    lift, over = {
        "knee": (rng.uniform(0.25, 0.45), (0.0, -rng.uniform(0.1, 0.25))),
        "kick": (rng.uniform(0.2, 0.35), (0.0, -rng.uniform(0.45, 0.6))),
        "raise": (rng.uniform(0.12, 0.25), (sign * rng.uniform(0.25, 0.4), 0.0)),
    }[name]
    stance = _stance(0.085)
    span = rng.uniform(1.1, 1.7)
    begin = -span * rng.random() * 0.7
    home = (float(stance.place[foot, 0]), float(stance.place[foot, 1]))
    steps = []
    while begin < times[-1]:
        steps.append(Step(foot, begin, begin + span, home, stance.yaw[foot], lift, push=22.0, over=over))
        begin += span + rng.uniform(0.3, 0.6)
    soles, _ = _walked(times, stance, steps)
    other = np.tile([float(foot == 1), float(foot == 0)], (len(times), 1))
    pelvis = _carried(soles, other, 0.0, turn=False, sway=0.75)
    pelvis.place[:, :2] = (
        pelvis.place[:, :2] - 0.12 * np.array(over) * (soles.place[:, foot, 2] / max(lift, 1e-3))[:, None]
    )
    pelvis.place[:, 2] -= 0.02
    return Legs(name, soles, pelvis, times / span)


def _stances(rng: np.random.Generator, times: Array) -> Legs:
    """From one random stance to the next: a step, a lunge, legs apart."""
    start = -rng.uniform(0.2, 1.4)
    half, ahead = rng.uniform(0.09, 0.2), rng.normal(0, 0.2)
    stance = _stance(half, ahead, rng.uniform(4, 14))
    steps, when, drop = [], start, [(start - 1, rng.uniform(0, 0.08))]
    place = stance.place.copy()
    while when < times[-1]:
        foot = int(rng.integers(2))
        sign = 1.0 if foot == 0 else -1.0
        reach = np.array([sign * rng.uniform(0.17, 0.5), np.clip(rng.normal(0, 0.2), -0.4, 0.35)])
        place[foot] = place[1 - foot] + reach
        span = rng.uniform(0.4, 0.6)
        there = (float(place[foot, 0]), float(place[foot, 1]))
        steps.append(Step(foot, when, when + span, there, sign * rng.uniform(4, 22), lift=0.08, push=12.0))
        drop.append((when + span, rng.uniform(0, 0.05) + 0.22 * max(float(np.linalg.norm(reach)) - 0.25, 0)))
        when += span + rng.uniform(0.5, 1.2)
    soles, weight = _walked(times, stance, steps)
    pelvis = _carried(soles, weight, 0.0, turn=False, sway=0.6, calm=0.2)
    low = gaussian_filter1d(np.interp(times, *np.array(drop).T), 0.2 * RATE, mode="nearest")
    pelvis.place[:, 2] -= low
    pelvis.tilt[:] = 30 * low
    return Legs("stances", soles, pelvis, times / 2)


_FULL: dict[str, tuple[float, Callable[[np.random.Generator, Array], Legs]]] = {
    "stand": (3.0, _stand),
    "stances": (3.0, _stances),
    "walk": (2.0, lambda rng, times: _gait(rng, times, "walk")),
    "back": (0.5, lambda rng, times: _gait(rng, times, "back")),
    "march": (0.7, lambda rng, times: _gait(rng, times, "march")),
    "turn": (1.0, lambda rng, times: _gait(rng, times, "turn")),
    "side": (1.0, lambda rng, times: _gait(rng, times, "side")),
    "jog": (1.0, lambda rng, times: _gait(rng, times, "jog")),
    "squat": (1.0, lambda rng, times: _bob(rng, times, "squat")),
    "crouch": (0.7, lambda rng, times: _bob(rng, times, "crouch")),
    "bounce": (1.0, lambda rng, times: _bob(rng, times, "bounce")),
    "jump": (1.2, _jump),
    "knee": (0.6, lambda rng, times: _raise(rng, times, "knee")),
    "kick": (0.6, lambda rng, times: _raise(rng, times, "kick")),
    "raise": (0.5, lambda rng, times: _raise(rng, times, "raise")),
}
NAMES = tuple(_FULL)
_QUIET = ("stand", "stand", "stand", "bounce")


def sample_legs(
    rng: np.random.Generator, times: Array, framing: str = "full", facing: float = 0.0, name: str = ""
) -> Legs:
    """A plan for the legs at `times` (K,), at `RATE`. name: of `NAMES`, drawn at random where it is empty."""
    if not name:
        weights = np.array([weight for weight, _ in _FULL.values()])
        name = (
            NAMES[rng.choice(len(NAMES), p=weights / weights.sum())] if framing == "full" else str(rng.choice(_QUIET))
        )
    return _faced(_FULL[name][1](rng, times), facing)
