"""Checkpoints: a folder per step with safetensors and JSON, whole or not there; resume gives the same bits.

Every writer stores the rows that it holds, in the background, and says so in a file of its own; the first one then
writes the marker. A checkpoint can be read by any number of workers.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pipelines.errors import WorkError
from pipelines.workspace import Workspace, file_sha256
from training.config import Preset
from training.model.animator import Animator, trainable
from training.parallel import first_row, rows_here
from training.step import Learner
from training.tensors import save_tensors

_KINDS = ("weights", "ema", "optimizer")
_MARKER = "complete.json"
_TRIES, _PATIENCE = 3, 600.0
_Result = TypeVar("_Result")


def folder_of(run: str, step: int) -> str:
    return f"{run}/checkpoints/step-{step:08d}"


def complete_steps(workspace: Workspace, run: str) -> list[int]:
    """Steps of the checkpoints that were written to their end, ascending."""
    return [step for step in _steps(workspace, run) if workspace.exists(f"{folder_of(run, step)}/{_MARKER}")]


def best_step(workspace: Workspace, run: str) -> int:
    """The step with the least validation loss; the last one where nothing was validated."""
    steps = complete_steps(workspace, run)
    values = {step: _read(workspace, run, step)["value"] for step in steps}
    known = {step: value for step, value in values.items() if value is not None}
    return min(known, key=lambda step: (known[step], -step)) if known else steps[-1]


def sweep(workspace: Workspace, run: str) -> None:
    """Delete what a killed run left without a marker: a new writer must not find an old one's word for it."""
    for step in set(_steps(workspace, run)) - set(complete_steps(workspace, run)):
        _remove(workspace, run, step)


def _steps(workspace: Workspace, run: str) -> list[int]:
    found = (re.fullmatch(r"step-(\d{8})", name) for name in workspace.children(f"{run}/checkpoints"))
    return [int(match[1]) for match in found if match]


def _remove(workspace: Workspace, run: str, step: int) -> None:
    folder = folder_of(run, step)
    # The marker goes first: what a kill leaves must not look whole.
    workspace.remove(f"{folder}/{_MARKER}")
    for name in workspace.children(folder):
        workspace.remove(f"{folder}/{name}")


def _read(workspace: Workspace, run: str, step: int) -> dict[str, Any]:
    path = workspace.local(f"{folder_of(run, step)}/{_MARKER}")
    try:
        about: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise WorkError(f"{path}: is damaged; delete its folder and train again") from error
    return about


@dataclass
class Saver:
    """Writes checkpoints of one worker in a thread of its own, one at a time.

    writers: how many workers hold rows of their own (1 where each has all: then only rank 0 saves). keep: how many of
    the last ones stay, beside the best.
    """

    workspace: Workspace
    run: str
    rank: int
    writers: int
    keep: int
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    _pending: "Future[None] | None" = None

    def save(self, learner: Learner, value: float | None = None, before: Callable[[], None] = lambda: None) -> None:
        """Copy the learner's state and store it while training goes on.

        value: its validation loss. before: what rank 0 must store before the checkpoint may count.
        Raises: whatever went wrong with the checkpoint before.
        """
        self.wait()
        if self.rank < self.writers:
            self._pending = self._pool.submit(self._write, learner.step, value, _snapshot(learner), before)

    def check(self) -> None:
        """Without waiting. Raises: whatever went wrong so far."""
        if self._pending is not None and self._pending.done():
            self.wait()

    def wait(self) -> None:
        """Until all is stored. Raises: whatever went wrong."""
        if self._pending is not None:
            pending, self._pending = self._pending, None
            pending.result()

    def _write(self, step: int, value: float | None, kinds: dict[str, "_Rows"], before: Callable[[], None]) -> None:
        if not self.rank:
            before()
        folder, files = folder_of(self.run, step), {}
        for kind, rows in kinds.items():
            name = f"{kind}-{self.rank:05d}-of-{self.writers:05d}.safetensors"
            files[name] = {"sha256": _patiently(lambda: self._publish(f"{folder}/{name}", rows)), "first": rows.first}  # noqa: B023
        _patiently(lambda: self._publish_json(f"{folder}/{_word(self.rank, self.writers)}", files))
        if self.rank:
            return
        for other in range(1, self.writers):
            files |= self._word_of(f"{folder}/{_word(other, self.writers)}")
        _patiently(lambda: self._publish_json(f"{folder}/{_MARKER}", {"step": step, "value": value, "files": files}))
        best = best_step(self.workspace, self.run)
        for old in complete_steps(self.workspace, self.run)[: -self.keep]:
            if old != best:
                _remove(self.workspace, self.run, old)

    def _publish(self, relative: str, rows: "_Rows") -> str:
        with self.workspace.publish(relative) as path:
            save_tensors(rows.tensors, path)
            return file_sha256(path)

    def _publish_json(self, relative: str, content: object) -> None:
        with self.workspace.publish(relative) as path:
            path.write_text(json.dumps(content, sort_keys=True))

    def _word_of(self, relative: str) -> dict[str, Any]:
        deadline = time.monotonic() + _PATIENCE
        while not self.workspace.exists(relative):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.workspace.url}/{relative}: another worker did not store its part in time")
            time.sleep(0.02)
        found: dict[str, Any] = json.loads(self.workspace.local(relative).read_text())
        return found


def _word(rank: int, writers: int) -> str:
    return f"rank-{rank:05d}-of-{writers:05d}.json"


def _patiently(work: Callable[[], _Result]) -> _Result:
    """Object stores fail now and then: a few more tries cost less than a run."""
    for wait in range(_TRIES - 1):
        try:
            return work()
        except OSError:
            time.sleep(2.0**wait)
    return work()


@dataclass(frozen=True)
class _Rows:
    """Tensors in this process's memory, and with which row of the whole each begins, where that is not 0."""

    tensors: dict[str, Tensor]
    first: dict[str, int]


def _snapshot(learner: Learner) -> dict[str, _Rows]:
    return {kind: _copied(tensors) for kind, tensors in zip(_KINDS, _state(learner), strict=True)}


def _copied(tensors: dict[str, Tensor]) -> _Rows:
    copies = {name: rows_here(tensor.detach()).to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    return _Rows(copies, {name: start for name, tensor in tensors.items() if (start := first_row(tensor))})


def _state(learner: Learner) -> Iterator[dict[str, Tensor]]:
    """Weights, their running means, and the optimiser's moments as `name:moment`."""
    weights = trainable(learner.animator)
    yield dict(weights)
    yield learner.ema
    state = {name: learner.optimizer.state.get(p, {}) for name, p in weights.items()}
    yield {f"{name}:{moment}": value for name, moments in state.items() for moment, value in moments.items()}


def room(preset: Preset) -> int:
    """Bytes of a checkpoint: for every trained weight itself, its running mean and two moments in fp32."""
    with torch.device("meta"):
        weights = trainable(Animator(preset.model, weights=False))
    return 4 * 4 * sum(weight.numel() for weight in weights.values())


def load(workspace: Workspace, run: str, learner: Learner, step: int) -> None:
    """Put a learner into the state that it had at a checkpoint, whatever number of workers wrote it.

    Raises: WorkError where the checkpoint is damaged or is of another model.
    """
    try:
        weights, ema, moments = (_Stored(workspace, run, step, kind) for kind in _KINDS)
        found = trainable(learner.animator)
        if found.keys() != weights.keys() or found.keys() != ema.keys():
            raise ValueError("it has other weights than the model")
        learner.optimizer.state.clear()
        with torch.no_grad():
            for name, parameter in found.items():
                weights.fill(name, parameter)
                ema.fill(name, learner.ema[name])
            for key in moments.keys():  # noqa: SIM118 (not a dict)
                name, _, moment = key.partition(":")
                # The count of steps is one number, the other moments are like the weight.
                value = torch.zeros(()) if moment == "step" else found[name].detach().clone()
                moments.fill(key, value)
                learner.optimizer.state[found[name]][moment] = value
    except (SafetensorError, ValueError, RuntimeError, KeyError) as error:
        raise WorkError(
            f"{workspace.url}/{folder_of(run, step)}: cannot be used ({error}); delete it and train again"
        ) from error
    learner.step = step


def load_ema(workspace: Workspace, run: str, step: int) -> dict[str, Tensor]:
    """The running means of the weights, by name: what a run is used with."""
    stored = _Stored(workspace, run, step, "ema")
    return {name: stored.whole(name) for name in sorted(stored.keys())}


def last_ema(workspace: Workspace, run: str) -> tuple[int, dict[str, Tensor]]:
    """The step of the last whole checkpoint and its running means, of a run that may go on and delete it meanwhile.

    Raises: IndexError where there is none.
    """
    while True:
        step = complete_steps(workspace, run)[-1]
        try:
            return step, load_ema(workspace, run, step)
        except (OSError, ValueError, WorkError):
            if step in complete_steps(workspace, run):
                raise


class _Stored:
    """One kind of tensors of a checkpoint, read by rows from the files of all its writers.

    Raises: ValueError for a file that is not as it was written.
    """

    def __init__(self, workspace: Workspace, run: str, step: int, kind: str) -> None:
        folder = folder_of(run, step)
        self._parts: dict[str, list[tuple[int, int, Any]]] = {}
        self._shapes: dict[str, list[int]] = {}
        for name, about in sorted(_read(workspace, run, step)["files"].items()):
            if not name.startswith(f"{kind}-"):
                continue
            if not workspace.exists(f"{folder}/{name}"):
                raise ValueError(f"{name} is missing")
            path = workspace.local(f"{folder}/{name}")
            if file_sha256(path) != about["sha256"]:
                raise ValueError(f"{name} has another SHA-256 than the recorded one")
            file: Any = safe_open(path, "pt")
            for key in file.keys():  # noqa: SIM118 (not a dict)
                shape = file.get_slice(key).get_shape()
                start = about["first"].get(key, 0)
                count = shape[0] if shape else 1
                self._parts.setdefault(key, []).append((start, start + count, file))
                self._shapes[key] = [max(start + count, self._shapes.get(key, [0])[0]), *shape[1:]] if shape else []

    def keys(self) -> Any:
        return self._parts.keys()

    def whole(self, key: str) -> Tensor:
        target = torch.empty(self._shapes[key])
        self.fill(key, target)
        return target

    def fill(self, key: str, target: Tensor) -> None:
        """Copy into a tensor the rows that it holds here."""
        if list(target.shape) != self._shapes[key]:
            raise ValueError(f"{key} is {self._shapes[key]}, not {list(target.shape)}")
        here, first = rows_here(target), first_row(target)
        if not self._shapes[key]:
            here.copy_(self._parts[key][0][2].get_tensor(key))
            return
        for start, stop, file in self._parts[key]:
            low, high = max(start, first), min(stop, first + len(here))
            if low < high:
                here[low - first : high - first].copy_(file.get_slice(key)[low - start : high - start])
