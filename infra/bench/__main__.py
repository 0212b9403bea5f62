"""`make bench`, or `make bench ONLY=synthesis`: run suites, print a table, write build/bench.json.

A suite is a module of this package with `run() -> Iterator[Result]`; its results are named `suite.what`. A new one
needs a line in `SUITES`. Speeds are ratios of two things measured in turn in the same run, medians of several rounds.
The exit status is 1 where a goal is missed: run it on a machine that does nothing else. Behind `real` come folders of
labelled photos and clips (docs/curation-quality.md), or none for the labels of the repository.
"""

import importlib
import sys
from pathlib import Path

from infra.bench.results import Result, merge, table

SUITES = ("synthesis", "curation", "shards", "training", "learning", "animate", "scale", "real")
WITH_FOLDERS = "real"
OUT = Path("build/bench.json")


def main(arguments: list[str]) -> int:
    names, folders = _split(arguments)
    unknown = [name for name in names if name not in SUITES]
    if unknown:
        print(f"bench: no suite {unknown[0]!r}; choose from {', '.join(SUITES)}", file=sys.stderr)
        return 2
    chosen = names or list(SUITES)
    absent = [folder for folder in folders if not folder.is_dir()]
    if absent:
        print(f"bench: {absent[0]} is no folder; name one with labelled photos or clips", file=sys.stderr)
        return 2
    results: list[Result] = []
    for name in chosen:
        module = importlib.import_module(f"infra.bench.{name}")
        for result in module.run(folders) if name == WITH_FOLDERS else module.run():
            print(f"{result.name} = {result.value:.4g} {result.unit} ({result.against})", flush=True)
            results.append(result)
    merge(OUT, results, chosen)
    print(f"\n{table(results)}\n\n{OUT}")
    return 1 if any(result.met is False for result in results) else 0


def _split(arguments: list[str]) -> tuple[list[str], list[Path]]:
    """Names of suites, and the folders behind `real`."""
    if WITH_FOLDERS not in arguments:
        return arguments, []
    after = arguments.index(WITH_FOLDERS) + 1
    return arguments[:after], [Path(folder).expanduser() for folder in arguments[after:]]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
