"""What joints are called in the usual motion files: CMU, Mixamo, HumanIK, Rokoko, Xsens, LAFAN, SMPL and Unreal."""

import re
from collections.abc import Sequence

from pipelines.synthesis.movement.importers.retarget import ESSENTIAL, FINGERS, SIDES

# Joint -> its names, the surest first: a `LeftShoulder` is the upper arm only where nothing else is.
_PAIRED = {
    "thigh": ("upleg", "upperleg", "thigh", "hip"),
    "shin": ("lowerleg", "shin", "calf", "knee", "leg"),
    "foot": ("ankle", "foot"),
    "arm": ("upperarm", "uparm", "arm", "shoulder"),
    "forearm": ("forearm", "lowerarm", "elbow"),
    "hand": ("hand", "wrist"),
    "collar": ("collar", "clavicle", "shoulder"),
}
_SINGLE: dict[str, tuple[str, ...]] = {"hips": ("hips", "pelvis", "hip", "root"), "head": ("head",)}
_SPINE = re.compile(r"(lowerback|spine\d*|chest\d*|upperchest|torso|l5|l3|t12|t8|abdomen|waist)$")
_NECK = re.compile(r"neck\d*$")
_PREFIX = re.compile(r"^(mixamorig\d*|bip0*1|character\d*|valvebiped)")
_NUMBER = dict(enumerate(FINGERS, start=1))
_BY_NAME = re.compile(r"(?:hand|inhand)?(thumb|index|middle|mid|ring|pinky|little)(?:finger)?0?([1-4])$")
_BY_COUNT = re.compile(r"(?:finger)?(1|2|3|4|5|first|second|third|fourth|fifth)"
                       r"(metacarpal|proximal|medial|intermediate|distal|mc|pp|mp|dp)$")  # fmt: skip
_WORDS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5}
_SAME = {"mid": "middle", "pinky": "little"}


def roles(names: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...], tuple[str, ...], list[str]]:
    """Which joint is which. names: of the file, parents before children.

    Returns (role -> name, names of the spine, names of the neck, essential roles that nobody has).
    """
    plain = {_plain(name): name for name in reversed(names)}
    found: dict[str, str] = {}
    for role, aliases in _SINGLE.items():
        if match := next((plain[alias] for alias in aliases if alias in plain), None):
            found[role] = match
    found.setdefault("hips", names[0])
    sides = {side: _of_side(plain, side) for side in SIDES}
    for side, own in sides.items():
        used: set[str] = set()
        for joint, aliases in _PAIRED.items():
            if match := next((alias for alias in aliases if alias in own and alias not in used), None):
                used.add(match)
                found[f"{joint}.{side}"] = own[match]
        for base, name in own.items():
            if finger := _finger(base):
                found.setdefault(f"{finger}.{side}", name)
    paired = {name for own in sides.values() for name in own.values()}
    middle = [(_plain(name), name) for name in names if name not in paired and name != found["hips"]]
    spine = tuple(name for base, name in middle if _SPINE.match(base))
    neck = tuple(name for base, name in middle if _NECK.match(base))
    return found, spine, neck, [role for role in ESSENTIAL if role not in found]


def _plain(name: str) -> str:
    letters = re.sub(r"[^a-z0-9]", "", name.rsplit(":", 1)[-1].lower())
    return _PREFIX.sub("", letters) or letters


def _of_side(plain: dict[str, str], side: str) -> dict[str, str]:
    """Names without the mark of their side (`LeftArm`, `L_Arm`, `arm_l` are `arm`)."""
    word, letter = ("left", "l") if side == "L" else ("right", "r")
    own: dict[str, str] = {}
    for base, name in plain.items():
        bare = [base.removeprefix(word)] if base.startswith(word) else []
        bare += [base.removesuffix(word)] if base.endswith(word) else []
        bare += [base[1:]] if base.startswith(letter) else []
        bare += [base[:-1]] if base.endswith(letter) else []
        if match := next((b for b in bare if _known(b)), None):
            own[match] = name
    return own


def _known(base: str) -> bool:
    return any(base in aliases for aliases in _PAIRED.values()) or _finger(base) is not None


def _finger(base: str) -> str | None:
    """`index2` for `handindex2`, `finger2medial` and `secondmp`."""
    if match := _BY_NAME.match(base):
        return f"{_SAME.get(match[1], match[1])}{match[2]}"
    if match := _BY_COUNT.match(base):
        finger = _NUMBER[_WORDS.get(match[1]) or int(match[1])]
        thumb = ("metacarpal", "mc"), ("proximal", "pp"), ("distal", "dp")
        other = ("proximal", "pp"), ("medial", "intermediate", "mp"), ("distal", "dp")
        for joint, kinds in enumerate(thumb if finger == "thumb" else other, start=1):
            if match[2] in kinds:
                return f"{finger}{joint}"
    return None
