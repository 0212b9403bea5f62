"""A network small enough for tests, and shards of drawn people to feed it."""

import pytest
import torch
from tiny_training import TINY, make_stream
from toy_shards import write_toy_shards

from pipelines.workspace import Workspace
from training.config import Preset
from training.data import Stream


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Read-only for tests."""
    torch.set_num_threads(1)
    workspace = Workspace(str(tmp_path_factory.mktemp("toy")))
    write_toy_shards(workspace)
    return workspace


@pytest.fixture
def tiny() -> Preset:
    return TINY


@pytest.fixture
def stream(shards: Workspace, tiny: Preset) -> Stream:
    return make_stream(shards, tiny)
