"""What is made ahead is the same, in its order; and what goes wrong there is not lost."""

import threading
from collections.abc import Iterator

import pytest

from pipelines.ahead import ahead


def test_items_come_in_their_order() -> None:
    assert list(ahead(iter(range(20)))) == list(range(20))
    assert list(ahead(iter(()))) == []


def test_the_next_item_is_made_while_the_last_one_is_used() -> None:
    begun = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        begun.set()
        yield 2

    made = ahead(items())
    assert next(made) == 1
    assert begun.wait(10)
    assert next(made) == 2


def test_what_goes_wrong_is_told() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    made = ahead(items())
    assert next(made) == 1
    with pytest.raises(ValueError, match="no more"):
        next(made)
