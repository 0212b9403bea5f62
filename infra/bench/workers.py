"""Processes of their own for what must not share one: each does what it is told and answers with the result."""

import faulthandler
import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any


class EndedError(RuntimeError):
    """A process ended before it answered."""


class Worker:
    """A fresh process that holds what `make()` returns and calls it. Use as a context.

    make: a function at the top of a module; what it returns is called with the arguments of `ask` or `start`.
    """

    def __init__(self, make: Callable[[], Callable[..., Any]]) -> None:
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(make, there), daemon=True)
        self._process.start()
        there.close()

    def start(self, *arguments: Any) -> None:
        """Begin a call; `wait` gives its result."""
        self._here.send(arguments)

    def wait(self) -> Any:
        """Raises: EndedError; RuntimeError with the message of what went wrong in the process."""
        try:
            worked, value = self._here.recv()
        except EOFError:
            raise EndedError("a process of the benchmark ended early") from None
        if not worked:
            raise RuntimeError(value)
        return value

    def ask(self, *arguments: Any) -> Any:
        self.start(*arguments)
        return self.wait()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._here.close()
        self._process.join(10)
        if self._process.is_alive():
            self._process.terminate()


def _serve(make: Callable[[], Callable[..., Any]], pipe: Connection) -> None:
    from pipelines.engine import pin_threads

    faulthandler.enable()
    pin_threads()
    call = make()
    while True:
        try:
            arguments = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send((True, call(*arguments)))
        except Exception as error:  # the parent decides
            pipe.send((False, f"{type(error).__name__}: {error}"))
