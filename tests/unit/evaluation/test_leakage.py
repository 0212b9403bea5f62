import numpy as np
import pytest
from numpy.typing import NDArray

from pipelines.evaluation.leakage import Leakage, leakage

GROUPS, PEOPLE, FRAMES, WIDTH = 6, 3, 3, 16


def ids() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """People (of their own in each group), frames and groups of all tokens."""
    group, person, frame = (axis.ravel() for axis in np.indices((GROUPS, PEOPLE, FRAMES)).astype(np.int64))
    return group * PEOPLE + person, frame, group


def tokens(of_person: float, of_pose: float, seed: int = 0) -> NDArray[np.float32]:
    """Sums of a direction per person, one per pose, and noise."""
    random = np.random.default_rng(seed)
    people, frames, groups = ids()
    persons = random.normal(size=(GROUPS * PEOPLE, WIDTH))[people]
    poses = random.normal(size=(GROUPS * FRAMES, WIDTH))[groups * FRAMES + frames]
    noise = random.normal(size=(len(people), WIDTH))
    return (of_person * persons + of_pose * poses + 0.3 * noise).astype(np.float32)


def measured(made: NDArray[np.float32], within_group: bool = True) -> Leakage:
    people, frames, groups = ids()
    return leakage(made, people, frames, groups, within_group)


def test_tokens_of_people_leak_and_tokens_of_poses_do_not() -> None:
    leaking, clean = measured(tokens(1, 0)), measured(tokens(0, 1))
    assert leaking.person > 0.9
    assert leaking.pose < 0.1
    assert clean.pose > 0.9
    assert clean.person < 0.1


def test_noise_is_near_chance() -> None:
    noise = [measured(tokens(0, 0, seed)) for seed in range(20)]
    assert noise[0].person_chance == pytest.approx(2 / 8)
    assert noise[0].pose_chance == pytest.approx(2 / 8)
    assert np.mean([one.person for one in noise]) == pytest.approx(0.25, abs=0.04)


def test_among_all_the_chance_is_of_the_whole_pool() -> None:
    whole = measured(tokens(0, 1), within_group=False)
    assert whole.person_chance == pytest.approx(2 / (GROUPS * PEOPLE * FRAMES - 1))
    assert whole.pose > 0.8
    assert whole.tokens == GROUPS * PEOPLE * FRAMES


def test_lengths_do_not_count() -> None:
    made = tokens(1, 1)
    scale = np.random.default_rng(1).uniform(0.1, 10, (len(made), 1)).astype(np.float32)
    assert measured(made * scale) == measured(made)


def test_a_token_alone_in_its_group_has_no_neighbour() -> None:
    alone = np.arange(3)
    with pytest.raises(ValueError, match="give two of a group at least"):
        leakage(np.eye(3, dtype=np.float32), alone, alone, alone)
