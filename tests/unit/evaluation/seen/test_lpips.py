"""LPIPS's weights are read without running anything, and distances are per picture.

That the distances are the authors' is held in tests/integration/test_judges.py.
"""

import os
import pickle
from pathlib import Path

import pytest
import torch
from random_alexnet import alexnet, checkpoint
from safetensors.torch import load
from torch import Tensor

from pipelines.errors import WorkError
from pipelines.evaluation.seen.lpips import Lpips, convert


@pytest.fixture(scope="module")
def alex() -> Lpips:
    return alexnet()


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    return torch.rand(3, 3, 64, 48, generator=torch.Generator().manual_seed(0))


def test_a_kernel_is_turned_to_how_torch_has_it() -> None:
    weights = load(convert(checkpoint(), "AlexNet_0"))
    kernel = pickle.loads(checkpoint())["AlexNet_0"]["Conv_1"]["kernel"]
    assert weights["weight_1"].shape == (192, 64, 5, 5)
    assert float(weights["weight_1"][7, 3, 1, 2]) == kernel[1, 2, 3, 7]
    assert weights["head_4"].shape == (1, 256, 1, 1)


def test_the_same_checkpoint_gives_the_same_bytes() -> None:
    assert convert(checkpoint(), "AlexNet_0") == convert(checkpoint(), "AlexNet_0")


class Harmful:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_pickle_that_runs_something_is_refused(tmp_path: Path) -> None:
    harmful = pickle.dumps({"AlexNet_0": Harmful(tmp_path / "made")})
    with pytest.raises(WorkError, match=r"ask for posix\.mkdir, which is no array"):
        convert(harmful, "AlexNet_0")
    assert not (tmp_path / "made").exists()


def test_a_picture_is_at_no_distance_from_itself(alex: Lpips, pictures: Tensor) -> None:
    assert alex(pictures, pictures).tolist() == [0, 0, 0]


def test_distances_are_symmetric_and_do_not_depend_on_the_batch(alex: Lpips, pictures: Tensor) -> None:
    together = alex(pictures, pictures.flip(0))
    assert together[0] > 0
    assert together[0] == pytest.approx(float(together[2]), rel=1e-5)
    alone = alex(pictures[:1], pictures[2:])
    assert float(alone[0]) == pytest.approx(float(together[0]), rel=1e-5)


def test_nothing_of_it_is_trained(alex: Lpips) -> None:
    assert list(alex.parameters()) == []
    assert not alex.training
