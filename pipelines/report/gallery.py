"""Pictures for the report, small and inside the page: clips with their landmarks, and what pictures are made of."""

import base64
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.decode import DecordDecoder
from pipelines.errors import DataError, WorkError
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
    """The middle frame of a clip with its landmarks drawn. video: the name of its video."""
    middle = _middle_frame(workspace, row)
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


def _middle_frame(workspace: Workspace, row: Row) -> Image | None:
    try:
        keypoints = np.load(workspace.local(row["keypoints_path"]), allow_pickle=False)
        middle = len(keypoints) // 2
        return with_landmarks(DecordDecoder(workspace.local(row["path"])).get_batch([middle])[0], keypoints[middle])
    except (DataError, WorkError, ValueError, OSError):
        # The page tells what there is; a clip that cannot be read is the business of the check on the clips.
        return None


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
