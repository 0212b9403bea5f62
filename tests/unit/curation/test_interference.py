"""A passer-by is no harm; who covers the person, or stands by them as large as they are, is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import keypoints as kp
from pipelines.curation.interference import InterferenceConfig, interference
from pipelines.curation.tracks import Track

FRAMES = 20
MARGIN = 0.1


def standing_at(x: float, frames: slice = slice(0, FRAMES), height: float = 100.0, width: float = 40.0) -> Track:
    """Somebody whose landmarks fill their box (width x height, feet at y = 100)."""
    times = np.arange(FRAMES)[frames] / 16
    box = np.array([x - width / 2, 100 - height, x + width / 2, 100])
    grid = np.random.default_rng(0).uniform(box[:2], box[2:], (kp.COUNT, 2))
    grid[:4] = box[[0, 1]], box[[2, 1]], box[[2, 3]], box[[0, 3]]
    points = np.concatenate([grid, np.ones((kp.COUNT, 1))], axis=1).astype(np.float32)
    shape = (len(times), 1, 1)
    return Track(times, np.tile(box, shape[:2]), np.tile(points, shape), np.ones((len(times), 4), np.bool_))


def spoilt(person: Track, *others: Track) -> list[int]:
    return np.flatnonzero(interference(person, others, MARGIN).exceeds(InterferenceConfig())).tolist()


def test_a_passer_by_at_the_edge_is_no_harm() -> None:
    # The square reaches 60 px to either side; 10 px of the other's 40 are in it.
    assert spoilt(standing_at(200), standing_at(270)) == []
    assert interference(standing_at(200), [standing_at(270)], MARGIN).intrusion == pytest.approx(10 * 100 / 120**2)


def test_somebody_small_in_the_background_is_no_harm() -> None:
    assert spoilt(standing_at(200), standing_at(240, height=40, width=16)) == []


def test_somebody_as_prominent_is() -> None:
    assert spoilt(standing_at(200), standing_at(240)) == list(range(FRAMES))
    assert interference(standing_at(200), [standing_at(241)], MARGIN).overlap.max() == 0


def test_who_covers_the_person_counts_only_while_they_do() -> None:
    crossing = standing_at(210, slice(5, 9), height=60, width=20)
    assert spoilt(standing_at(200), standing_at(500), crossing) == [5, 6, 7, 8]
    scores = interference(standing_at(200), [crossing], MARGIN)
    # A quarter to a third of the person's box, in which the landmarks are spread evenly.
    assert scores.overlap[5:9] == pytest.approx(20 * 60 / (40 * 100), abs=0.1)
    assert scores.overlap[:5].max() == scores.overlap[9:].max() == 0


def test_somebody_whose_track_was_lost_is_still_there() -> None:
    assert spoilt(standing_at(200), standing_at(240, slice(0, 17))) == list(range(FRAMES))
    assert spoilt(standing_at(200), standing_at(240, slice(0, 10))) == list(range(10))


def test_empty_space_of_a_box_covers_nobody() -> None:
    """Arms held out wide make a box wide, but do not cover who stands beside the legs."""
    wide = standing_at(240, width=120)
    arms, feet = ([180, 10, 1], [300, 10, 1]), ([238, 100, 1], [242, 100, 1])
    wide.keypoints[:, kp.BODY_SLICE] = 0
    wide.keypoints[:, :4] = np.array([*arms, *feet], np.float32)
    child = standing_at(190, height=40, width=20)
    assert interference(child, [wide], MARGIN).overlap.max() == 0
    wide.keypoints[..., 2] = 0
    assert interference(child, [wide], MARGIN).overlap.min() == pytest.approx(1.0)


def test_unseen_landmarks_of_the_person_are_not_covered() -> None:
    person = standing_at(200)
    person.keypoints[..., 2] = 0
    assert interference(person, [standing_at(200)], MARGIN).overlap.max() == 0


@given(st.lists(st.tuples(st.floats(100, 300), st.floats(10, 200), st.floats(5, 200)), max_size=4))
def test_scores_are_shares_and_grow_with_company(people: list[tuple[float, float, float]]) -> None:
    others = [standing_at(x, height=height, width=width) for x, height, width in people]
    before = np.zeros((2, FRAMES))
    for count in range(len(others) + 1):
        found = interference(standing_at(200), others[:count], MARGIN)
        now = np.stack([found.overlap, found.intrusion])
        assert (now >= before - 1e-9).all()
        assert (now <= 1).all()
        before = now


def test_the_worst_frame_is_told() -> None:
    scores = interference(standing_at(200), [standing_at(200, slice(5, 6))], MARGIN)
    assert scores.worst(0, 5) == {"overlap": 0.0, "intrusion": 0.0}
    assert scores.worst(4, 8) == {"overlap": 1.0, "intrusion": pytest.approx(40 * 100 / 120**2, abs=1e-4)}
