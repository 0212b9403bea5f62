"""Hold what curation found in a video against its labels: counts that can be added over videos."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from tests.labelled import score
from tests.labelled.footage import ABSENT, HARDLY, THERE, UNCLEAR, Floats
from tests.labelled.found import Found, FoundTrack, nearest
from tests.labelled.labels import Labels
from tests.labelled.score import Agreement

RATE = 16.0  # looks per second: the rate at which curation looks for people
_CUT_TOLERANCE = 2  # frames
_LEAST_POINTS, _FLESH = 4, 0.08  # of boxes; the second in longer sides
NOT_FOUND, PHANTOM = "not_found", "nobody"
# What curation may say where a label says something else and both are right.
_ALSO = {
    "blurred": {"compressed"},
    "compression": {"compressed", "blurred"},
    "exposure": {"too_dark", "badly_exposed", NOT_FOUND},
    "frozen": {"repeated_frames", "speed_change", "no_motion"},
    "low_visibility": {"incomplete", NOT_FOUND},
    "no_motion": {"camera_motion", "repeated_frames"},
    "several_people": {"occluded"},
    "too_small": {NOT_FOUND},
}


@dataclass(frozen=True)
class Tally:
    """cuts, soft_cuts: at two frames, those of hard and of gradual changes. counted: (found, true) people -> looks.
    body: (right, visible) body points. hands: (swapped, told) looks. decisions: (true, found) reason -> looks; None for
    kept. A person who is there and was not found is `NOT_FOUND`, which keeps them out as a rejection does; somebody
    found where nobody is should be rejected as `PHANTOM`.
    """

    cuts: Agreement = field(default_factory=Agreement)
    soft_cuts: Agreement = field(default_factory=Agreement)
    counted: Counter[tuple[int, int]] = field(default_factory=Counter)
    body: tuple[int, int] = (0, 0)
    hands: tuple[int, int] = (0, 0)
    decisions: Counter[tuple[str | None, str | None]] = field(default_factory=Counter)

    def __add__(self, other: "Tally") -> "Tally":
        def summed(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
            return a[0] + b[0], a[1] + b[1]

        return Tally(
            self.cuts + other.cuts,
            self.soft_cuts + other.soft_cuts,
            self.counted + other.counted,
            summed(self.body, other.body),
            summed(self.hands, other.hands),
            self.decisions + other.decisions,
        )


def compare(labels: Labels, found: Found) -> Tally:
    """Looks at a video `RATE` times a second."""
    tally = Tally(**_cuts(labels, found))
    for k in range(int(len(labels.right) / labels.fps * RATE)):
        tally += _look(labels, found, round(k / RATE * labels.fps))
    return tally


def _cuts(labels: Labels, found: Found) -> dict[str, Agreement]:
    frame = 1 / labels.fps
    soft = max((cut.soft for cut in labels.cuts), default=0.0)
    tolerance = (_CUT_TOLERANCE + 0.01) * frame + soft / 2
    return {"soft_cuts" if soft else "cuts": score.cuts(found.cuts, [cut.time for cut in labels.cuts], tolerance)}


def _look(labels: Labels, found: Found, frame: int) -> Tally:
    time = frame / labels.fps
    there = np.flatnonzero(labels.boxes[frame].any(1))
    near = ((one, nearest(one.track, time, 0.75 / RATE)) for one in found.tracks if time < one.end)
    seen = [(one, index) for one, index in near if index is not None]
    true = [_reach(labels, frame, int(person)) for person in there]
    pairs = score.match([one.track.boxes[i] for one, i in seen], true)
    partner = {int(there[true]): seen[ours] for ours, true in pairs}
    body, hands = np.zeros(2, np.int64), np.zeros(2, np.int64)
    decisions: Counter[tuple[str | None, str | None]] = Counter()
    for person in there:
        truth, mine = labels.points[frame, person], partner.get(int(person))
        if labels.there[frame, person] == THERE:
            points = np.zeros_like(truth) if mine is None else mine[0].track.keypoints[mine[1]]
            body += _body(points, truth, labels.boxes[frame, person])
            if mine is not None and (swapped := score.swapped_hands(points, truth)) is not None:
                hands += (swapped, 1)
        right = str(labels.right[frame, person])
        if right not in (UNCLEAR, ABSENT):
            judged = NOT_FOUND if mine is None else _decision(mine[0], time)
            decisions[_reason(right), _named(right, judged)] += 1
    strangers = [one for ours, (one, _) in enumerate(seen) if ours not in {ours for ours, _ in pairs}]
    if not (labels.there[frame] == HARDLY).any():
        decisions.update((PHANTOM, _decision(one, time)) for one in strangers)
    count = int(labels.count[frame])
    counted = Counter({(len(seen), count): 1} if count >= 0 else {})
    return Tally(
        counted=counted, body=(int(body[0]), int(body[1])), hands=(int(hands[0]), int(hands[1])), decisions=decisions
    )


def _reach(labels: Labels, frame: int, person: int) -> Floats:
    """Box (4,) around the points in the picture, with room for the flesh around them, as curation has its boxes: in a
    close-up what is around all pixels of a person is far larger."""
    points = labels.points[frame, person, :, :2]
    points = points[((points >= 0) & (points < labels.size)).all(1)]
    if len(points) < _LEAST_POINTS:
        return labels.boxes[frame, person]
    low, high = points.min(0), points.max(0)
    return np.concatenate([low, high]) + _FLESH * (high - low).max() * np.array([-1, -1, 1, 1])


def _body(found: Floats, true: Floats, box: Floats) -> tuple[int, int]:
    return score.right_points(found, true, float((box[2:] - box[:2]).max()))


def _decision(found: FoundTrack, time: float) -> str | None:
    """None where a clip is kept at this time, else the code of the reason."""
    reasons = [clip["reason"] for clip in found.clips if clip["start_s"] <= time + 1e-3 < clip["end_s"] + 1e-3]
    if not reasons:
        return NOT_FOUND
    return None if None in reasons else str(reasons[0]).split(":")[0]


def _reason(right: str) -> str | None:
    return None if right == "kept" else right


def _named(right: str, judged: str | None) -> str | None:
    """The label's name of the code, where both say the same."""
    return right if judged in _ALSO.get(right, ()) else judged


def same_recordings(labels: list[Labels], found: list[Found]) -> Agreement:
    """Of all pairs of kept clips of different videos, which show the same recording: at least half of the shorter one,
    for at least a second."""
    spans = {}
    for about, one in zip(labels, found, strict=True):
        for track in one.tracks:
            for clip in track.clips:
                if clip["reason"] is None:
                    frames = [min(round(clip[end] * about.fps), len(about.source)) for end in ("start_s", "end_s")]
                    times = about.source[frames[0] : frames[1]]
                    spans[clip["id"]] = (about.family, about.name, float(times[0]), float(times[-1]) + 1 / about.fps)
    clips = sorted(spans)
    true = [(a, b) for i, a in enumerate(clips) for b in clips[:i] if _same(spans[a], spans[b])]
    sets: dict[str, list[str]] = {}
    for one in found:
        for clip, original in one.copies.items():
            sets.setdefault(original, []).append(clip)
    return score.same_sets(sets.values(), true)


def _same(a: tuple[str, str, float, float], b: tuple[str, str, float, float]) -> bool:
    if a[0] != b[0] or a[1] == b[1]:
        return False
    both = min(a[3], b[3]) - max(a[2], b[2])
    return both >= 1.0 and both >= 0.5 * min(a[3] - a[2], b[3] - b[2])
