"""Progress people can follow: a bar on a terminal, one line per item elsewhere (logs, CI)."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pipelines.errors import one_line

Advance = Callable[[str, str | None], None]


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
