"""Which version of the model is in use, and why: moved by the gate, and by people, who have the last word.

What was decided of a version, and the numbers why, are tags of the version in the registry.
"""

from collections.abc import Mapping
from typing import Any

from pipelines.errors import WorkError
from pipelines.workspace import Workspace
from training.connection import client
from training.tracking import CHALLENGER, CHAMPION, MODEL_NAME, aliases, champion, holder, versions

_PREVIOUS = "previous"  # alias of the version that was in use before
_DECISION, _ROLLED_BACK = "unimotion.decision", "unimotion.rolled_back"
_MOST_TAG = 5000  # characters


def promote(workspace: Workspace, version: str, why: str, numbers: Mapping[str, str] | None = None) -> None:
    """Make a version the champion, and the champion that there was the one to roll back to.

    numbers: in words, by name, what was decided by. Raises: WorkError where there is no such version.
    """
    known = [one.number for one in versions(workspace)]
    if version not in known:
        there = f"it has {', '.join(known)}" if known else "it has none yet; `unimotion run` makes the first"
        raise WorkError(f"version {version}: is not in the registry; {there}")
    registry, before = client(workspace), champion(workspace)
    _tag(registry, version, f"champion: {why}", numbers)
    registry.set_model_version_tag(MODEL_NAME, version, _ROLLED_BACK, "false")
    if before == version:
        return
    # In this order: cut off between the two, the command does the same once more.
    if before is not None:
        registry.set_registered_model_alias(MODEL_NAME, _PREVIOUS, before)
    registry.set_registered_model_alias(MODEL_NAME, CHAMPION, version)
    if CHALLENGER in aliases(workspace, version):
        registry.delete_registered_model_alias(MODEL_NAME, CHALLENGER)


def refuse(workspace: Workspace, version: str, why: str, numbers: Mapping[str, str]) -> None:
    """Note that a version does not become the champion; arguments as of `promote`.

    Of one that people have made the champion all the same, what they said stays.
    """
    if champion(workspace) != version:
        _tag(client(workspace), version, f"refused: {why}", numbers)


def roll_back(workspace: Workspace, why: str) -> tuple[str, str]:
    """Make the champion of before the champion again; numbers of the version that goes and of the one that comes.

    The version that goes is never promoted by the gate again, which would judge it as it did before.
    Raises: WorkError where no champion was there before.
    """
    leaving, coming = champion(workspace), holder(workspace, _PREVIOUS)
    # Both are the same where a promotion or a rollback was cut off: it has not happened, or has.
    if leaving is None or coming in (None, leaving):
        raise WorkError("rollback: no champion was replaced; name a version to `unimotion promote`")
    registry = client(workspace)
    registry.set_model_version_tag(MODEL_NAME, leaving, _ROLLED_BACK, "true")
    _tag(registry, leaving, f"rolled back: {why}")
    _tag(registry, coming, f"champion: version {leaving} was rolled back: {why}")
    registry.set_registered_model_alias(MODEL_NAME, CHAMPION, coming)
    registry.delete_registered_model_alias(MODEL_NAME, _PREVIOUS)
    return leaving, coming


def was_rolled_back(workspace: Workspace, version: str) -> bool:
    tags = client(workspace).get_model_version(MODEL_NAME, version).tags
    return bool(tags.get(_ROLLED_BACK) == "true")


def _tag(registry: Any, version: str, decision: str, numbers: Mapping[str, str] | None = None) -> None:
    """registry: MLflow's client."""
    told = {_DECISION: decision} | {f"{_DECISION}.{name}": text for name, text in (numbers or {}).items()}
    for name, text in told.items():
        registry.set_model_version_tag(MODEL_NAME, version, name, text[:_MOST_TAG])
