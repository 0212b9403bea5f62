"""Curation that finds exactly what is labelled scores full marks, and each kind of error costs its own."""

from collections import Counter
from dataclasses import replace

import numpy as np

from pipelines.curation.tracks import Track
from tests.labelled.compare import NOT_FOUND, PHANTOM, compare, same_recordings
from tests.labelled.footage import joined
from tests.labelled.found import Found, FoundTrack
from tests.labelled.labels import Labels
from tests.labelled.score import Agreement
from tests.unit.labelled.still_footage import FPS, footage

LABELS = Labels.of(joined([footage(2.0), footage(2.0).judged("dark")]), "one", "factor", "one")
LOOKS = 64  # of four seconds


def found(labels: Labels, person: int, first: int, after: int, reason: str | None, name: str = "clip") -> FoundTrack:
    """A track that is where the person is."""
    inside, start, end = slice(first, after), first / FPS, after / FPS
    track = Track(
        np.arange(first, after) / FPS,
        labels.boxes[inside, person].astype(np.float64),
        labels.points[inside, person],
        np.ones((after - first, 4), np.bool_),
    )
    return FoundTrack(track, end, ({"id": name, "start_s": start, "end_s": end, "reason": reason},))


PERFECT = Found((2.0,), (found(LABELS, 0, 0, 20, None, "a"), found(LABELS, 1, 20, 40, "dark: 3 of 9", "b")), {})


def test_what_is_found_as_labelled_is_right() -> None:
    tally = compare(LABELS, PERFECT)
    assert tally.cuts == Agreement(1, 0, 0)
    assert tally.counted == Counter({(1, 1): LOOKS})
    assert tally.body[0] == tally.body[1] > 0
    assert tally.hands[0] == 0 < tally.hands[1]
    assert tally.decisions == Counter({(None, None): LOOKS // 2, ("dark", "dark"): LOOKS // 2})


def test_each_error_costs_its_own() -> None:
    kept = replace(PERFECT, tracks=(PERFECT.tracks[0], found(LABELS, 1, 20, 40, None, "b")))
    assert compare(LABELS, kept).decisions["dark", None] == LOOKS // 2
    assert compare(LABELS, replace(PERFECT, cuts=(2.3,))).cuts == Agreement(0, 1, 1)
    lost = compare(LABELS, replace(PERFECT, tracks=PERFECT.tracks[1:]))
    assert lost.decisions[None, NOT_FOUND] == LOOKS // 2
    assert lost.counted[0, 1] == LOOKS // 2
    assert lost.body[0] == lost.body[1] / 2
    elsewhere = replace(PERFECT.tracks[0].track, boxes=PERFECT.tracks[0].track.boxes + 30)
    stranger = replace(PERFECT, tracks=(*PERFECT.tracks, replace(PERFECT.tracks[0], track=elsewhere)))
    assert compare(LABELS, stranger).decisions[PHANTOM, None] == LOOKS // 2


def test_other_names_of_a_reason_count_as_the_same() -> None:
    labels = Labels.of(footage(2.0).judged("frozen"), "one", "factor", "one")
    named = Found((), (found(labels, 0, 0, 20, "no_motion: 0 of 0.02"),), {})
    assert compare(labels, named).decisions == Counter({("frozen", "frozen"): LOOKS // 2})


def test_copies_are_pairs_of_clips_that_show_the_same_time() -> None:
    labels = [Labels.of(footage(2.0), name, "factor", family) for name, family in (("a", "x"), ("b", "x"), ("c", "y"))]
    clips = [(found(about, 0, 0, 20, None, about.name),) for about in labels]
    told = ({"a": "a"}, {"b": "a"}, {"c": "c"})
    assert same_recordings(labels, [Found((), *both) for both in zip(clips, told, strict=True)]) == Agreement(1, 0, 0)
    wrong = ({"a": "a"}, {"b": "b"}, {"c": "a"})
    assert same_recordings(labels, [Found((), *both) for both in zip(clips, wrong, strict=True)]) == Agreement(0, 1, 1)
    later = replace(labels[1], source=labels[1].source + 1.2)
    assert same_recordings([labels[0], later], [Found((), *b) for b in zip(clips[:2], told, strict=False)]).false == 1
