"""Likenesses become people, and people and copies tie videos together, whatever their order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.curation.identities.group import MATCH, MOST_IN_DOUBT, doubts_of, groups_of, joined_in_doubt, people_of
from pipelines.curation.identities.stage import IdentitiesConfig

TRACKS = 9
Pair = tuple[int, int]
pairs = st.sets(st.tuples(st.integers(0, TRACKS - 1), st.integers(0, TRACKS - 1)).filter(lambda p: p[0] < p[1]))


def matches_of(faces: dict[Pair, float], bodies: dict[Pair, float] | None = None) -> np.ndarray:
    entries = [(*pair, True, gap) for pair, gap in faces.items()]
    return np.array(entries + [(*pair, False, gap) for pair, gap in (bodies or {}).items()], MATCH)


@given(pairs, pairs, st.sets(st.integers(0, TRACKS - 1)), st.randoms(use_true_random=False))
def test_people_do_not_depend_on_the_order_of_likenesses(faces, bodies, without_face, random) -> None:
    faced = np.array([track not in without_face for track in range(TRACKS)])
    faces = {pair: random.choice([0.1, 0.2, 0.3]) for pair in sorted(faces) if faced[list(pair)].all()}
    bodies = {pair: random.choice([0.01, 0.02]) for pair in sorted(bodies) if not faced[list(pair)].all()}
    matches = matches_of(faces, bodies)
    person = people_of(TRACKS, matches, faced)
    assert (person[person] == person).all(), "everybody is called after a member of their own set"
    assert (person <= np.arange(TRACKS)).all()
    order = list(range(len(matches)))
    random.shuffle(order)
    assert (people_of(TRACKS, matches[order], faced) == person).all()


@given(pairs, pairs, st.sets(st.integers(0, TRACKS - 1)))
def test_bodies_never_join_two_people_who_have_faces(faces, bodies, without_face) -> None:
    faced = np.array([track not in without_face for track in range(TRACKS)])
    faces = {pair: 0.1 for pair in faces if faced[list(pair)].all()}
    by_face = people_of(TRACKS, matches_of(faces), faced)
    both = people_of(TRACKS, matches_of(faces, dict.fromkeys(bodies, 0.05)), faced)
    for person in set(both.tolist()):
        members = faced & (both == person)
        assert len(set(by_face[members].tolist())) <= 1
    for person in set(by_face.tolist()):
        assert len(set(both[by_face == person].tolist())) == 1


def test_a_chance_likeness_joins_single_tracks_but_not_two_people_known_well() -> None:
    def clique(tracks: range) -> dict[Pair, float]:
        return {(a, b): 0.2 for a in tracks for b in tracks if a < b}

    known = {**clique(range(3)), **clique(range(3, 6)), (2, 3): 0.4}
    faced = np.ones(7, np.bool_)
    assert people_of(7, matches_of(known), faced).tolist() == [0, 0, 0, 3, 3, 3, 6]
    assert people_of(2, matches_of({(0, 1): 0.4}), faced[:2]).tolist() == [0, 0]
    half = known | {(a, b): 0.4 for a in (1, 2) for b in (3, 4)} | {(0, 3): 0.4}
    assert people_of(7, matches_of(half), faced).tolist() == [0, 0, 0, 0, 0, 0, 6]


@pytest.mark.parametrize("count", [50, 2000])
def test_a_chain_of_neighbours_does_not_become_one_person(count: int) -> None:
    """Each is like the next one only: what single links would make one giant."""
    chain = {(track, track + 1): 0.3 for track in range(count - 1)}
    person = people_of(count, matches_of(chain), np.ones(count, np.bool_))
    assert np.bincount(person).max() <= 3


links = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=12)


@given(links, links, links)
def test_groups_of_videos_are_what_people_and_copies_tie_and_only_grow(shown, copies, more) -> None:
    def groups(shown: list[Pair], copies: list[Pair]) -> np.ndarray:
        return groups_of(8, *(np.array(list(pairs), np.int64).reshape(-1, 2) for pairs in (shown, copies)))

    found = groups(shown, copies)
    for one, person in shown:
        for other, same in shown:
            assert person != same or found[one] == found[other]
    assert all(found[one] == found[other] for one, other in copies)
    tied = [pair for pair in zip(range(8), found.tolist(), strict=True) if pair[0] != pair[1]]
    assert (groups([], tied) == found).all(), "a group is called after its first video"
    assert (groups(shown[::-1], copies[::-1]) == found).all()
    grown = groups(shown + more, copies)
    assert (grown[found] == grown).all()
    alone = set(range(8)) - {one for one, _ in shown} - {video for pair in copies for video in pair}
    assert all(found[video] == video for video in alone)


def test_a_likeness_in_doubt_keeps_videos_together_and_makes_no_person() -> None:
    """Tracks 0 and 1 are one person for sure; 2 is like both, 3 like one of the three, 4 like nobody."""
    sure, all_ = {(0, 1): 0.2}, {(0, 1): 0.2, (0, 2): 0.4, (1, 2): 0.35, (2, 3): 0.45}
    faced = np.ones(5, np.bool_)
    person, perhaps = (people_of(5, matches_of(faces), faced) for faces in (sure, all_))
    assert person.tolist() == [0, 0, 2, 3, 4]
    doubts = doubts_of(person, perhaps, matches_of(all_))
    assert doubts.tolist() == [[1, 2], [0, 2]], "the nearest first, and no doubt that most of the pairs deny"
    alone = groups_of(5, np.stack([np.arange(5), person], axis=1), np.empty((0, 2), np.int64))
    assert joined_in_doubt(alone, doubts).tolist() == [0, 0, 0, 3, 4]


@given(links, links, st.randoms(use_true_random=False))
def test_doubts_part_nothing_and_tie_what_they_name(copies, doubts, random) -> None:
    nobody = np.empty((0, 2), np.int64)
    before = groups_of(8, nobody, np.array(copies, np.int64).reshape(-1, 2))
    after = joined_in_doubt(before, np.array(doubts, np.int64).reshape(-1, 2))
    assert (after[before] == after).all()
    assert (after[after] == after).all()
    assert all(after[one] == after[other] for one, other in doubts), "eight videos are few enough for all"
    assert (after == groups_of(8, nobody, np.array([*copies, *doubts], np.int64).reshape(-1, 2))).all()
    random.shuffle(doubts)
    assert (joined_in_doubt(before, np.array(doubts, np.int64).reshape(-1, 2)) == after).all()


def test_doubts_never_tie_a_whole_corpus_together() -> None:
    count = 2000
    everybody = np.array([(0, video) for video in range(1, count)] + [(v, v + 1) for v in range(1, count - 1)])
    alone = np.arange(count)
    assert np.bincount(joined_in_doubt(alone, everybody)).max() == MOST_IN_DOUBT
    sure = groups_of(count, np.stack([alone, alone // 100], axis=1), np.empty((0, 2), np.int64))
    assert (joined_in_doubt(sure, everybody) == sure).all(), "what is sure may be larger, and then takes no doubt in"


def test_what_is_sure_has_to_be_within_what_may_be() -> None:
    assert IdentitiesConfig(face=0.3, maybe=0.3).face == 0.3
    with pytest.raises(ValueError, match="a sure likeness is also a doubtful one"):
        IdentitiesConfig(face=0.5, maybe=0.4)
