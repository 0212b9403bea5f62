"""Graphs are computed as TensorFlow does; that MoveNet is its authors' is held in tests/integration/test_judges.py."""

import base64
from typing import Any

import numpy as np
import pytest
import torch

from pipelines import keypoints as kp
from pipelines.evaluation.seen.movenet import COUNT, TfjsGraph, second_figures

SIDE = 200


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def node(kind: str, *operands: str, stride: int = 1, padding: str = "SAME", fused: tuple[str, ...] = ()) -> Any:
    steps = {"list": {"s": [coded(step) for step in fused]}}
    strides = {"list": {"i": ["1", str(stride), str(stride), "1"]}}
    attributes = {"strides": strides, "padding": {"s": coded(padding)}, "fused_ops": steps}
    return {"name": "out", "op": kind, "input": operands, "attr": attributes}


def computed(one: Any, values: torch.Tensor, **constants: np.ndarray) -> torch.Tensor:
    about, content = [], b""
    for name, constant in constants.items():
        kind = str(constant.dtype)
        halves = {"quantization": {"dtype": "float16", "original_dtype": "float32"}}
        about.append({"name": name, "shape": list(constant.shape), "dtype": kind})
        about[-1] |= halves if kind == "float32" else {}
        content += constant.astype(np.float16 if kind == "float32" else kind).tobytes()
    model = {"modelTopology": {"node": [one]}, "weightsManifest": [{"weights": about}]}
    (output,) = TfjsGraph(model, content).run({"in": values}, ["out"])
    return output


def test_same_padding_puts_the_odd_pixel_behind() -> None:
    row = torch.tensor([[1.0, 2, 3, 4]] * 4)[None, None]
    kernel = np.zeros((3, 3, 1, 1), np.float32)
    kernel[1, :, 0, 0] = 1, 10, 100
    output = computed(node("_FusedConv2D", "in", "kernel", stride=2), row, kernel=kernel)
    # The first window begins at the picture's edge.
    assert output[0, 0, 0].tolist() == [321, 43]
    output = computed(node("_FusedConv2D", "in", "kernel"), row, kernel=kernel)
    assert output[0, 0, 1].tolist() == [210, 321, 432, 43]


def test_each_channel_has_its_own_kernel_and_what_is_fused_follows() -> None:
    values = torch.tensor([1.0, 5.0])[None, :, None, None]
    kernel = np.array([2, -3], np.float32).reshape(1, 1, 2, 1)
    bias = np.array([0.5, 1], np.float32)
    fused = node("FusedDepthwiseConv2dNative", "in", "kernel", "bias", fused=("BiasAdd", "Relu"))
    output = computed(fused, values, kernel=kernel, bias=bias)
    assert output.flatten().tolist() == [2.5, 0]
    bounded = node("FusedDepthwiseConv2dNative", "in", "kernel", "bias", fused=("BiasAdd", "Relu6"))
    assert computed(bounded, values * 5, kernel=kernel, bias=bias).flatten().tolist() == [6, 0]


def test_what_no_convolutional_network_needs_is_refused() -> None:
    with pytest.raises(ValueError, match="out: Einsum is no node"):
        computed(node("Einsum", "in"), torch.zeros(1))


def points(shift: float = 0.0, score: float = 1.0) -> np.ndarray:
    return np.tile(np.array([0.5 + shift, 0.5, score], np.float32), (COUNT, 1))


TRUTH = np.tile(np.array([0.5, 0.5, 1], np.float32), (1, kp.COUNT, 1))


def test_points_that_are_unsure_count_as_a_quarter_of_the_picture_away() -> None:
    output = points(0.05)
    output[:8, 2] = 0.1
    figures = second_figures([output], [points()], TRUTH, SIDE)
    assert figures["movenet_found"] == pytest.approx(9 / 17)
    assert figures["movenet_px"] == pytest.approx((8 * 50 + 9 * 10) / 17)
    assert second_figures([points(0.4)], [points()], TRUTH, SIDE)["movenet_px"] == pytest.approx(50)


def test_only_points_that_are_found_in_the_true_picture_are_judged() -> None:
    seen = points()
    seen[5:, 2] = 0.1
    truth = TRUTH.copy()
    truth[0, 0, 2] = 0  # hidden
    output = points(0.05)
    output[0, :2] = output[5:, :2] = 0.9
    assert second_figures([output], [seen], truth, SIDE)["movenet_px"] == pytest.approx(10)
    nothing = {"movenet_px": None, "movenet_found": None}
    assert second_figures([output], [points(score=0.1)], truth, SIDE) == nothing
