"""Who a rendered person is: body shape within what adults are, a face, and a look (skin, hair, what is worn)."""

from dataclasses import dataclass, replace

import numpy as np

from pipelines.manifest import digest_of
from pipelines.synthesis.people.face_shape import DIRECTIONS

Colour = tuple[float, float, float]

# Statures of adults in metres (mean, deviation), drawn within two deviations; NCD-RisC world means, widened.
_STATURE = {"man": (1.75, 0.07), "woman": (1.63, 0.065)}
# Stature in metres is linear in Anny's phenotypes up to 2 cm: intercept, then metres per unit. Fitted to 300 adults.
_STATURE_AT_ZERO = 1.374
_STATURE_PER = {"height": 1.09, "gender": -0.14, "african": 0.066, "asian": -0.115}
TOPS = ("t_shirt", "long_sleeve", "tank_top", "shirt", "jacket", "sweater", "hoodie")
BOTTOMS = ("trousers", "wide_trousers", "jeans", "shorts", "skirt", "leggings")
PATTERNS = ("plain", "stripes", "bars", "checks", "dots", "blocks", "mottled", "logo")
HAIR = ("bald", "shaved", "short", "crop", "quiff", "curly", "afro", "bob", "long", "ponytail", "bun")
SHOES = ("trainers", "boots", "flats")
GLASSES = ("none", "round", "square", "sun")
HEADWEAR = ("none", "cap", "beanie", "headscarf")
BEARDS = ("none", "stubble", "moustache", "goatee", "full")


@dataclass(frozen=True)
class Garment:
    """kind: of `TOPS`, `BOTTOMS`. length: sleeve (0 shoulder, 1 wrist) or leg (0 hip, 1 ankle). looseness:
    metres off the skin. pattern of `PATTERNS`, scale in metres. hem: height of a top's lower edge on the template."""

    kind: str
    colour: Colour
    second: Colour
    pattern: str
    scale: float
    length: float
    looseness: float
    hem: float


@dataclass(frozen=True)
class Look:
    """Colours are sRGB in [0, 1]; the rest is said in the name, in metres or in [0, 1].

    hair of `HAIR`, glasses of `GLASSES`, headwear of `HEADWEAR`, beard of `BEARDS`, shoe of `SHOES`. hair_length: the
    height of its lower edge on the template. brow: width, height, arch, tilt. dress: top and skirt are one.
    """

    skin: Colour
    blush: float
    freckles: float
    tan: float
    lines: float
    moles: tuple[tuple[float, float], ...]
    lips: Colour
    iris: Colour
    hair: str
    hair_colour: Colour
    hair_volume: float
    hairline: float
    hair_length: float
    parting: float
    waves: float
    fringe: bool
    brow: tuple[float, float, float, float]
    beard: str
    make_up: float
    top: Garment
    neckline: float
    v_neck: bool
    collar: bool
    bottom: Garment
    dress: bool
    shoe: str
    shoes: Colour
    soles: Colour
    socks: Colour
    glasses: str
    frame: Colour
    headwear: str
    headwear_colour: Colour
    noise: tuple[float, ...]


@dataclass(frozen=True)
class Identity:
    """id: content hash. phenotypes: Anny's, in [0, 1]. face: one coefficient for each of `face_shape.DIRECTIONS`."""

    id: str
    sex: str
    phenotypes: dict[str, float]
    face: tuple[float, ...]
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
        "gender": float(rng.uniform(0.0, 0.15) if sex == "man" else rng.uniform(0.85, 1.0)),
        "age": float(2 / 3 + 0.3 * rng.beta(1.1, 2.0)),
        "muscle": float(np.clip(rng.normal(0.55, 0.13), 0.25, 0.9)),
        "weight": float(np.clip(rng.normal(0.54, 0.16), 0.25, 0.95)),
        "proportions": float(np.clip(rng.normal(0.6, 0.13), 0.25, 0.9)),
        **{name: float(share) for name, share in zip(("african", "asian", "caucasian"), races, strict=True)},
    }
    known = _STATURE_AT_ZERO + sum(_STATURE_PER.get(name, 0.0) * value for name, value in phenotypes.items())
    phenotypes["height"] = (stature - known) / _STATURE_PER["height"]
    face = tuple(float(value) for value in np.clip(rng.normal(size=len(DIRECTIONS)), -2, 2))
    look = _sample_look(rng, sex, races, years=phenotypes["age"])
    return Identity(digest_of(sex, phenotypes, face, repr(look)), sex, phenotypes, face, look)


def _mix(a: Colour, b: Colour, t: float) -> Colour:
    return tuple(float(x + (y - x) * t) for x, y in zip(a, b, strict=True))  # type: ignore[return-value]


def _vary(rng: np.random.Generator, colour: Colour, spread: float) -> Colour:
    return tuple(float(np.clip(c + rng.normal(0, spread), 0.02, 0.98)) for c in colour)  # type: ignore[return-value]


def _cloth_colour(rng: np.random.Generator) -> Colour:
    """Mostly what people wear: greys, navy, muted hues; a strong colour now and then."""
    import colorsys

    draw = rng.random()
    if draw < 0.38:
        grey = float(rng.choice([0.07, 0.15, 0.3, 0.55, 0.82, 0.94]))
        return _vary(rng, (grey, grey, grey), 0.015)
    if draw < 0.78:
        return colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.15, 0.55), rng.uniform(0.2, 0.85))
    return colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.6, 0.9), rng.uniform(0.35, 0.9))


def _garment(rng: np.random.Generator, kind: str, length: float, looseness: float, hem: float = 0.0) -> Garment:
    bottom = kind in BOTTOMS and kind != "skirt"
    plain = rng.random() < (0.9 if bottom else 0.5)
    free = [name for name in PATTERNS if not (bottom and name in {"logo", "blocks"})]
    pattern = "mottled" if kind == "jeans" else "plain" if plain else str(rng.choice(free))
    colour = _vary(rng, (0.16, 0.23, 0.38), 0.05) if kind == "jeans" else _cloth_colour(rng)
    second = _mix(colour, (1.0, 1.0, 1.0), 0.2) if kind == "jeans" else _cloth_colour(rng)
    return Garment(kind, colour, second, pattern, float(rng.uniform(0.025, 0.09)), length, looseness, hem)


_SKINS: tuple[Colour, ...] = (
    (0.96, 0.82, 0.74), (0.91, 0.74, 0.63), (0.83, 0.64, 0.51),
    (0.70, 0.50, 0.37), (0.53, 0.36, 0.26), (0.36, 0.235, 0.175),
)  # fmt: skip
_HAIRS: tuple[Colour, ...] = (
    (0.07, 0.06, 0.06), (0.14, 0.09, 0.06), (0.27, 0.17, 0.10),
    (0.40, 0.26, 0.14), (0.66, 0.50, 0.30), (0.46, 0.21, 0.10),
)  # fmt: skip
_IRISES: tuple[Colour, ...] = (
    (0.22, 0.12, 0.06),
    (0.34, 0.20, 0.09),
    (0.33, 0.36, 0.18),
    (0.25, 0.42, 0.58),
    (0.38, 0.45, 0.48),
)
# Shares of `HAIR` by sex; the tightly curled ones are added by ancestry.
_MEN_HAIR = (0.07, 0.12, 0.34, 0.22, 0.13, 0.04, 0.0, 0.02, 0.04, 0.02, 0.0)
_WOMEN_HAIR = (0.0, 0.02, 0.08, 0.05, 0.03, 0.05, 0.0, 0.27, 0.28, 0.13, 0.09)
_SLEEVES = {"t_shirt": (0.28, 0.55), "tank_top": (0.0, 0.0)}
_LOOSE = {"jacket": (0.014, 0.022), "sweater": (0.012, 0.02), "hoodie": (0.016, 0.026), "tank_top": (0.005, 0.009)}
_LEGS = {"shorts": (0.3, 0.5), "skirt": (0.28, 0.9)}
_IN_BOOTS = 0.88  # length of trousers that end in boots
_LEG_LOOSE = {"leggings": (0.003, 0.004), "wide_trousers": (0.018, 0.034), "shorts": (0.012, 0.022)}


def _between(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    return float(rng.uniform(*bounds))


def _sample_look(rng: np.random.Generator, sex: str, races: np.ndarray, years: float) -> Look:
    african, asian, caucasian = races
    woman, old, light = sex == "woman", years > 0.83, caucasian > 0.5
    tone = float(np.clip(4.2 * african + 1.6 * asian + 0.7 * caucasian + rng.normal(0, 0.5), 0, 4.99))
    skin = _vary(rng, _mix(_SKINS[int(tone)], _SKINS[int(tone) + 1], tone % 1), 0.015)
    hair_colour = _vary(rng, _HAIRS[rng.integers(6 if light else 3)], 0.015)
    if old and rng.random() < 0.7:
        hair_colour = _mix(hair_colour, (0.75, 0.74, 0.72), float(rng.uniform(0.4, 1.0)))
    hair = _sample_hair(rng, woman, african)
    top = str(rng.choice(TOPS, p=[0.26, 0.14, 0.1, 0.16, 0.12, 0.11, 0.11]))
    bottom = str(
        rng.choice(BOTTOMS, p=[0.2, 0.1, 0.25, 0.1, 0.24, 0.11] if woman else [0.35, 0.05, 0.38, 0.22, 0.0, 0.0])
    )
    upper = _garment(
        rng,
        top,
        _between(rng, _SLEEVES.get(top, (0.9, 0.97))),
        _between(rng, _LOOSE.get(top, (0.006, 0.016))),
        _between(rng, (0.0, 0.07)) if top not in {"jacket", "hoodie"} else _between(rng, (0.005, 0.04)),
    )
    lower = _garment(
        rng,
        bottom,
        _between(rng, _LEGS.get(bottom, (0.95, 1.0))),
        _between(rng, _LEG_LOOSE.get(bottom, (0.006, 0.014))),
    )
    shoe = str(rng.choice(SHOES, p=[0.45, 0.2, 0.35] if woman else [0.65, 0.3, 0.05]))
    if shoe == "boots" and bottom in {"trousers", "jeans", "leggings"}:
        lower = replace(lower, length=_IN_BOOTS)
    dress = bottom == "skirt" and top in {"t_shirt", "long_sleeve", "tank_top"} and rng.random() < 0.6
    if dress:
        lower = replace(lower, colour=upper.colour, second=upper.second, pattern=upper.pattern, scale=upper.scale)
    headwear = str(rng.choice(HEADWEAR, p=[0.84, 0.04, 0.04, 0.08] if woman else [0.84, 0.09, 0.07, 0.0]))
    return Look(
        skin=skin,
        blush=_between(rng, (0.05, 0.35)),
        freckles=float(max(0.0, rng.normal(-0.1, 0.4))) if light else 0.0,
        tan=_between(rng, (0.0, 0.25)) if light else 0.0,
        lines=float(np.clip((years - 0.74) / 0.2, 0, 1)),
        moles=tuple((float(x), float(z)) for x, z in rng.normal((0, 0.69), (0.04, 0.04), (rng.integers(0, 5), 2))),
        lips=_mix(skin, (0.60, 0.24, 0.24), _between(rng, (0.3, 0.55))),
        iris=_vary(rng, _IRISES[rng.integers(5 if light else 2)], 0.02),
        hair=hair,
        hair_colour=hair_colour,
        hair_volume=_between(rng, (0.007, 0.014) if hair in {"short", "crop"} else (0.011, 0.02)),
        hairline=float(rng.normal(0, 0.006)) + (0.012 * float(rng.random()) if old and not woman else 0.0),
        hair_length=_between(rng, (0.40, 0.57) if hair == "long" else (0.60, 0.66)),
        parting=_between(rng, (-0.035, 0.035)),
        waves=float(max(0.0, rng.normal(0.1, 0.5))),
        fringe=bool(rng.random() < (0.35 if hair in {"bob", "long", "ponytail"} else 0.0)),
        brow=(
            _between(rng, (0.0022, 0.0034) if woman else (0.0030, 0.0046)),
            float(rng.normal(0, 0.0012)),
            float(np.clip(rng.normal(0.0028, 0.0014), 0, 0.006)),
            float(rng.normal(0.03, 0.05)),
        ),
        beard="none" if woman else str(rng.choice(BEARDS, p=[0.48, 0.22, 0.06, 0.08, 0.16])),
        make_up=float(rng.choice([0.0, 0.4, 0.8])) if woman else 0.0,
        top=upper,
        neckline=_between(rng, (0.0, 0.045)),
        v_neck=bool(rng.random() < 0.25),
        collar=top == "shirt" or (top == "jacket" and bool(rng.random() < 0.5)),
        bottom=lower,
        dress=dress,
        shoe=shoe,
        shoes=_cloth_colour(rng),
        soles=_mix(_cloth_colour(rng), (0.93, 0.93, 0.92), 0.6),
        socks=_mix(_cloth_colour(rng), (0.93, 0.93, 0.92), float(rng.random() < 0.5)),
        glasses=str(rng.choice(GLASSES, p=[0.78, 0.09, 0.1, 0.03])),
        frame=_mix((0.08, 0.07, 0.07), _cloth_colour(rng), _between(rng, (0, 0.8))),
        headwear=headwear,
        headwear_colour=_cloth_colour(rng),
        noise=tuple(float(v) for v in rng.normal(size=6)),
    )


def _sample_hair(rng: np.random.Generator, woman: bool, african: float) -> str:
    shares = np.array(_WOMEN_HAIR if woman else _MEN_HAIR)
    tight = 0.6 * african**2 * np.array([HAIR.index(n) in (HAIR.index("afro"), HAIR.index("curly")) for n in HAIR])
    return str(rng.choice(HAIR, p=(shares + tight) / (shares + tight).sum()))
