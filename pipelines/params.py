"""`params.yaml`: one section per stage, read into that stage's frozen dataclass."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from pipelines.errors import UsageError

T = TypeVar("T")
PARAMS_FILE = Path(__file__).resolve().parent.parent / "params.yaml"


class Params:
    """The sections of a params file. Raises: UsageError for a file or value that is not usable, naming it."""

    def __init__(self, path: Path = PARAMS_FILE) -> None:
        self._path = path
        self._sections: dict[str, Any] = {}
        # An installed package has no project around it, and so all defaults.
        if path == PARAMS_FILE and not path.exists():
            return
        try:
            loaded = yaml.safe_load(path.read_text("utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise UsageError(
                f"{path}: cannot be read as YAML ({error}); correct it or give another --params"
            ) from error
        if not isinstance(loaded, dict):
            raise UsageError(f"{path}: must hold one section per stage; see the params.yaml of the project")
        self._sections = loaded

    def section(self, name: str, kind: type[T]) -> T:
        """The config of a stage; a section that is left out means all defaults."""
        try:
            return TypeAdapter(_strict(kind)).validate_python(self._sections.get(name) or {})
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join([name, *map(str, first["loc"])])
            raise UsageError(f"{self._path}: {where}: {first['msg'].lower()}; correct it") from error


def _strict(kind: type[T]) -> type[T]:
    """Let pydantic refuse unknown keys of a plain dataclass."""
    kind.__pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[attr-defined]
    return kind
