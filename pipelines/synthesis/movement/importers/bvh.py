"""BVH files: a hierarchy of joints with channels in any order, then one line of numbers per frame.

The format is that of Biovision's exporter as described by Meredith and Maddock, "Motion capture file formats explained"
(University of Sheffield, 2001): rotations apply in the order in which channels are listed, degrees.
"""

import codecs
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from pipelines.errors import DataError
from pipelines.synthesis.movement.importers.names import roles
from pipelines.synthesis.movement.importers.retarget import Array, Source, stride_of

MOST_BYTES = 400_000_000
_MOST_JOINTS = 500
_LONGEST = 1e6  # of an offset, in any unit
_MOTION = re.compile(r"^[ \t]*MOTION\b", re.IGNORECASE | re.MULTILINE)
_HEADER = re.compile(r"\s*Frames\s*:\s*(\S+)\s+Frame\s+Time\s*:\s*(\S+)", re.IGNORECASE)
_CHANNELS = {f"{axis}{kind}" for axis in "xyz" for kind in ("position", "rotation")}


@dataclass(frozen=True)
class Joint:
    """parent: index of a joint before it, -1 for the root. channels: in the order of the file, lower case."""

    name: str
    parent: int
    offset: tuple[float, float, float]
    channels: tuple[str, ...]


@dataclass(frozen=True)
class Bvh:
    """joints: parents first. values (T, sum of channels). seconds: from frame to frame."""

    joints: list[Joint]
    values: Array
    seconds: float


def parse(path: Path) -> Bvh:
    """Raises: DataError where the file is too large, torn, or not BVH."""
    if path.stat().st_size > MOST_BYTES:
        raise DataError(f"{path}: is larger than {MOST_BYTES // 10**6} MB; cut it into shorter files")
    head, *tail = _MOTION.split(_text(path.read_bytes()), maxsplit=1)
    if not tail or "HIERARCHY" not in head[:1000].upper():
        raise DataError(f"{path}: has no HIERARCHY and MOTION sections; export it as BVH again")
    try:
        joints = _hierarchy(iter(head.split()))
        header = _HEADER.match(tail[0]) or _fail()
        frames, seconds = int(header[1]), float(header[2])
    except (StopIteration, ValueError) as error:
        raise DataError(f"{path}: its hierarchy or header is damaged; export it as BVH again") from error
    width = sum(len(joint.channels) for joint in joints)
    values = _numbers(tail[0][header.end() :])
    if frames < 1 or values is None or len(values) != frames * width:
        count = "unreadable" if values is None else f"{len(values):,}"
        raise DataError(f"{path}: {frames:,} frames of {width} numbers are promised, {count} numbers are there")
    if not np.isfinite(values).all() or not 1e-4 < seconds < 10:
        raise DataError(f"{path}: holds numbers that are no motion (not finite, or a Frame Time of {seconds:g} s)")
    return Bvh(joints, values.reshape(frames, width), seconds)


def _text(content: bytes) -> str:
    """Names may be in any encoding; some exporters write a byte order mark."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace")
    return content.removeprefix(codecs.BOM_UTF8).decode("latin-1")


def _numbers(text: str) -> Array | None:
    with warnings.catch_warnings():
        # numpy only warns where the text ends in something that is no number.
        warnings.simplefilter("error")
        try:
            return np.fromstring(text, sep=" ")
        except (DeprecationWarning, ValueError):
            return None


def _hierarchy(words: Iterator[str]) -> list[Joint]:
    """Raises: ValueError or StopIteration where the text does not hold to the format."""
    joints: list[Joint] = []
    open_joints: list[int | None] = []  # None: an end site, whose offset is that of a tip
    for word in words:
        keyword = word.upper()
        if keyword in {"ROOT", "JOINT"}:
            name = next(words)
            while (part := next(words)) != "{":
                name += f" {part}"
            parent = next((j for j in reversed(open_joints) if j is not None), -1)
            joints.append(Joint(name, parent, _offset(words), _channels(words)))
            open_joints.append(len(joints) - 1)
        elif keyword == "END":
            joints.append(Joint(f"{joints[-1].name} end", len(joints) - 1, _end_site(words), ()))
            open_joints.append(None)
        elif word == "}":
            open_joints.pop() if open_joints else _fail()
        elif keyword != "HIERARCHY":
            _fail()
        if len(joints) > _MOST_JOINTS:
            _fail()
    if open_joints or not joints:
        _fail()
    return joints


def _fail() -> NoReturn:
    raise ValueError("not BVH")


def _expect(words: Iterator[str], *wanted: str) -> None:
    for word in wanted:
        if next(words).upper() != word:
            _fail()


def _offset(words: Iterator[str]) -> tuple[float, float, float]:
    _expect(words, "OFFSET")
    x, y, z = (float(word) for word in [next(words), next(words), next(words)])
    if not (abs(x) < _LONGEST and abs(y) < _LONGEST and abs(z) < _LONGEST):
        _fail()
    return x, y, z


def _end_site(words: Iterator[str]) -> tuple[float, float, float]:
    _expect(words, "SITE", "{")
    return _offset(words)


def _channels(words: Iterator[str]) -> tuple[str, ...]:
    _expect(words, "CHANNELS")
    count = int(next(words))
    if not 0 <= count <= len(_CHANNELS):
        _fail()
    channels = tuple([next(words).lower() for _ in range(count)])
    if not set(channels) <= _CHANNELS or len(set(channels)) != len(channels):
        _fail()
    return channels


def forward(bvh: Bvh, chosen: slice) -> tuple[list[NDArray[np.float64]], list[Array]]:
    """Rotations (T, 3, 3) and positions (T, 3) of every joint in the world, for the chosen frames."""
    values = bvh.values[chosen]
    rotations: list[Array] = []
    positions: list[Array] = []
    column = 0
    for joint in bvh.joints:
        own = {name: values[:, column + i] for i, name in enumerate(joint.channels)}
        column += len(joint.channels)
        order = [name[0] for name in joint.channels if name.endswith("rotation")]
        offset = np.tile(np.array(joint.offset), (len(values), 1))
        for axis, name in enumerate(("xposition", "yposition", "zposition")):
            if name in own:
                offset[:, axis] = own[name]
        local = np.tile(np.eye(3), (len(values), 1, 1))
        if order:
            angles = np.stack([own[f"{axis}rotation"] for axis in order], 1)
            local = Rotation.from_euler("".join(order).upper(), angles, degrees=True).as_matrix()
        if joint.parent < 0:
            rotations.append(local)
            positions.append(offset)
        else:
            turned = rotations[joint.parent]
            rotations.append(turned @ local)
            positions.append(positions[joint.parent] + (turned @ offset[..., None])[..., 0])
    return rotations, positions


def read_bvh(path: Path, most_fps: float, most_frames: int) -> Source:
    """Raises: DataError where the file is no usable motion, naming a joint that is missing."""
    bvh = parse(path)
    names = [joint.name for joint in bvh.joints]
    found, spine, neck, missing = roles(names)
    if missing:
        known = ", ".join(name for name in names if not name.endswith(" end"))[:300]
        raise DataError(f"{path}: no joint could be recognised as {missing[0]} among {known}; rename its joints")
    stride = stride_of(1 / bvh.seconds, most_fps)
    if len(bvh.values[::stride]) > most_frames:
        raise DataError(f"{path}: has more than {most_frames:,} frames at {most_fps:g} per second; cut it")
    rotations, positions = forward(bvh, slice(None, None, stride))
    index = {name: number for number, name in reversed(list(enumerate(names)))}
    rest_rotations, rest = _rest(bvh, rotations, positions, {role: index[name] for role, name in found.items()})

    def relative(name: str) -> Array:
        number = index[name]
        return rotations[number] @ rest_rotations[number].T

    for role in list(found):
        # A fourth joint of a finger is its tip, which some files only have as the end of the third.
        if role[:-2].endswith("3") and f"{role[:-3]}4{role[-2:]}" not in found:
            tip = f"{found[role]} end"
            if tip in index:
                found[f"{role[:-3]}4{role[-2:]}"] = tip
    return Source(
        fps=1 / (bvh.seconds * stride),
        rotations={role: relative(name) for role, name in found.items()}
        | {name: relative(name) for name in (*spine, *neck)},
        rest={role: rest[index[name]] for role, name in found.items()},
        hips=np.mean([positions[index[found[f"thigh.{side}"]]] for side in "LR"], axis=0),
        ankles=np.stack([positions[index[found[f"foot.{side}"]]] for side in "LR"], 1),
        spine=spine,
        neck=neck,
    )


def _rest(
    bvh: Bvh, rotations: list[Array], positions: list[Array], index: dict[str, int]
) -> tuple[list[Array], list[Array]]:
    """Rotations (3, 3) and positions (3,) of all joints in an upright pose: the one that the file's offsets describe.

    Some files (LAFAN) have all bones along one axis there; the most upright of their frames takes its place.
    """
    places: list[Array] = []
    for joint in bvh.joints:
        places.append(np.array(joint.offset) + (places[joint.parent] if joint.parent >= 0 else 0))
    if _uprightness([place[None] for place in places], index)[0] > 0.7:
        return [np.eye(3)] * len(places), places
    frame = int(_uprightness(positions, index).argmax())
    return [rotation[frame] for rotation in rotations], [place[frame] for place in positions]


def _uprightness(positions: list[Array], index: dict[str, int]) -> Array:
    """How nearly legs continue the trunk and arms are straight, the least cosine of them, (T,)."""

    def direction(start: str, end: str) -> Array:
        way = positions[index[end]] - positions[index[start]]
        return np.asarray(way / np.maximum(np.linalg.norm(way, axis=-1, keepdims=True), 1e-9))

    hips = (positions[index["thigh.L"]] + positions[index["thigh.R"]]) / 2
    trunk = positions[index["head"]] - hips
    trunk = trunk / np.maximum(np.linalg.norm(trunk, axis=-1, keepdims=True), 1e-9)
    cosines = []
    for side in "LR":
        cosines += [-(trunk * direction(f"thigh.{side}", f"shin.{side}")).sum(-1)]
        cosines += [-(trunk * direction(f"shin.{side}", f"foot.{side}")).sum(-1)]
        cosines += [
            (direction(f"arm.{side}", f"forearm.{side}") * direction(f"forearm.{side}", f"hand.{side}")).sum(-1)
        ]
    return np.asarray(np.min(cosines, axis=0))
