"""`unimotion`: every stage from the command line, a module for each family of commands.

Here, inside functions, is where the floors of the house meet; nothing heavy is imported on the way to `--help`. Exit
codes: 0 done, 1 work failed (in whole or for some files), 2 wrong use.
"""

# Importing a module adds its commands.
from pipelines.cli import data, lineage, machine, model
from pipelines.cli.session import main

__all__ = ["data", "lineage", "machine", "main", "model"]
