"""Light: one key with a fill and an ambient, as people are lit in homes, streets and studios."""

import numpy as np

from pipelines.synthesis.scenes.scene import Floats, Light

# Where the key light stands, seen from the person: around the front, at a side, behind.
_PLACES = {"front": (0.62, 0.0, 1.0), "side": (0.24, 1.0, 1.9), "back": (0.14, 1.9, 2.8)}
COLOURED_SHARE = 0.12  # lamps and neon: clearly tinted light
DARK_SHARE = 0.12
EXPOSURE, DARK_EXPOSURE = (0.8, 1.2), (0.35, 0.65)
HARDNESS = (0.15, 0.85)  # the key's share of the light: an overcast sky to a bare lamp or the sun
HEIGHT = (0.22, 1.25)  # radians above the horizon


def sample_light(rng: np.random.Generator) -> Light:
    """A key light from the front, a side or behind; warm, cool or coloured; hard or soft; bright or dim."""
    shares = [share for share, _, _ in _PLACES.values()]
    place = list(_PLACES)[rng.choice(len(_PLACES), p=shares)]
    azimuth = rng.uniform(*_PLACES[place][1:]) * rng.choice([-1, 1])
    height = rng.uniform(*HEIGHT)
    direction = np.array([np.sin(azimuth) * np.cos(height), -np.cos(azimuth) * np.cos(height), np.sin(height)])
    hardness = rng.uniform(*HARDNESS)
    exposure = rng.uniform(*(DARK_EXPOSURE if rng.random() < DARK_SHARE else EXPOSURE))
    tint = 1 + np.array([1, 0, -1]) * rng.uniform(-0.15, 0.15)
    if rng.random() < COLOURED_SHARE:
        tint = tint * (1 + 0.45 * (rng.dirichlet([1.0, 1.0, 1.0]) * 3 - 1))
    # Light that comes from behind leaves the face to the fill: people who film themselves turn to a window or a wall.
    fill = {"front": (0.05, 0.15), "side": (0.12, 0.3), "back": (0.35, 0.6)}[place]
    sky = exposure * (1 - hardness) * rng.uniform(0.92, 1.08, 3) * 1.05
    return Light(
        direction.astype(np.float32),
        (exposure * hardness * tint).astype(np.float32),
        np.full(3, exposure * rng.uniform(*fill), np.float32),
        sky.astype(np.float32),
        (sky * rng.uniform(0.35, 0.6)).astype(np.float32),
    )


def key_share(light: Light) -> float:
    """How much of the light that falls on a surface turned to the key is the key's, in [0, 1]."""
    key, rest = float(light.key.mean()), float(light.sky.mean())
    return key / max(key + rest, 1e-6)


def irradiance(light: Light, normal: Floats) -> tuple[Floats, Floats]:
    """(ambient, key) linear light (3,) that falls on a plane with this normal (3,)."""
    ambient = light.ground + (light.sky - light.ground) * (0.5 + 0.5 * float(normal[2]))
    return np.asarray(ambient, np.float32), np.asarray(
        light.key * max(0.0, float(normal @ light.direction)), np.float32
    )
