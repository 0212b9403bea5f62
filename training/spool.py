"""What MLflow is to hear of a run, in files beside the run: `training.replay` tells it, now or once MLflow answers.

`RUN/tracking/TIME-began.json` and `TIME-ended.json` say when the run began and how it ended, as often as it did;
`RUN/history/STEP.parquet` has the numbers of some steps (see `training.history`) and `RUN/tracking/STEP.json` what else
there is to say of them. Each is written whole and never changed. `RUN/tracking/told.json` lists what MLflow has heard.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pipelines.workspace import Workspace

_FOLDER = "tracking"
_BEGAN, _ENDED = "began", "ended"
_TOLD = "told.json"


@dataclass(frozen=True)
class Began:
    """tags, params: of the run in MLflow. shards: digest of its data. at: milliseconds since 1970."""

    name: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    shards: str
    at: int


@dataclass(frozen=True)
class Ended:
    """status: FINISHED, FAILED or KILLED. metrics: of the whole run, logged at `step`."""

    status: str
    step: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Aside:
    """What is said of some steps beside their losses.

    rates: of these steps. picture: path in the workspace, or None. machine: (milliseconds since 1970, numbers) pairs.
    """

    rates: Mapping[str, float] = field(default_factory=dict)
    picture: str | None = None
    machine: Sequence[tuple[int, Mapping[str, float]]] = ()


@dataclass(frozen=True)
class Told:
    """pieces: names of what MLflow's run of that id has heard."""

    run_id: str | None = None
    pieces: frozenset[str] = frozenset()


def begin(workspace: Workspace, run: str, name: str, tags: Mapping[str, str], params: Any, shards: str) -> None:
    """params: nested mappings and sequences."""
    now = time.time_ns() // 1_000_000
    began = Began(name, tags, dict(_flat(params)), shards, now)
    _write(workspace, f"{run}/{_FOLDER}/{now:013d}-{_BEGAN}.json", asdict(began))


def end(workspace: Workspace, run: str, ended: Ended) -> None:
    _write(workspace, f"{run}/{_FOLDER}/{time.time_ns() // 1_000_000:013d}-{_ENDED}.json", asdict(ended))


def set_aside(workspace: Workspace, run: str, first: int, aside: Aside) -> None:
    """Keep what is to be said of the steps from `first` on. Goes ahead of their history, which makes them a piece."""
    _write(workspace, f"{run}/{_FOLDER}/{first:08d}.json", asdict(aside))


def events(workspace: Workspace, run: str) -> dict[str, Began | Ended]:
    """When a run began and how it ended, by name, in order of time."""
    found: dict[str, Began | Ended] = {}
    for name in workspace.children(f"{run}/{_FOLDER}"):
        if name.endswith((f"-{_BEGAN}.json", f"-{_ENDED}.json")):
            kind = Began if name.endswith(f"-{_BEGAN}.json") else Ended
            found[name] = kind(**_read(workspace, f"{run}/{_FOLDER}/{name}"))
    return found


def aside(workspace: Workspace, run: str, part: str) -> Aside:
    """part: name of a file of the history. Runs of earlier releases have nothing more to say."""
    relative = f"{run}/{_FOLDER}/{part.removesuffix('.parquet')}.json"
    return Aside(**_read(workspace, relative)) if workspace.exists(relative) else Aside()


def parts(workspace: Workspace, run: str) -> list[str]:
    """Names of the files of the history, in order of steps."""
    return workspace.children(f"{run}/history")


def is_behind(workspace: Workspace, run: str) -> bool:
    """Whether there is anything that MLflow has not heard."""
    return bool({*events(workspace, run), *parts(workspace, run)} - told(workspace, run).pieces)


def told(workspace: Workspace, run: str) -> Told:
    relative = f"{run}/{_FOLDER}/{_TOLD}"
    if not workspace.exists(relative):
        return Told()
    found = _read(workspace, relative)
    return Told(found["run_id"], frozenset(found["pieces"]))


def set_told(workspace: Workspace, run: str, known: Told) -> None:
    content = {"run_id": known.run_id, "pieces": sorted(known.pieces)}
    _write(workspace, f"{run}/{_FOLDER}/{_TOLD}", content)


def _flat(values: Any, prefix: str = "") -> Any:
    if isinstance(values, Mapping):
        for key, value in values.items():
            yield from _flat(value, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(values, list | tuple):
        for index, value in enumerate(values):
            yield from _flat(value, f"{prefix}.{index}")
    else:
        yield prefix, str(values)[:500]


def _write(workspace: Workspace, relative: str, content: Any) -> None:
    with workspace.publish(relative) as path:
        path.write_text(json.dumps(content))


def _read(workspace: Workspace, relative: str) -> Any:
    return json.loads(workspace.local(relative).read_text())
