"""The search finds what a plain comparison of all with all finds, each pair once, in whatever portions."""

import numpy as np
import pytest

from pipelines.curation.identities.search import People, alike_clothes, alike_faces


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.curation.identities.search._QUERIES", 5)
    monkeypatch.setattr("pipelines.curation.identities.search._AGAINST", 7)


def somebody(fresh: np.ndarray) -> People:
    rng = np.random.default_rng(0)
    faces = rng.normal(size=(30, 128), scale=0.02) + rng.normal(size=(6, 128)).repeat(5, 0)
    faces[::4] = np.nan
    torsos = np.abs(rng.normal(size=(30, 256), scale=0.2)) + np.abs(rng.normal(size=(5, 256))).repeat(6, 0)
    torsos /= np.linalg.norm(torsos, axis=1, keepdims=True)
    return People(faces.astype(np.float32), torsos.astype(np.float32), fresh)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("fresh", [np.ones(30, bool), np.arange(30) % 3 == 0, np.zeros(30, bool)])
def test_all_new_pairs_are_found_once(fresh: np.ndarray) -> None:
    people = somebody(fresh)
    every = [(a, b) for a in range(30) for b in range(a + 1, 30) if fresh[a] or fresh[b]]
    apart = {(a, b): np.linalg.norm(people.faces[a] - people.faces[b]) for a, b in every}
    found = list(alike_faces(people, 1.0))
    pairs = [tuple(pair) for some, _ in found for pair in some.tolist()]
    assert sorted(pairs) == [pair for pair in every if apart[pair] <= 1.0]
    gaps = np.concatenate([some for _, some in found] or [[]])
    assert gaps == pytest.approx([apart[pair] for pair in pairs], rel=1e-5)
    dressed = [tuple(pair) for some in alike_clothes(people, 0.95) for pair in some.tolist()]
    faceless = np.isnan(people.faces[:, 0])
    wanted = [(a, b) for a, b in every if (faceless[a] or faceless[b]) and people.torsos[a] @ people.torsos[b] >= 0.95]
    assert sorted(dressed) == wanted
    assert bool(wanted) == fresh.any()
