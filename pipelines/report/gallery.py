"""Pictures for the report, small and inside the page: clips with their landmarks, and what pictures are made of."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.errors import WorkError
from pipelines.manifest import Row
from pipelines.report.draw import draw_keypoints
from pipelines.report.funnel import code_of
from pipelines.report.view import span_of
from pipelines.workspace import Workspace

Image = NDArray[np.uint8]
_SIDE = 176
_QUALITY = 82


@dataclass(frozen=True)
class Tile:
    """uri: a data URI. alt: what the picture shows, in words."""

    uri: str
    alt: str
    label: str = ""


@dataclass(frozen=True)
class ClipCard:
    """A clip or a candidate for one; tile is None where there is no picture of it."""

    tile: Tile | None
    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Sheet:
    """Some cards of one kind. count: how many there are of it. more: page that has them all, None where this does."""

    title: str
    count: int
    cards: tuple[ClipCard, ...]
    more: str | None


def data_uri(image: Image, side: int = _SIDE) -> str:
    """An RGB picture as a JPEG data URI, scaled down to at most `side` pixels in width and height."""
    import cv2
    import simplejpeg

    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    jpeg = simplejpeg.encode_jpeg(np.ascontiguousarray(image), quality=_QUALITY, colorspace="RGB")
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def picture_uri(workspace: Workspace, relative: str, side: int) -> str | None:
    """A published JPEG or PNG as a data URI; None where it is missing or not a picture."""
    import cv2

    try:
        found = cv2.imread(str(workspace.local(relative)), cv2.IMREAD_COLOR)
    except (WorkError, cv2.error):
        return None
    return None if found is None else data_uri(np.asarray(found[..., ::-1], np.uint8), side)


def kept_clip(workspace: Workspace, row: Row, video: str) -> ClipCard:
    """A clip's picture with its landmarks drawn. video: the name of its video."""
    middle = _landmarked(workspace, row)
    alt = f"Frame of clip {row['id'][:8]} of {video}, {span_of(row)}, with landmarks"
    tile = None if middle is None else Tile(data_uri(middle), alt)
    return ClipCard(tile, video, (span_of(row), f"{row['frames']} frames at {row['fps']:g} fps", row["id"][:8]))


def rejected_clip(workspace: Workspace, row: Row, video: str) -> ClipCard:
    """A candidate that was not kept, with its picture where one was made, and the reason."""
    uri = picture_uri(workspace, row["thumbnail_path"], _SIDE) if row.get("thumbnail_path") else None
    reason = code_of(row["reason"])
    tile = Tile(uri, f"Rejected candidate {row['id'][:8]} of {video}: {reason}") if uri else None
    detail = (row["reason"] or "").partition(":")[2].strip()
    return ClipCard(tile, reason, tuple(line for line in (detail, video, span_of(row)) if line))


def copy_beside(workspace: Workspace, copy: Row, original: Row, row: Row, names: Mapping[str, str]) -> ClipCard:
    """A clip that was dropped as a copy, left, beside the clip that was kept. row: of the stage `duplicates`."""
    pictures = [_picture(workspace, clip) for clip in (copy, original)]
    name = names[copy["video_id"]]
    of = f"of {names[original['video_id']]}, {span_of(original)}"
    moved = f"{row['offset_s']:+.1f} s" + (", mirrored" if row["mirrored"] else "")
    tile = None
    if all(picture is not None for picture in pictures):
        side_by_side = np.concatenate([np.asarray(picture) for picture in pictures], axis=1)
        tile = Tile(data_uri(side_by_side, 2 * _SIDE), f"Copy {copy['id'][:8]} of {name} beside its original {of}")
    return ClipCard(tile, name, (span_of(copy), of, moved, f"agreement {row['agreement']:.2f}"))


def _picture(workspace: Workspace, row: Row) -> Image | None:
    """The thumbnail of a clip: its middle frame."""
    import cv2

    try:
        found = cv2.imread(str(workspace.local(row["thumbnail_path"])), cv2.IMREAD_COLOR)
    except (WorkError, cv2.error):
        return None
    return None if found is None else np.asarray(found[..., ::-1], np.uint8)


def _landmarked(workspace: Workspace, row: Row) -> Image | None:
    try:
        keypoints = np.load(workspace.local(row["keypoints_path"]), allow_pickle=False)
    except (WorkError, ValueError, OSError):
        # The page tells what there is; a clip that cannot be read is the business of the check on the clips.
        return None
    image = _picture(workspace, row)
    return None if image is None else with_landmarks(image, keypoints[len(keypoints) // 2])


def with_landmarks(image: Image, keypoints: NDArray[np.float32]) -> Image:
    """A square picture with a skeleton (88, 3) on it, at twice the size shown, so that thin lines stay clean."""
    import cv2

    large = np.asarray(cv2.resize(image, (2 * _SIDE, 2 * _SIDE), interpolation=cv2.INTER_CUBIC), np.uint8)
    return draw_keypoints(large, keypoints)


def nearness(depth: NDArray[np.floating]) -> NDArray[np.float32]:
    """Depth (S, S) in metres, 0 for the background, as brightness: the nearest point 1, the farthest 0.25."""
    metres = np.asarray(depth, np.float32)
    there = metres > 0
    if not there.any():
        return np.zeros_like(metres)
    near, far = float(metres[there].min()), float(metres[there].max())
    return np.where(there, 1 - 0.75 * (metres - near) / max(far - near, 1e-3), 0).astype(np.float32)


def grey(values: NDArray[np.generic]) -> Image:
    """Values (S, S) in [0, 1] as a grey picture."""
    return np.repeat((np.asarray(values, np.float32) * 255).round().astype(np.uint8)[..., None], 3, -1)


def normal_colours(normals: NDArray[np.floating]) -> Image:
    """Camera-space normals (S, S, 3) in the usual colours: right red, up green, towards the viewer blue."""
    vectors = np.asarray(normals, np.float32) * np.array([1, -1, -1], np.float32)
    there = np.abs(vectors).sum(-1, keepdims=True) > 0
    return np.where(there, ((vectors + 1) * 127.5).clip(0, 255).round(), 0).astype(np.uint8)
