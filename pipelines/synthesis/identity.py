"""Who a rendered person is: body shape within what adults are, and a look (skin, hair, face, clothes)."""

from dataclasses import dataclass

import numpy as np

from pipelines.manifest import digest_of

Colour = tuple[float, float, float]

# Statures of adults in metres (mean, deviation), drawn within two deviations; NCD-RisC world means, widened.
_STATURE = {"man": (1.75, 0.07), "woman": (1.63, 0.065)}
# Stature in metres is linear in Anny's phenotypes up to 2 cm: intercept, then metres per unit. Fitted to 300 adults.
_STATURE_AT_ZERO = 1.374
_STATURE_PER = {"height": 1.09, "gender": -0.14, "african": 0.066, "asian": -0.115}
TOPS = ("t_shirt", "long_sleeve", "tank_top", "shirt", "jacket", "sweater")
BOTTOMS = ("trousers", "jeans", "shorts", "skirt", "leggings")
PATTERNS = ("plain", "stripes", "bars", "checks", "dots", "blocks", "mottled")
HAIR = ("shaved", "short", "crop", "bob", "long", "bald")


@dataclass(frozen=True)
class Garment:
    """kind: of `TOPS`, `BOTTOMS`. length: sleeve (0 shoulder, 1 wrist) or leg (0 hip, 1 ankle). looseness:
    metres off the skin. pattern of `PATTERNS`, scale in metres."""

    kind: str
    colour: Colour
    second: Colour
    pattern: str
    scale: float
    length: float
    looseness: float


@dataclass(frozen=True)
class Look:
    """Colours are sRGB in [0, 1]; the rest is said in the name, in metres or in [0, 1]."""

    skin: Colour
    blush: float
    freckles: float
    lips: Colour
    iris: Colour
    hair: str
    hair_colour: Colour
    hair_volume: float
    hairline: float
    hair_length: float
    parting: float
    brow_width: float
    beard: float
    make_up: float
    top: Garment
    neckline: float
    bottom: Garment
    shoes: Colour
    soles: Colour
    noise: tuple[float, ...]


@dataclass(frozen=True)
class Identity:
    """id: content hash. phenotypes: Anny's, in [0, 1]."""

    id: str
    sex: str
    phenotypes: dict[str, float]
    look: Look


def stature(phenotypes: dict[str, float]) -> float:
    """Metres, to 2 cm."""
    return _STATURE_AT_ZERO + sum(rate * phenotypes[name] for name, rate in _STATURE_PER.items())


def sample_identity(rng: np.random.Generator) -> Identity:
    """A random adult. The same generator state gives the same person."""
    sex = "man" if rng.random() < 0.5 else "woman"
    mean, deviation = _STATURE[sex]
    stature = float(np.clip(rng.normal(mean, deviation), mean - 2 * deviation, mean + 2 * deviation))
    races = rng.dirichlet([0.45] * 3)
    phenotypes = {
        "gender": float(rng.uniform(0.0, 0.12) if sex == "man" else rng.uniform(0.88, 1.0)),
        "age": float(2 / 3 + 0.3 * rng.beta(1.1, 2.2)),
        "muscle": float(np.clip(rng.normal(0.52, 0.11), 0.25, 0.8)),
        "weight": float(np.clip(rng.normal(0.5, 0.13), 0.25, 0.85)),
        "proportions": float(np.clip(rng.normal(0.6, 0.13), 0.25, 0.9)),
        **{name: float(share) for name, share in zip(("african", "asian", "caucasian"), races, strict=True)},
    }
    known = _STATURE_AT_ZERO + sum(_STATURE_PER.get(name, 0.0) * value for name, value in phenotypes.items())
    phenotypes["height"] = (stature - known) / _STATURE_PER["height"]
    look = _sample_look(rng, sex, races, old=phenotypes["age"] > 0.83)
    return Identity(digest_of(sex, phenotypes, repr(look)), sex, phenotypes, look)


def _mix(a: Colour, b: Colour, t: float) -> Colour:
    return tuple(float(x + (y - x) * t) for x, y in zip(a, b, strict=True))  # type: ignore[return-value]


def _vary(rng: np.random.Generator, colour: Colour, spread: float) -> Colour:
    return tuple(float(np.clip(c + rng.normal(0, spread), 0.02, 0.98)) for c in colour)  # type: ignore[return-value]


def _cloth_colour(rng: np.random.Generator) -> Colour:
    import colorsys

    if rng.random() < 0.35:
        grey = float(rng.choice([0.06, 0.15, 0.35, 0.6, 0.85, 0.94]))
        return _vary(rng, (grey, grey, grey), 0.02)
    return colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.3, 0.95), rng.uniform(0.25, 0.95))


def _garment(rng: np.random.Generator, kind: str, length: float, looseness: float) -> Garment:
    plain = kind in {"jeans", "leggings", "trousers", "jacket"} and rng.random() < 0.85
    pattern = "mottled" if kind == "jeans" else "plain" if plain else PATTERNS[rng.integers(len(PATTERNS))]
    colour = _vary(rng, (0.16, 0.24, 0.42), 0.05) if kind == "jeans" else _cloth_colour(rng)
    second = _mix(colour, (1.0, 1.0, 1.0), 0.25) if kind == "jeans" else _cloth_colour(rng)
    return Garment(kind, colour, second, pattern, float(rng.uniform(0.025, 0.09)), length, looseness)


_SKINS: tuple[Colour, ...] = (
    (0.98, 0.84, 0.75), (0.93, 0.76, 0.64), (0.85, 0.66, 0.52),
    (0.72, 0.52, 0.38), (0.55, 0.37, 0.26), (0.36, 0.23, 0.17),
)  # fmt: skip
_HAIRS: tuple[Colour, ...] = (
    (0.06, 0.05, 0.05), (0.14, 0.09, 0.06), (0.28, 0.17, 0.09),
    (0.42, 0.26, 0.12), (0.68, 0.50, 0.28), (0.50, 0.20, 0.08),
)  # fmt: skip
_IRISES: tuple[Colour, ...] = (
    (0.22, 0.12, 0.06),
    (0.34, 0.20, 0.09),
    (0.33, 0.36, 0.18),
    (0.25, 0.42, 0.58),
    (0.38, 0.45, 0.48),
)


def _sample_look(rng: np.random.Generator, sex: str, races: np.ndarray, old: bool) -> Look:
    african, asian, caucasian = races
    tone = float(np.clip(4.2 * african + 1.6 * asian + 0.7 * caucasian + rng.normal(0, 0.5), 0, 4.99))
    skin = _vary(rng, _mix(_SKINS[int(tone)], _SKINS[int(tone) + 1], tone % 1), 0.015)
    light = caucasian > 0.5
    hair_colour = _vary(rng, _HAIRS[rng.integers(6 if light else 3)], 0.015)
    if old and rng.random() < 0.7:
        hair_colour = _mix(hair_colour, (0.78, 0.77, 0.75), float(rng.uniform(0.4, 1.0)))
    iris = _vary(rng, _IRISES[rng.integers(5 if light else 2)], 0.02)
    woman = sex == "woman"
    hair = str(rng.choice(HAIR, p=[0.02, 0.1, 0.08, 0.4, 0.4, 0.0] if woman else [0.16, 0.4, 0.28, 0.04, 0.04, 0.08]))
    top = str(rng.choice(TOPS))
    sleeve = {"t_shirt": rng.uniform(0.25, 0.45), "tank_top": 0.0}.get(top, rng.uniform(0.88, 0.98))
    bottom = str(rng.choice(BOTTOMS, p=[0.25, 0.25, 0.12, 0.25, 0.13] if woman else [0.4, 0.38, 0.22, 0.0, 0.0]))
    legs = {"shorts": rng.uniform(0.35, 0.55), "skirt": rng.uniform(0.3, 0.95)}.get(bottom, rng.uniform(0.93, 1.0))
    loose = 0.012 if top in {"jacket", "sweater"} else 0.007
    return Look(
        skin=skin,
        blush=float(rng.uniform(0.05, 0.3)),
        freckles=float(max(0.0, rng.normal(-0.1, 0.25))) if light else 0.0,
        lips=_mix(skin, (0.62, 0.22, 0.22), float(rng.uniform(0.35, 0.6))),
        iris=iris,
        hair=hair,
        hair_colour=hair_colour,
        hair_volume=float(rng.uniform(0.008, 0.02)),
        hairline=float(rng.normal(0, 0.005)),
        hair_length=float(rng.uniform(0.42, 0.62) if hair == "long" else rng.uniform(0.61, 0.66)),
        parting=float(rng.uniform(-0.03, 0.03)),
        brow_width=float(rng.uniform(0.0022, 0.0034) if woman else rng.uniform(0.003, 0.005)),
        beard=0.0 if woman else float(rng.choice([0.0, 0.25, 0.6, 1.0], p=[0.45, 0.25, 0.15, 0.15])),
        make_up=float(rng.choice([0.0, 0.5, 1.0])) if woman else 0.0,
        top=_garment(rng, top, float(sleeve), loose),
        neckline=float(rng.uniform(0.0, 0.05)),
        bottom=_garment(rng, bottom, float(legs), 0.003 if bottom == "leggings" else 0.008),
        shoes=_cloth_colour(rng),
        soles=_mix(_cloth_colour(rng), (0.95, 0.95, 0.95), 0.6),
        noise=tuple(float(v) for v in rng.normal(size=6)),
    )
