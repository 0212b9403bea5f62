"""Progress people can follow: a bar on a terminal, one line per item elsewhere (logs, CI)."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pipelines.errors import one_line

Advance = Callable[[str, str | None], None]
_EVERY_S = 10.0  # between two lines about one long work
PULSE_S = 30.0  # between two lines about work that takes hours


@dataclass(frozen=True)
class Progress:
    """name: the stage that people see. quiet: print nothing (`--json`, tests)."""

    name: str
    quiet: bool = False

    def say(self, message: str) -> None:
        if not self.quiet:
            print(f"{self.name:<12} {one_line(message)}", file=sys.stderr, flush=True)

    @contextmanager
    def bar(self, total: int) -> Iterator[Advance]:
        """Give a function to call after each item with its label and, where it failed, the reason."""
        if self.quiet or total == 0:
            yield lambda _label, _error: None
            return
        if sys.stderr.isatty():
            from tqdm import tqdm

            with tqdm(total=total, desc=f"{self.name:<12}", unit="item", dynamic_ncols=True) as bar:

                def advance(label: str, error: str | None) -> None:
                    bar.update()
                    bar.set_postfix_str(one_line(label[-30:]))
                    if error:
                        bar.write(f"{self.name:<12} {one_line(f'{label}: {error}')}", file=sys.stderr)

                yield advance
            return
        done, started = 0, time.monotonic()

        def print_line(label: str, error: str | None) -> None:
            nonlocal done
            done += 1
            outcome = f"failed: {error}" if error else f"{time.monotonic() - started:.1f} s"
            self.say(f"{done}/{total} {label}: {outcome}")

        yield print_line

    @contextmanager
    def amount(self, what: str, total: float, unit: str) -> Iterator[Callable[[float], None]]:
        """Give a function that is told how much of one long work is done; what is done at first counts as old.

        On a terminal a bar, elsewhere a line every ten seconds; both tell how much time is left.
        """
        if self.quiet:
            yield lambda _: None
            return
        if sys.stderr.isatty():
            from tqdm import tqdm

            form = "{l_bar}{bar}| {n:.0f}/{total:.0f} {unit} [{elapsed}, {remaining} left]"
            with tqdm(total=total, desc=f"{self.name:<12} {what}", unit=unit, bar_format=form) as bar:

                def move(done: float) -> None:
                    if not bar.n:
                        bar.initial = done
                    bar.update(done - bar.n)

                yield move
            return
        started = told = time.monotonic()
        first: float | None = None

        def print_line(done: float) -> None:
            nonlocal told, first
            now = time.monotonic()
            first = done if first is None else first
            if now - told >= _EVERY_S and done > first:
                told = now
                left = (now - started) * (total - done) / (done - first)
                self.say(f"{what}: {done:.0f} of {total:.0f} {unit}, about {spoken(left)} left")

        yield print_line


class Pulse:
    """Says every half minute where work of hours is, for logs, in which nobody sees a bar.

    say: gets the sentence. total: of the steps, `done` of which are done before it begins.
    """

    def __init__(self, say: Callable[[str], None], total: int, done: int) -> None:
        self._say, self._total = say, total
        self._told, self._done = time.monotonic(), done

    def beat(self, done: int, about: str) -> None:
        """To be called after each step. about: what is said of this one."""
        now = time.monotonic()
        if now - self._told < PULSE_S:
            return
        rate = (done - self._done) / (now - self._told)
        left = spoken((self._total - done) / rate)
        self._say(f"step {done} of {self._total}, {about}, {rate:.3g} steps per second, about {left} left")
        self._told, self._done = now, done


def spoken(seconds: float) -> str:
    """A time to wait: 40 s, 12 min, 3 h 20 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
