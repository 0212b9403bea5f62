"""Cut a TensorFlow frozen graph down to the part that OpenCV can run.

Object detection graphs of the TensorFlow API carry their pre- and postprocessing (loops, anchors, non-maximum
suppression) as hundreds of nodes that no other importer understands. A `GraphDef` is a protobuf message with one
`NodeDef` after the other in field 1, so the nodes that lead to given outputs can be kept byte by byte, without
TensorFlow.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

_NODE, _NAME, _OP, _INPUT, _ATTR = 1, 1, 2, 3, 5
_LENGTH_DELIMITED = 2
_VALUE, _TENSOR, _CONTENT = 2, 8, 4  # of an attribute map entry, of an attribute, of a tensor
# An attribute map entry: key "dtype", value {type: DT_FLOAT}.
_FLOAT_DTYPE = b"\x0a\x05dtype\x12\x020\x01"


@dataclass(frozen=True)
class _Node:
    content: bytes
    inputs: tuple[str, ...]


def cut_graph(graph: bytes, inputs: str, outputs: Sequence[str]) -> bytes:
    """The subgraph from node `inputs` (which becomes a float placeholder) to the nodes `outputs`.

    Raises: ValueError where the bytes are no such graph or a node is missing.
    """
    nodes: dict[str, _Node] = {}
    for field, content in _fields(graph):
        if field == _NODE:
            parts = list(_fields(content))
            name = next((value.decode() for key, value in parts if key == _NAME), "")
            nodes[name] = _Node(content, tuple(value.decode() for key, value in parts if key == _INPUT))
    kept, waiting = set(), list(outputs)
    while waiting:
        name = waiting.pop().lstrip("^").split(":")[0]
        if name in kept:
            continue
        if name not in nodes:
            raise ValueError(f"the graph has no node {name}")
        kept.add(name)
        if name != inputs:
            waiting += nodes[name].inputs
    placeholder = _message(_NAME, inputs.encode()) + _message(_OP, b"Placeholder") + _message(_ATTR, _FLOAT_DTYPE)
    return b"".join(
        _message(_NODE, placeholder if name == inputs else node.content) for name, node in nodes.items() if name in kept
    )


def keep_centres(graph: bytes, kernels: Sequence[str]) -> bytes:
    """The graph with these 3x3 depthwise kernels (float constants) at 0 but for their centre.

    That changes nothing where a kernel sees a single pixel, except for OpenCV 5.0, which lets the weights around the
    centre count there, too. Raises: ValueError where there is no such constant.
    """
    nodes: dict[str, bytes] = {}
    for field, content in _fields(graph):
        if field == _NODE:
            nodes[next(value.decode() for key, value in _fields(content) if key == _NAME)] = content
    for name in kernels:
        weights = _tensor_content(nodes.get(name, b""))
        if not weights or len(weights) % 36:
            raise ValueError(f"the graph has no 3x3 kernel {name}")
        kernel = np.frombuffer(weights, "<f4").reshape(3, 3, -1)
        centre = np.zeros_like(kernel)
        centre[1, 1] = kernel[1, 1]
        graph = graph.replace(nodes[name], nodes[name].replace(weights, centre.tobytes()))
    return graph


def _tensor_content(node: bytes) -> bytes:
    """The numbers of a constant, empty where the node is none."""
    found = [node]
    for wanted in (_ATTR, _VALUE, _TENSOR, _CONTENT):
        inner: list[bytes] = []
        for message in found:
            inner += [content for field, content in _fields(message) if field == wanted]
        found = inner
    return found[0] if found else b""


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """(number, content) of the length-delimited fields; the others are skipped."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        kind = key & 7
        if kind == _LENGTH_DELIMITED:
            length, position = _varint(message, position)
            if position + length > len(message):
                raise ValueError("the graph is cut off")
            yield key >> 3, message[position : position + length]
            position += length
        elif kind == 0:
            _, position = _varint(message, position)
        elif kind in (1, 5):
            position += 8 if kind == 1 else 4
        else:
            raise ValueError("is not a graph")


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(message) and shift < 64:
        byte = message[position]
        value |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
        if byte < 128:
            return value, position
    raise ValueError("the graph is cut off")


def _message(field: int, content: bytes) -> bytes:
    length, prefix = len(content), bytearray([field << 3 | _LENGTH_DELIMITED])
    while length > 127:
        prefix.append(length & 127 | 128)
        length >>= 7
    prefix.append(length)
    return bytes(prefix) + content
