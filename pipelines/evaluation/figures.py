"""The figures of the evaluation, in the order in which people read them: what they are called, and which way is better.

Those of pictures are `seen.judges`', which says how each is measured. Those of tokens are `leakage`'s: told, and never
judged by.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """better: the sign of an improvement; 0 where `ideal` alone is best. ideal: None where it is the extreme."""

    key: str
    name: str
    unit: str = ""
    better: int = 0
    ideal: float | None = None


FIGURES = (
    Figure("lpips_vgg", "LPIPS (VGG) around the person", better=-1),
    Figure("silhouette_iou", "Silhouette, intersection over union", better=1),
    Figure("body_px", "Body's points", "px", -1),
    Figure("sharpness", "Sharpness inside the person, over the truth's", ideal=1),
    Figure("hands_px", "Hands' points", "px", -1),
    Figure("face_px", "Face's points", "px", -1),
    Figure("face_distance", "Face, distance to the reference's", better=-1),
    Figure("face_read", "Faces that can be told by", better=1),
    Figure("lpips_alex", "LPIPS (AlexNet) around the person", better=-1),
    Figure("movenet_px", "Body's points by a second network", "px", -1),
    Figure("movenet_found", "Body's points found by it, share", better=1),
    Figure("body_median_px", "Body's points, median", "px", -1),
    Figure("body_found", "Bodies found, share", better=1),
    Figure("hands_median_px", "Hands' points, median", "px", -1),
    Figure("hands_found", "Hands found, share", better=1),
    Figure("face_median_px", "Face's points, median", "px", -1),
    Figure("face_found", "Faces found, share", better=1),
    Figure("background_error", "Background, mean error", "of 255", -1),
    Figure("background_psnr", "Background, PSNR", "dB", 1),
    Figure("flicker", "Change from picture to picture, over the truth's", ideal=1),
    Figure("flicker_unmoved", "What of it is no motion, over the truth's", ideal=1),
    Figure("person_psnr", "PSNR on the person", "dB", 1),
    Figure("psnr", "PSNR", "dB", 1),
    Figure("ssim", "SSIM", better=1),
)
TOKENS = ("body", "left_hand", "right_hand", "face")
# Of `Leakage`.
TOKEN_SHARES = ("person", "person_chance", "pose", "pose_chance")


def token_figure(token: str, share: str) -> str:
    """The name of a share of `Leakage` for one kind of token."""
    return f"{token}_token_{share}"


TOKEN_FIGURES = tuple(token_figure(token, share) for token in TOKENS for share in TOKEN_SHARES)
COLUMNS = (*(figure.key for figure in FIGURES), *TOKEN_FIGURES)


def means(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Method -> column -> mean over the rows where it was measured, in whatever order; without what nowhere was."""
    measured: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        of_method = measured.setdefault(row["method"], {})
        for column in COLUMNS:
            value = row.get(column)
            if value is not None:
                of_method.setdefault(column, []).append(value)
    found: dict[str, dict[str, float]] = {}
    for method, columns in measured.items():
        found[method] = {column: math.fsum(values) / len(values) for column, values in columns.items()}
    return found
