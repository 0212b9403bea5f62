"""Labels of the displacement: what lies along and across a bone in one picture lies there in the other."""

import numpy as np
import pytest
import torch
from torch import Tensor

from pipelines.keypoints import BODY, COUNT
from training.correspondence import BONES, correspondence

SIZE = 16
ELBOW, WRIST = BODY.index("left_elbow"), BODY.index("left_wrist")


@pytest.fixture
def pose() -> Tensor:
    """(1, 1, 88, 3), all visible."""
    points = torch.rand(1, 1, COUNT, 3, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1
    points[..., 2] = 1
    return points


def cell_of(place: Tensor) -> tuple[int, int]:
    """Row and column."""
    x, y = (place * SIZE).long().tolist()
    return y, x


def test_the_same_pose_moves_nothing(pose: Tensor) -> None:
    found = correspondence(pose, pose[:, 0], SIZE)
    assert found.offsets.abs().max() < 1e-4
    assert (found.confidence == 1).all()


def test_a_shifted_person_is_fetched_from_where_they_are(pose: Tensor) -> None:
    there = pose[:, 0].clone()
    there[..., 0] += 0.05
    found = correspondence(pose, there, SIZE)
    # In half frames.
    assert torch.allclose(found.offsets[0, 0, 0], torch.full((SIZE, SIZE), 0.1), atol=1e-4)
    assert torch.allclose(found.offsets[0, 0, 1], torch.zeros(SIZE, SIZE), atol=1e-4)


def test_a_forearm_is_fetched_along_the_forearm() -> None:
    points = torch.zeros(1, 1, COUNT, 3)
    there = torch.zeros(1, COUNT, 3)
    points[0, 0, ELBOW], points[0, 0, WRIST] = torch.tensor([0.2, 0.2, 1]), torch.tensor([0.8, 0.2, 1])
    # It hangs down, half as long: foreshortened.
    there[0, ELBOW], there[0, WRIST] = torch.tensor([0.5, 0.3, 1]), torch.tensor([0.5, 0.6, 1])
    found = correspondence(points, there, SIZE)
    row, column = cell_of(torch.tensor([0.5, 0.22]))
    x, y = (column + 0.5) / SIZE, (row + 0.5) / SIZE
    source = torch.tensor([x, y]) + found.offsets[0, 0, :, row, column] / 2
    # Across the bone distances stay: what is below a forearm that points right is left of one that hangs.
    assert torch.allclose(source, torch.tensor([0.5 - (y - 0.2), 0.3 + (x - 0.2) / 2]), atol=1e-5)
    assert found.near[0, 0, row, column]
    assert not found.near[0, 0, *cell_of(torch.tensor([0.5, 0.9]))]


def test_what_one_picture_hides_has_no_confidence(pose: Tensor) -> None:
    hidden = pose[:, 0].clone()
    hidden[..., 2] = 0
    assert (correspondence(pose, hidden, SIZE).confidence == 0).all()
    pose[..., 2] = 0
    assert (correspondence(pose, hidden, SIZE).confidence == 0).all()
    assert correspondence(pose, hidden, SIZE).offsets.isfinite().all()


def test_what_lies_beyond_the_reference_image_has_no_confidence(pose: Tensor) -> None:
    away = pose[:, 0].clone()
    away[..., 0] += 2
    assert (correspondence(pose, away, SIZE).confidence == 0).all()


def test_it_is_the_nearest_bone_cell_by_cell(pose: Tensor) -> None:
    generator = torch.Generator().manual_seed(1)
    there = torch.rand(1, COUNT, 3, generator=generator)
    pose[..., 2] = (torch.rand(COUNT, generator=generator) < 0.7).float()
    found = correspondence(pose, there, SIZE)
    here, other = pose[0, 0].double().numpy(), there[0].double().numpy()
    for row in range(SIZE):
        for column in range(SIZE):
            place = (np.array([column, row]) + 0.5) / SIZE
            sources, distances = [], []
            for a, b in BONES:
                bone, turned = (points[b, :2] - points[a, :2] for points in (here, other))
                share = (place - here[a, :2]) @ bone / (bone @ bone)
                across = (place - here[a, :2]) @ np.array([-bone[1], bone[0]]) / np.linalg.norm(bone)
                normal = np.array([-turned[1], turned[0]]) / np.linalg.norm(turned)
                sources.append(other[a, :2] + share * turned + across * normal)
                known = here[a, 2] * here[b, 2] > 0
                distances.append(np.linalg.norm(place - here[a, :2] - np.clip(share, 0, 1) * bone) if known else np.inf)
            # Bones that share the nearest end are equally near.
            nearest = np.flatnonzero(np.array(distances) < min(distances) + 1e-5)
            offset = found.offsets[0, 0, :, row, column].double().numpy()
            assert any(offset == pytest.approx(2 * (sources[k] - place), abs=2e-3) for k in nearest)
