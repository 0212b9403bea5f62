"""Dataclasses whose fields are tensors, such dataclasses again, or None: changed and stacked field by field."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import torch
from torch import Tensor

_Tensors = TypeVar("_Tensors")


def tensors(value: object) -> Iterator[Tensor]:
    """All tensors in it."""
    if isinstance(value, Tensor):
        yield value
    elif value is not None:
        for field in fields(value):  # type: ignore[arg-type]
            yield from tensors(getattr(value, field.name))


def each(value: _Tensors, change: Callable[[Tensor], Tensor]) -> _Tensors:
    """The same with every tensor changed."""
    changed: _Tensors = _zipped([value], lambda found: change(found[0]))
    return changed


def stack(values: Sequence[_Tensors]) -> _Tensors:
    """One with a new first axis, from some that have None in the same places."""
    stacked: _Tensors = _zipped(values, torch.stack)
    return stacked


def concatenated(values: Sequence[_Tensors], axis: int) -> _Tensors:
    """One from some, one behind the other along an axis that they all have."""
    whole: _Tensors = _zipped(values, lambda found: torch.cat(found, axis))
    return whole


def _zipped(values: Sequence[Any], change: Callable[[list[Tensor]], Tensor]) -> Any:
    first = values[0]
    if first is None:
        return None
    if isinstance(first, Tensor):
        return change(list(values))
    return type(first)(
        **{field.name: _zipped([getattr(value, field.name) for value in values], change) for field in fields(first)}
    )
