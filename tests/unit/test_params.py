"""A params file that cannot be used is named, with the key that is wrong."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from pipelines import params
from pipelines.errors import UsageError
from pipelines.params import Params


@dataclass(frozen=True)
class Config:
    seconds: float = 1.5
    size: int = 128


def test_a_section_overrides_defaults(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("clips: {size: 64}\nshots:\n")
    read = Params(tmp_path / "p.yaml")
    assert read.section("clips", Config) == Config(1.5, 64)
    assert read.section("shots", Config) == read.section("absent", Config) == Config()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("clips: {sise: 64}", r"p\.yaml: clips\.sise: .*; correct it"),
        ("clips: {size: big}", r"p\.yaml: clips\.size: .*integer"),
        ("- a list", "must hold one section per stage"),
        ("a: [", "cannot be read as YAML"),
    ],
)
def test_wrong_params_are_wrong_use(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(UsageError, match=what):
        Params(tmp_path / "p.yaml").section("clips", Config)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read as YAML"):
        Params(tmp_path / "none.yaml")


def test_an_installed_package_has_all_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(params, "PARAMS_FILE", tmp_path / "params.yaml")
    assert Params(tmp_path / "params.yaml").section("clips", Config) == Config()
