"""Rendered pairs for the report: groups with all their layers, a moving preview of each, and how draws are spread."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.errors import DataError
from pipelines.manifest import Row
from pipelines.report.charts import Bars, histogram, shares
from pipelines.report.gallery import Image, Tile, data_uri, grey, nearness, normal_colours, with_landmarks
from pipelines.shards.read import Reader, SampleRef, ShardIndex
from pipelines.synthesis.places import unpack
from pipelines.workspace import Workspace

_FRAMES = 4
_MOST_IDENTITIES = 4
_PREVIEW_SIDE = 160
_PREVIEW_QUALITY = 70
_HUE_STEP = 0.381966  # neighbours in the list of parts get colours far apart


@dataclass(frozen=True)
class PairCard:
    """A pair group: one row of tiles per identity, the same motion in each; preview moves, still is its first frame."""

    id: str
    split: str
    motion: str
    source: str
    frames: int
    identities: int
    preview: Tile
    still: Tile
    rows: tuple[tuple[Tile, ...], ...]


@dataclass(frozen=True)
class ChartGroup:
    """Charts of one subject."""

    title: str
    charts: tuple[Bars, ...]


def pair_groups(workspace: Workspace, most: int) -> tuple[PairCard, ...]:
    """Some pair groups of every split, at most `most` in all."""
    reader = Reader(workspace)
    splits = {name: _pairs(workspace, name) for name in ("train", "validation", "test")}
    chosen: list[SampleRef] = []
    for place in range(most):
        chosen += [refs[place] for refs in splits.values() if place < len(refs)]
    return tuple(_pair_card(reader, ref) for ref in chosen[:most])


def _pairs(workspace: Workspace, split: str) -> list[SampleRef]:
    return [ref for ref in ShardIndex.load(workspace, split).samples if ref.kind == "pair"]


def _pair_card(reader: Reader, ref: SampleRef) -> PairCard:
    import simplejpeg

    meta = ref.meta
    frames, identities = int(meta["frames"]), len(meta["identities"])
    shown = range(min(identities, _MOST_IDENTITIES))
    names = [[f"i{i}.t{t}.jpg" for t in range(frames)] for i in shown]
    members = reader.read(ref, (*(name for row in names for name in row), *(f"i{i}.npz" for i in shown)))
    try:
        films = [np.stack([simplejpeg.decode_jpeg(members[name], colorspace="RGB") for name in row]) for row in names]
        rows = tuple(_identity_row(films[i], members[f"i{i}.npz"], i, int(meta["motion_frames"])) for i in shown)
    except (ValueError, KeyError, IndexError) as error:
        raise DataError(f"{ref.shard}: pair {ref.id} cannot be shown ({error}); make the pairs again") from error
    beside = np.concatenate(films, 2)
    alt = f"{len(films)} people do the same motion"
    preview = Tile(moving_uri(beside[: int(meta["motion_frames"])], float(meta["fps"])), f"{alt}, moving")
    still = Tile(data_uri(beside[0], _PREVIEW_SIDE * len(films)), alt)
    source = "recorded motion" if meta["source"] != "procedural" else "drawn motion"
    return PairCard(ref.id, str(meta["split"]), str(meta["motion"]), source, frames, identities, preview, still, rows)


def _identity_row(film: NDArray[np.uint8], content: bytes, identity: int, moving: int) -> tuple[Tile, ...]:
    """Frames over time and the photo, then the layers of the middle one."""
    shown = sorted({round(t) for t in np.linspace(0, len(film) - 1, min(_FRAMES, len(film)))})
    t = shown[len(shown) // 2]
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        layers = {
            "keypoints": with_landmarks(film[t], arrays["keypoints"][t]),
            "mask": grey(arrays["mask"][t] > 0),
            "parts": part_colours(arrays["part"][t]),
            "photo, moved": from_photo(film[-1], arrays["source"][:, t], arrays["source_seen"][t]),
            "hands' depth": grey(nearness(arrays["depth"][t])),
            "hands' normals": normal_colours(arrays["normals"][t]),
        }
    who = f"identity {identity + 1}"
    called = {at: f"frame {at}" if at < moving else "photo" for at in shown}
    tiles = [Tile(data_uri(film[at]), f"{who}, {called[at]}", called[at]) for at in shown]
    tiles += [Tile(data_uri(layer), f"{who}, frame {t}: {name}", name) for name, layer in layers.items()]
    return tuple(tiles)


def from_photo(photo: Image, source: NDArray[np.uint16], seen: NDArray[np.bool_]) -> Image:
    """The photo's colours (H, H, 3) in the places that a frame's cells have in it, see `places`; else black."""
    at = unpack(source)[seen] * [photo.shape[1], photo.shape[0]]
    moved = np.zeros((*seen.shape, 3), np.uint8)
    column, row = np.minimum(at, [photo.shape[1] - 1, photo.shape[0] - 1]).astype(int).T
    moved[seen] = photo[row, column]
    return moved


def part_colours(part: NDArray[np.uint8]) -> Image:
    """Part labels (S, S) as colours (S, S, 3); the background is black."""
    import colorsys

    table = [colorsys.hsv_to_rgb(label * _HUE_STEP % 1, 0.55 + 0.3 * (label % 2), 0.95) for label in range(256)]
    colours = (np.array(table) * 255).round().astype(np.uint8)
    colours[0] = 0
    return np.asarray(colours[part])


def moving_uri(frames: NDArray[np.uint8], fps: float) -> str:
    """RGB frames (T, H, W, 3) as an endless WebP of at most `_PREVIEW_SIDE` pixels in height, as a data URI."""
    from PIL import Image as Pillow

    height, width = frames.shape[1:3]
    scale = min(1.0, _PREVIEW_SIDE / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    first, *rest = (Pillow.fromarray(frame).resize(size, Pillow.Resampling.LANCZOS) for frame in frames)
    buffer = io.BytesIO()
    about = {"duration": round(1000 / fps), "loop": 0, "quality": _PREVIEW_QUALITY, "method": 4}
    first.save(buffer, "WEBP", save_all=True, append_images=rest, **about)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def distributions(groups: Sequence[Row]) -> tuple[ChartGroup, ...]:
    """How identities, poses, cameras and scenes of the pairs' manifest are spread; nothing where there are none."""
    views = [view for group in groups for view in group["views"] or []]
    if not views:
        return ()

    def numbers(name: str) -> list[float]:
        return [float(view[name]) for view in views]

    people = list({view["identity"]: view for view in views}.values())
    codecs = ["clean" if view["clean"] else view["codec"] for view in views]
    return (
        ChartGroup(
            "Identities",
            (
                shares("Sex", [view["sex"] for view in people]),
                histogram("Age (0.67 young adult, 1 old)", [float(view["age"]) for view in people]),
                histogram("Stature (m)", [float(view["stature"]) for view in people]),
                histogram("Lightness of the skin", [float(view["skin"]) for view in people]),
            ),
        ),
        ChartGroup(
            "Poses",
            (
                histogram("Higher arm (degrees from hanging)", [v for group in groups for v in group["arm_raise"]]),
                histogram("Facing (degrees from the front)", [v for group in groups for v in group["facing"]]),
                shares("Source of the motion", [_source(group) for group in groups]),
                histogram("Visible points (share of 88)", numbers("visible")),
            ),
        ),
        ChartGroup(
            "Cameras",
            (
                shares("Framing", [view["framing"] for view in views]),
                shares("Movement", [view["move"] for view in views]),
                histogram("Distance (m)", numbers("distance")),
                histogram("Height (m)", numbers("height")),
                histogram("Focal length (picture sides)", numbers("focal")),
                histogram("Looking down (degrees)", numbers("pitch")),
                histogram("Around the person (degrees)", numbers("yaw")),
                histogram("Roll (degrees)", numbers("roll")),
            ),
        ),
        ChartGroup(
            "Scenes", (shares("Place", [view["place"] for view in views]), shares("Camera effects and codec", codecs))
        ),
    )


def _source(group: Row) -> str:
    return "drawn" if group["source"] == "procedural" else "recorded"
