"""Procedural motion: what legs, arms, hands, trunk and face do, drawn apart, put together, and checked.

A motion is a track of joint angles, facial actions and the root's path at a fixed rate, interpolated to any times. The
same motion goes onto every body. Draws in which a hand or forearm of the mean body would go through the rest of it are
replaced.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from pipelines.manifest import digest_of
from pipelines.synthesis.body.model import Pose
from pipelines.synthesis.movement.arms import STYLES, sample_hands, swing, track, vary
from pipelines.synthesis.movement.faces import sample_face
from pipelines.synthesis.movement.grounding import solve_legs
from pipelines.synthesis.movement.legs import RATE, Legs, sample_legs
from pipelines.synthesis.movement.penetration import clearance
from pipelines.synthesis.movement.skeleton import LIMITS, Angles, Skeleton, clip

_TRIES = 10
_EVERY = 2  # frames of the track from one check for penetration to the next: 67 ms
_SLACK = 0.01  # metres of clearance that a draw must have
_EXACT = 0.5  # degrees that a plan for the legs may be beyond the joints' limits
_LIVELY = {"sign": 2.2, "talk": 1.2, "random": 1.0}
# Which styles of the arms go with which legs, besides those that go with all.
_SUITS = {
    "walk": ("swing", "swing", "swing", "talk", "wave", "rest"),
    "back": ("swing", "swing", "talk", "rest"),
    "march": ("swing", "swing", "dance", "clap"),
    "jog": ("swing", "swing", "swing", "box"),
    "side": ("swing", "box", "dance", "clap", "talk"),
    "turn": ("swing", "dance", "talk", "reach"),
    "bounce": ("dance", "dance", "box", "clap", "talk", "wave", "sign"),
    "jump": ("clap", "reach", "rest", "wave", "random"),
}
_ANY = ("random", "random", "talk", "talk", "sign", "sign", "wave", "clap", "reach", "rest", "dance", "box")
_CLOSE = ("random", "talk", "talk", "sign", "sign", "sign", "wave", "clap", "dance")


@dataclass(frozen=True)
class Motion:
    """A track at `RATE`. angles: joint -> (K,) degrees; actions: ARKit name -> (K,); root (K, 3): its displacement in
    metres of the mean adult; kind: the names of what legs and arms do."""

    angles: Angles
    actions: Angles
    root: NDArray[np.float64]
    kind: tuple[str, str]

    @property
    def seconds(self) -> float:
        return (len(self.root) - 1) / RATE

    @property
    def id(self) -> str:
        """Content hash."""
        tracks = {**self.angles, **self.actions, "root": self.root}
        return digest_of("motion", {name: np.round(values, 4).tolist() for name, values in sorted(tracks.items())})

    def at(self, times: NDArray[np.floating], skeleton: Skeleton) -> Pose:
        """Poses at times (T,) in seconds, held at the ends."""
        made = skeleton.pose(
            {name: interpolate(track, times) for name, track in self.angles.items()},
            {name: interpolate(track, times) for name, track in self.actions.items()},
        )
        return Pose(made.rotations, interpolate(self.root, times).astype(np.float32), made.actions)


def interpolate(values: NDArray[np.float64], times: NDArray[np.floating]) -> NDArray[np.float64]:
    """Catmull-Rom between the samples (K, ...) of a track at `RATE`."""
    if len(values) == 1:
        return np.repeat(values, len(times), 0)
    slopes = np.gradient(values, axis=0)
    place = np.clip(np.asarray(times, np.float64) * RATE, 0, len(values) - 1)
    start = np.minimum(place.astype(int), len(values) - 2)
    t = (place - start).reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray(
        (2 * t**3 - 3 * t**2 + 1) * values[start]
        + (t**3 - 2 * t**2 + t) * slopes[start]
        + (3 * t**2 - 2 * t**3) * values[start + 1]
        + (t**3 - t**2) * slopes[start + 1]
    )


def sample_motion(
    rng: np.random.Generator, skeleton: Skeleton, seconds: float, framing: str = "full", facing: float = 40.0
) -> Motion:
    """A motion of some seconds. facing: the most degrees that the whole body turns away from the front at first.

    Framings closer than `full` bring the hands up and keep the legs quiet, since only that is in the picture.
    """
    times = np.arange(int(np.ceil(seconds * RATE)) + 1) / RATE
    legs, lower, root = _sample_lower(rng, skeleton, times, framing, rng.uniform(-facing, facing))
    names = _CLOSE if framing != "full" else _SUITS.get(legs.name, _ANY)
    style = names[int(rng.integers(len(names)))]
    hands = clip(sample_hands(rng, times, _LIVELY.get(style, 0.5)))
    actions, head = sample_face(rng, times, speaking=rng.random() < (0.7 if style == "talk" else 0.3))
    trunk = _sample_trunk(rng, times, legs, head)
    for attempt in range(_TRIES):
        arms = _sample_arms(rng, times, legs, style)
        body = clip({**trunk, **lower, **arms}) | hands
        if clearance(skeleton, {name: track[::_EVERY] for name, track in body.items()}).min() > _SLACK:
            break
        if attempt == _TRIES // 2:
            style = "talk"
    else:
        style, arms = "rest", track(times, [(0.0, _hanging(rng))])
        body = clip({**trunk, **lower, **arms}) | hands
    angles = {name: np.zeros(len(times)) for name in LIMITS} | body
    return Motion(angles, actions, root, (legs.name, style))


def _sample_lower(
    rng: np.random.Generator, skeleton: Skeleton, times: NDArray[np.float64], framing: str, facing: float
) -> tuple[Legs, Angles, NDArray[np.float64]]:
    """Legs within the limits of their joints, so that the feet are where they were planned."""
    for _ in range(_TRIES):
        legs = sample_legs(rng, times, framing, facing)
        angles, root = solve_legs(skeleton, legs.soles, legs.pelvis)
        if all(np.abs(track - np.clip(track, *LIMITS[name])).max() < _EXACT for name, track in angles.items()):
            return legs, angles, root
    legs = sample_legs(rng, times, framing, facing, name="stand")
    return legs, *solve_legs(skeleton, legs.soles, legs.pelvis)


def _sample_arms(rng: np.random.Generator, times: NDArray[np.float64], legs: Legs, style: str) -> Angles:
    if style == "swing":
        return swing(rng, legs.phase, jog=legs.name == "jog")
    return track(times, STYLES[style](rng, float(times[-1])))


def _hanging(rng: np.random.Generator) -> dict[str, float]:
    return {f"{side}_{name}": value for side in ("left", "right") for name, value in vary(rng, "hanging", 0.0).items()}


def _sample_trunk(rng: np.random.Generator, times: NDArray[np.float64], legs: Legs, head: Angles) -> Angles:
    """A spine that sways slowly, balances the legs, and turns against the gait; a head that goes with the gaze."""
    spread = {"spine_bend": 5, "spine_lean": 4, "spine_turn": 9, "head_bend": 5, "head_lean": 5, "head_turn": 8}
    angles = {name: _drift(rng, times, width) for name, width in spread.items()}
    low = np.maximum(-0.03 - legs.pelvis.place[:, 2], 0)
    angles["spine_bend"] += 45 * low
    angles["head_bend"] -= 0.6 * (45 * low + legs.pelvis.tilt)
    if legs.name in {"walk", "back", "march", "jog"}:
        angles["spine_turn"] += rng.uniform(3, 7) * np.sin(2 * np.pi * legs.phase)
    if legs.name == "bounce":
        angles["spine_lean"] += rng.uniform(0, 6) * np.sin(2 * np.pi * legs.phase)
    for name, values in head.items():
        angles[name] += values
    return angles


def _drift(rng: np.random.Generator, times: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Smooth noise (K,) of a standard deviation, that changes within about a second."""
    count = len(times) + 120
    noise = gaussian_filter1d(rng.normal(0, 1, count), 0.45 * RATE)[60 : 60 + len(times)]
    # A filtered white noise has the deviation (4 pi sigma²)^(-1/4).
    return np.asarray(width * noise * (4 * np.pi * (0.45 * RATE) ** 2) ** 0.25)
