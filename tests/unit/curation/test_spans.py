"""Spans account for every frame, and so do the pieces of one."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines import keypoints as kp
from pipelines.curation.spans import pieces_of, spans_of
from pipelines.curation.tracks import Track


def track_of(body: list[bool], fps: float = 16.0) -> Track:
    count = len(body)
    seen = np.ones((count, 4), np.bool_)
    seen[:, 0] = body
    return Track(np.arange(count) / fps, np.zeros((count, 4)), np.zeros((count, kp.COUNT, 3), np.float32), seen)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=300))
def test_spans_hold_every_frame_once(flags: list[tuple[bool, bool]]) -> None:
    crowded = np.array([crowd for _, crowd in flags], np.bool_)
    spans = spans_of(track_of([body for body, _ in flags]), crowded, 80, 4)
    assert [index for span in spans for index in range(span.first, span.after)] == list(range(len(flags)))
    for span in spans:
        assert crowded[span.first : span.after].all() == (span.reason == "several_people")
        if span.reason is None:
            assert span.after - span.first <= 80


def test_long_spans_are_cut_evenly() -> None:
    spans = spans_of(track_of([True] * 200), np.zeros(200, np.bool_), 80, 4)
    assert [span.after - span.first for span in spans] == [67, 66, 67]


def test_a_lost_person_ends_a_span() -> None:
    seen = [True] * 30 + [False] * 3 + [True] * 30 + [False] * 12 + [True] * 20
    spans = spans_of(track_of(seen), np.zeros(len(seen), np.bool_), 80, 4)
    assert [(s.first, s.after, s.reason) for s in spans] == [
        (0, 63, None),
        (63, 75, "low_visibility: lost"),
        (75, 95, None),
    ]


@given(st.lists(st.sampled_from([None, "blurred", "repeated_frames"]), max_size=60))
def test_pieces_hold_every_frame_once_and_one_fault_each(faults: list[str | None]) -> None:
    pieces = pieces_of(faults)
    assert [index for piece in pieces for index in range(piece.first, piece.after)] == list(range(len(faults)))
    assert all(set(faults[piece.first : piece.after]) == {piece.reason} for piece in pieces)
    assert all(a.reason != b.reason for a, b in pairwise(pieces))
