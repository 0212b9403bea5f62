"""Whoever was gathered once is not looked up again, and whoever left is not kept."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipelines.curation.identities.gathered import Gathered, gathered
from pipelines.workspace import Workspace

PATH = "identities/people.npz"


def values(names: list[str]) -> Gathered:
    faces = np.array([np.full(128, np.nan if name < "2" else float(name)) for name in names], np.float32)
    torsos = np.array([np.full(256, float(name)) for name in names], np.float32)
    return faces.reshape(-1, 128), torsos.reshape(-1, 256)


@given(st.lists(st.sets(st.integers(0, 9).map(str)).map(sorted), min_size=1, max_size=5))
def test_each_is_looked_up_when_new_alone(tmp_path_factory: pytest.TempPathFactory, batches: list[list[str]]) -> None:
    workspace = Workspace(str(tmp_path_factory.mktemp("gathered")))
    before: list[str] = []
    for names in batches:
        asked: list[str] = []

        def look_up(new: NDArray[np.int64], names: list[str] = names, asked: list[str] = asked) -> Gathered:
            asked += [names[index] for index in new]
            return values(asked)

        found = gathered(workspace, PATH, names, look_up)
        assert asked == [name for name in names if name not in before]
        for ours, true in zip(found, values(names), strict=True):
            assert np.array_equal(ours, true, equal_nan=True)
        before = names
    with np.load(Path(workspace.local(PATH)), allow_pickle=False) as file:
        assert [name.decode() for name in file["names"]] == before, "nobody stays who is not there any more"
