"""The one resource: where the workspace is, which params hold, how many processes work."""

import os
from pathlib import Path

from dagster import ConfigurableResource

from pipelines.cores import cores
from pipelines.engine import Engine
from pipelines.params import PARAMS_FILE, Params
from pipelines.stage import Result, Stage, run_stage
from pipelines.workspace import Workspace


class Foundry(ConfigurableResource):  # type: ignore[type-arg]
    """workspace_url: folder or fsspec URL. workers: processes of the data engine. ray_address: of a running cluster."""

    workspace_url: str = os.environ.get("UNIMOTION_WORKSPACE", "workspace")
    params_file: str = os.environ.get("UNIMOTION_PARAMS", str(PARAMS_FILE))
    workers: int = int(os.environ.get("UNIMOTION_WORKERS") or cores())
    ray_address: str = os.environ.get("UNIMOTION_RAY_ADDRESS", "")

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.workspace_url)

    @property
    def params(self) -> Params:
        return Params(Path(self.params_file))

    def bring_up_to_date(self, stage: Stage, batch: str | None) -> Result:
        """Run a stage, or find that there is nothing to do."""
        engine = Engine(self.workers, self.ray_address or None)
        config = self.params.section(stage.name, stage.config)
        return run_stage(stage, self.workspace, config, engine, batch)
