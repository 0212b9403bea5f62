from dagster import Definitions

from dagster_project.foundry import Foundry

defs = Definitions(resources={"foundry": Foundry()})
