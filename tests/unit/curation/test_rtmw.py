"""The real ONNX path, with a network of RTMW's form that answers where the picture is brightest."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from pipelines.curation.networks.region import Region
from pipelines.curation.rtmw import Rtmw
from pipelines.curation.whole_body import COUNT, LEFT_HAND, POSE
from pipelines.errors import UsageError

WIDTH, HEIGHT = 48, 64


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return write_network(tmp_path / "rtmw.onnx", 133)


def write_network(path: Path, points: int) -> Path:
    """For every point: the brightest column and row of the input, in half pixels, with a score of 1 there."""
    nodes, outputs = [], []
    for name, axis, length in (("simcc_x", 2, 2 * WIDTH), ("simcc_y", 3, 2 * HEIGHT)):
        nodes += [
            helper.make_node("ReduceMax", ["input"], [f"{name}_max"], axes=[1, axis], keepdims=0),
            helper.make_node("Hardmax", [f"{name}_max"], [f"{name}_one"], axis=1),
            helper.make_node("Unsqueeze", [f"{name}_one", "last"], [f"{name}_column"]),
            helper.make_node("Concat", [f"{name}_column", f"{name}_nothing"], [f"{name}_pair"], axis=2),
            helper.make_node("Reshape", [f"{name}_pair", f"{name}_shape"], [f"{name}_row"]),
            helper.make_node("Expand", [f"{name}_row", f"{name}_all"], [name]),
        ]
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, points, length]))
    constants = {"last": np.array([2])}
    for name, length in (("simcc_x", WIDTH), ("simcc_y", HEIGHT)):
        constants |= {f"{name}_nothing": np.zeros((1, length, 1), np.float32)}
        constants |= {f"{name}_shape": np.array([1, 1, 2 * length]), f"{name}_all": np.array([1, points, 2 * length])}
    graph = helper.make_graph(
        nodes,
        "rtmw",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, HEIGHT, WIDTH])],
        outputs,
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def spot(x: int, y: int) -> NDArray[np.uint8]:
    frame = np.zeros((240, 320, 3), np.uint8)
    frame[y - 5 : y + 6, x - 5 : x + 6] = 255
    return frame


@pytest.mark.parametrize("box", [(0.0, 0.0, 1.0, 1.0), (0.4, 0.2, 0.8, 0.9), (0.5, 0.5, 1.3, 1.3)])
def test_points_come_back_to_where_they_are_in_the_frame(network: Path, box: tuple[float, ...]) -> None:
    (pose,) = Rtmw(network, 0.3).poses(spot(200, 150), np.array(box, np.float32))
    known = pose.points[pose.points[:, 2] > 0]
    assert len(known) == 17 + 4
    assert known[:, 0] == pytest.approx(200 / 320, abs=0.03)
    assert known[:, 1] == pytest.approx(150 / 240, abs=0.03)


def test_the_whole_body_is_found_from_the_pose(network: Path) -> None:
    frame, model = spot(100, 100), Rtmw(network, 0.3)
    (pose,) = model.poses(frame, np.array([0, 0, 1, 1], np.float32))
    found = model.landmarks(frame, pose.points)
    assert found.shape == (COUNT, 3)
    assert (found[LEFT_HAND, 2] == 1).all()
    assert found[POSE][0, :2] == pytest.approx([100 / 320, 100 / 240], abs=0.03)


def test_somebody_is_followed_where_they_are_expected(network: Path) -> None:
    pose = Rtmw(network, 0.3).follow(spot(200, 150), Region(np.array([190, 140], np.float32), 120.0, 0.2))
    assert pose is not None
    assert pose.points[0, :2] == pytest.approx([200 / 320, 150 / 240], abs=0.03)


def test_points_below_the_least_confidence_are_not_known(network: Path) -> None:
    assert Rtmw(network, 1.5).poses(spot(100, 100), np.array([0, 0, 1, 1], np.float32)) == []


def test_what_is_no_whole_body_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        Rtmw(tmp_path / "absent.onnx", 0.3)
    (tmp_path / "text.onnx").write_text("not a network")
    with pytest.raises(UsageError, match="is no ONNX network"):
        Rtmw(tmp_path / "text.onnx", 0.3)
    with pytest.raises(UsageError, match="not x and y of 133 points"):
        Rtmw(write_network(tmp_path / "body.onnx", 17), 0.3)
