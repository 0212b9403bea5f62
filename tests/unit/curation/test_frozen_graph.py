"""Graphs are cut to what leads to the outputs; anything that is no graph is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.curation.frozen_graph import cut_graph, keep_centres


def varint(value: int) -> bytes:
    return bytes([value & 127 | 128]) + varint(value >> 7) if value > 127 else bytes([value])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def node(name: str, op: str, *inputs: str, weights: int = 0) -> bytes:
    parts = field(1, name.encode()) + field(2, op.encode())
    parts += b"".join(field(3, i.encode()) for i in inputs)
    return field(1, parts + field(5, bytes(weights)))


# The version message (field 4) of a GraphDef has no place in the cut.
GRAPH = b"".join(
    [
        node("image", "Placeholder"),
        node("loop", "While", "image"),
        node("start", "Identity", "loop"),
        node("weights", "Const", weights=300),
        node("conv", "Conv2D", "start", "weights:0", "^loop_control"),
        node("loop_control", "NoOp"),
        node("boxes", "BiasAdd", "conv"),
        node("nms", "NonMaxSuppression", "boxes"),
        field(4, b"\x08\x16"),
    ]
)


def test_only_the_way_to_the_outputs_is_kept() -> None:
    cut = cut_graph(GRAPH, "start", ["boxes"])
    assert node("weights", "Const", weights=300) in cut
    assert node("conv", "Conv2D", "start", "weights:0", "^loop_control") in cut
    assert b"Placeholder" in cut
    assert b"While" not in cut
    assert b"NonMaxSuppression" not in cut
    assert cut_graph(cut, "start", ["boxes"]) == cut


def test_a_missing_node_is_named() -> None:
    with pytest.raises(ValueError, match="no node scores"):
        cut_graph(GRAPH, "start", ["scores"])


def constant(name: str, numbers: np.ndarray) -> bytes:
    value = field(8, b"\x08\x01" + field(4, numbers.tobytes()))
    return field(1, field(1, name.encode()) + field(2, b"Const") + field(5, field(1, b"value") + field(2, value)))


def test_only_the_centres_of_the_named_kernels_are_kept() -> None:
    kernel = np.arange(1, 46, dtype=np.float32).reshape(3, 3, 5)
    centre = np.zeros_like(kernel)
    centre[1, 1] = kernel[1, 1]
    other = constant("other", kernel)
    assert keep_centres(constant("one", kernel) + other, ["one"]) == constant("one", centre) + other
    with pytest.raises(ValueError, match="no 3x3 kernel two"):
        keep_centres(other, ["two"])


@given(st.binary(max_size=200))
def test_rubbish_is_refused(rubbish: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        cut_graph(rubbish, "start", ["boxes"])


@given(st.integers(1, len(GRAPH) - 40))
def test_a_cut_off_graph_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match=r".+"):
        cut_graph(GRAPH[:length], "start", ["nms"])
