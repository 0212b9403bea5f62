"""`make bench`, or `make bench ONLY=synthesis`: run suites, print a table, write build/bench.json.

A suite is a module of this package with `run() -> Iterator[Result]`; its results are named `suite.what`. A new one
needs a line in `SUITES`. Speeds are ratios of two things measured in turn in the same run, medians of several rounds.
The exit status is 1 where a goal is missed: run it on a machine that does nothing else.
"""

import importlib
import sys
from pathlib import Path

from infra.bench.results import Result, merge, table

SUITES = ("synthesis", "curation", "shards", "training", "learning", "scale")
OUT = Path("build/bench.json")


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in SUITES]
    if unknown:
        print(f"bench: no suite {unknown[0]!r}; choose from {', '.join(SUITES)}", file=sys.stderr)
        return 2
    chosen = names or list(SUITES)
    results: list[Result] = []
    for name in chosen:
        for result in importlib.import_module(f"infra.bench.{name}").run():
            print(f"{result.name} = {result.value:.4g} {result.unit} ({result.against})", flush=True)
            results.append(result)
    merge(OUT, results, chosen)
    print(f"\n{table(results)}\n\n{OUT}")
    return 1 if any(result.met is False for result in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
