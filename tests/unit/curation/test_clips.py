"""A clip is cut up where faults come and go: every frame of the source lies in one piece, with what was seen there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import keypoints as kp
from pipelines.curation.clips import Candidate, ClipsConfig, Followed, _pieces
from pipelines.curation.cut import Window, nearest_frames
from pipelines.curation.interference import Interference
from pipelines.curation.quality.meter import Look, Measured, Subject
from pipelines.curation.quality.scores import Thresholds
from pipelines.curation.spans import Span
from pipelines.curation.tracks import Track

SIZE = (640, 360)
CONFIG = ClipsConfig(fps=16.0, thresholds=Thresholds(min_sharpness=65.0))


def candidate_of(count: int, fps: float, before: int) -> Candidate:
    """A span of `count` frames that begins `before` frames into its track; a point moves by 1 pixel a frame."""
    total = before + count + 3
    keypoints = np.ones((total, kp.COUNT, 3), np.float32)
    keypoints[..., :2] = 100 + np.arange(total)[:, None, None]
    boxes = np.tile([100.0, 50, 300, 350], (total, 1))
    track = Track(np.arange(total) / fps, boxes, keypoints, np.ones((total, 4), np.bool_))
    calm = Interference(np.zeros(total), np.zeros(total))
    followed = Followed({"width": SIZE[0], "height": SIZE[1]}, {"fps": fps}, track, calm)
    span = Span(before, before + count, None)
    inside = slice(span.first, span.after)
    times = track.times[inside]
    looked_at = list(dict.fromkeys(nearest_frames(times, min(fps, CONFIG.fps))))
    window = Window(times, np.zeros((count, 2), np.int64), 300, looked_at)
    subject = Subject.of(window, keypoints[inside], boxes[inside], fps, SIZE)
    return Candidate(followed, span, subject, min(fps, CONFIG.fps))


def measured_of(candidate: Candidate, faulty: list[tuple[int, int]]) -> Measured:
    """Sharp but in these stretches of the clip's frames, looked at in the first frame of the window."""
    chosen = candidate.subject.window.chosen
    sharpness = np.full(len(chosen), 400.0)
    for first, after in faulty:
        sharpness[first:after] = 10.0
    look = Look(0, None, None, (0.5, 0.0), 1.0, None, np.zeros(4, np.int64), np.zeros((12, 16), np.bool_))
    steps = [np.eye(2, 3)] * (len(set(chosen)) - 1)
    return Measured(SIZE, candidate.subject, [look], steps, sharpness, np.zeros(len(chosen) - 1, np.bool_))


@given(
    st.integers(1, 75),
    st.sampled_from([5.0, 10.0, 15.0, 16.0, 25.0, 60.0]),
    st.integers(0, 9),
    st.lists(st.tuples(st.integers(0, 80), st.integers(1, 30)), max_size=2),
)
def test_every_frame_lies_in_one_piece(count: int, fps: float, before: int, faulty: list[tuple[int, int]]) -> None:
    candidate = candidate_of(count, fps, before)
    chosen = candidate.subject.window.chosen
    measured = measured_of(candidate, [(first, first + length) for first, length in faulty])
    frames = [np.full((1, 1, 3), index, np.uint8) for index in range(len(chosen))]
    pieces = list(_pieces(CONFIG, candidate, measured, frames))
    spans = [piece.span for piece, _, _ in pieces]
    assert [index for span in spans for index in range(span.first, span.after)] == list(range(before, before + count))
    assert {int(frame[0, 0, 0]) for _, _, shown in pieces for frame in shown} == set(range(len(chosen)))
    for piece, scores, shown in pieces:
        window = piece.subject.window
        if scores.seconds >= 1:
            assert piece.fps == pytest.approx(min(fps, CONFIG.fps), rel=0.05), "content keeps its own rate"
        assert len(window.chosen) == len(shown)
        assert [window.times[index] for index in window.chosen] == [
            candidate.subject.window.times[chosen[int(frame[0, 0, 0])]] for frame in shown
        ]
        assert round(scores.seconds * fps, 6) == len(window.times) == piece.span.after - piece.span.first


def test_what_is_left_of_a_clip_is_judged_for_itself() -> None:
    candidate = candidate_of(80, 16.0, 0)
    measured = measured_of(candidate, [(30, 50), (60, 80)])
    frames = [np.zeros((1, 1, 3), np.uint8)] * 80
    found = [
        (piece.span.first, piece.span.after, piece.span.reason)
        for piece, _, _ in _pieces(CONFIG, candidate, measured, frames)
    ]
    assert [(first, after) for first, after, _ in found] == [(0, 30), (30, 50), (50, 60), (60, 80)]
    assert [(reason or "kept").partition(":")[0] for _, _, reason in found] == [
        "kept",
        "blurred",
        "too_short",
        "blurred",
    ]
