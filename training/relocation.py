"""MLflow keeps absolute paths to its artifacts: a workspace that was moved or copied takes its own along."""

import sqlite3
from contextlib import closing
from pathlib import Path

# Wherever MLflow keeps a path to artifacts.
_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def artifacts_uri(database: Path) -> str:
    """Where the artifacts lie of what a database of a workspace knows."""
    return (database.parent / "artifacts").absolute().as_uri()


def take_along(database: Path, experiment: str) -> bool:
    """Whether the workspace was elsewhere when it was last used; the database then knows where it is now.

    experiment: whose artifacts lie beside the database. One that keeps them elsewhere is left alone.
    Raises: sqlite3.Error
    """
    now = artifacts_uri(database)
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        found = connection.execute("SELECT artifact_location FROM experiments WHERE name = ?", [experiment]).fetchone()
        before = found[0] if found else now
        if before == now or not (before.startswith("file:") and before.endswith("/mlflow/artifacts")):
            return False
        connection.execute("BEGIN IMMEDIATE")
        for table, column in _COLUMNS:
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) IN (?, ?)",
                [now, len(before) + 1, len(before) + 1, before, f"{before}/"],
            )
        connection.execute("COMMIT")
    return True
