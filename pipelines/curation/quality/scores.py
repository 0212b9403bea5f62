"""All scores of a span of a track, the limits that a clip must keep, and what both are called."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields

from pipelines.manifest import Row


@dataclass(frozen=True)
class Scores:
    """One span. Each score's formula is where it is measured; docs/quality.md has them all in one table.

    From the landmarks alone (`quality.track`): seconds, person_px, face_px, hand_px (pixels of the source),
    body_visibility, hand_visibility, face_visibility, occlusion, completeness, occupancy (shares), face_gap (widths of
    the face), speed (sizes of the person per second), face_yaw (degrees).
    From the pictures (`quality.meter`), None where none was looked at: motion (sizes of the person per second),
    camera_motion (frame heights per second), sharpness, hand_sharpness, face_sharpness (squared grey levels),
    brightness, clipped, borders, beyond, overlay, repeated, cadence (shares), blockiness (ratio), quantiser (0 to 51).
    """

    seconds: float
    person_px: float
    face_px: float
    hand_px: float
    body_visibility: float
    hand_visibility: float
    face_visibility: float
    occlusion: float
    completeness: float
    occupancy: float
    face_gap: float | None = None
    speed: float | None = None
    face_yaw: float | None = None
    motion: float | None = None
    camera_motion: float | None = None
    sharpness: float | None = None
    hand_sharpness: float | None = None
    face_sharpness: float | None = None
    brightness: float | None = None
    clipped: float | None = None
    blockiness: float | None = None
    quantiser: float | None = None
    borders: float | None = None
    beyond: float | None = None
    overlay: float | None = None
    repeated: float | None = None
    cadence: float | None = None

    def row(self) -> Row:
        return {name: None if value is None else round(float(value), 4) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Thresholds:
    """The least (`min_`) or most (`max_`) of a score that a clip may have; None switches a limit off.

    A span is rejected for the first limit that it misses, in this order. min_body_visibility does not hold where the
    face is seen: a close-up shows 5 of the 21 body points, and a face is enough for a clip of a face.
    """

    min_seconds: float | None = 1.0
    min_person_px: float | None = 120.0
    min_body_visibility: float | None = 0.25
    min_hand_visibility: float | None = None
    min_face_visibility: float | None = None
    min_completeness: float | None = None
    min_occupancy: float | None = None
    min_face_px: float | None = None
    min_hand_px: float | None = None
    max_face_yaw: float | None = None
    max_occlusion: float | None = 0.6
    max_face_gap: float | None = 0.3
    max_speed: float | None = 3.0
    min_motion: float | None = 0.02
    max_camera_motion: float | None = 0.3
    min_brightness: float | None = 0.08
    max_clipped: float | None = 0.15
    min_sharpness: float | None = 65.0
    min_hand_sharpness: float | None = None
    min_face_sharpness: float | None = None
    max_blockiness: float | None = 1.6
    max_quantiser: float | None = 40.0
    max_borders: float | None = 0.1
    max_beyond: float | None = 0.6
    max_overlay: float | None = 0.01
    max_repeated: float | None = 0.2
    max_cadence: float | None = 0.35


@dataclass(frozen=True)
class Criterion:
    """A limit on a score. code: begins the reason of what misses it. label: what people read."""

    score: str
    least: bool
    limit: float | None
    code: str
    label: str
    unit: str

    def misses(self, value: float | None) -> bool:
        if value is None or self.limit is None:
            return False
        return value < self.limit if self.least else value > self.limit


_FACE_IS_ENOUGH = 0.5  # share of the frames with the face, from which the body may be out of view
# Score -> (code of the reason, label, unit).
_NAMES = {
    "seconds": ("too_short", "length", "s"),
    "person_px": ("too_small", "size of the person", "px"),
    "body_visibility": ("low_visibility: body", "body points seen", ""),
    "hand_visibility": ("low_visibility: hands", "frames with a hand", ""),
    "face_visibility": ("low_visibility: face", "frames with the face", ""),
    "completeness": ("incomplete", "how much of the body is in view", ""),
    "occupancy": ("small_in_frame", "share of the frame", ""),
    "face_px": ("small_face", "size of the face", "px"),
    "hand_px": ("small_hands", "size of a hand", "px"),
    "face_yaw": ("turned_away", "yaw of the face", "°"),
    "occlusion": ("occluded", "body points hidden", ""),
    "face_gap": ("landmarks_disagree", "distance of pose and face mesh", "faces"),
    "speed": ("landmarks_jump", "speed of the trunk", "sizes/s"),
    "motion": ("no_motion", "motion of the person", "sizes/s"),
    "camera_motion": ("camera_motion", "motion of the camera", "heights/s"),
    "sharpness": ("blurred", "sharpness", ""),
    "hand_sharpness": ("blurred: hands", "sharpness of the hands", ""),
    "face_sharpness": ("blurred: face", "sharpness of the face", ""),
    "brightness": ("too_dark", "brightness of the person", ""),
    "clipped": ("badly_exposed", "black or white points of the person", ""),
    "blockiness": ("compressed", "blockiness", ""),
    "quantiser": ("compressed: coarsely", "quantiser of the video", ""),
    "borders": ("borders", "borders in the clip", ""),
    "beyond": ("beyond_frame", "share of the clip beyond the frame", ""),
    "overlay": ("overlay", "text and logos in the clip", ""),
    "repeated": ("repeated_frames", "repeated frames", ""),
    "cadence": ("speed_change", "change of the rate of new frames", ""),
}


def criteria(thresholds: Thresholds) -> Iterator[Criterion]:
    """One for each field of `Thresholds`, in their order."""
    for field in fields(thresholds):
        direction, _, score = field.name.partition("_")
        code, label, unit = _NAMES[score]
        yield Criterion(score, direction == "min", getattr(thresholds, field.name), code, label, unit)


def judge(scores: Scores, thresholds: Thresholds) -> str | None:
    """The reason why a span is rejected, None where it is good."""
    for criterion in criteria(thresholds):
        value = getattr(scores, criterion.score)
        if criterion.score == "body_visibility" and scores.face_visibility >= _FACE_IS_ENOUGH:
            continue
        if criterion.misses(value):
            code = criterion.code if ":" in criterion.code else f"{criterion.code}:"
            side = "" if criterion.least else "at most "
            return f"{code} {value:.3g} of {side}{criterion.limit:g} {criterion.unit}".rstrip()
    return None
