"""How MLflow is reached: a server, or a SQLite file in the workspace; and what is said where it does not answer."""

import logging
import os
import sqlite3
import urllib.parse
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

from pipelines.errors import WorkError, one_line
from pipelines.workspace import Workspace
from training.relocation import take_along

EXPERIMENT = "x-unimotion"
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# MLflow's own would be minutes. A request that is sent twice makes two runs: who is refused comes again later.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "6")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
# Database migrations are not progress, and what goes wrong is said in one sentence instead of SQL.
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
logging.getLogger("alembic").setLevel(logging.WARNING)
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)

_LOCK_S = 5.0  # how long another program may hold the database
# With these MLflow answers a question: callers know what they mean.
_ANSWERS = frozenset({"RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS", "INVALID_PARAMETER_VALUE"})


class NoAnswerError(WorkError):
    """MLflow cannot be used now. what: the same without advice."""

    def __init__(self, uri: str, reason: str) -> None:
        self.what = f"MLflow at {uri} does not answer ({one_line(reason)})"
        super().__init__(f"{self.what}; see that it runs and that MLFLOW_TRACKING_URI is right, then do the same again")


def tracking_uri(workspace: Workspace) -> str:
    # MLflow itself writes the SQLite file that it was told to use into this variable: only a server there is a setting.
    given = os.environ.get("MLFLOW_TRACKING_URI", "")
    if "://" in given and not given.startswith("sqlite:"):
        return given
    return sqlite_uri(database(workspace))


def sqlite_uri(path: Path) -> str:
    """Of a database file, for SQLAlchemy: it undoes what quotes the name, and takes what follows a ? for settings."""
    return f"sqlite:///{urllib.parse.quote(str(path))}"


def database(workspace: Workspace) -> Path:
    return workspace.local_root / "mlflow" / "mlflow.db"


@contextmanager
def answering(uri: str, answers: Collection[str] = _ANSWERS) -> Iterator[None]:
    """Around whatever asks MLflow. answers: error codes of MLflow that are left to the caller.

    Raises: NoAnswerError for all else that goes wrong with MLflow inside.
    """
    from mlflow import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except MlflowException as error:
        if error.error_code in answers:
            raise
        raise NoAnswerError(uri, _reason(error)) from error
    except (RequestException, SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise NoAnswerError(uri, _reason(error)) from error


def _reason(error: BaseException) -> str:
    """The first line of the error that the others came of: they wrap it in SQL and the addresses of objects."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (said.strip() or type(error).__name__).splitlines()[0][:200]


def client(workspace: Workspace) -> Any:
    """MLflow's client, each of whose methods is inside `answering`. Raises: NoAnswerError"""
    import mlflow
    from mlflow.tracking._tracking_service import utils

    uri = tracking_uri(workspace)
    if uri.startswith("sqlite:"):
        with answering(uri):
            _make_database(database(workspace))
            _wait_for_lock(database(workspace))
            take_along(database(workspace), EXPERIMENT)
    # By id of a run it keeps where the artifacts are: in a copy of a workspace, those of the other one.
    utils._artifact_repos_cache.clear()
    mlflow.set_tracking_uri(uri)
    return _Client(uri, mlflow.MlflowClient(uri))


class _Client:
    def __init__(self, uri: str, wrapped: Any) -> None:
        self._uri, self._wrapped = uri, wrapped

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._wrapped, name)

        @wraps(method)
        def asked(*arguments: Any, **named: Any) -> Any:
            with answering(self._uri):
                return method(*arguments, **named)

        return asked


def _make_database(path: Path) -> None:
    """Create the tables under a temporary name: a kill between them would leave a database that MLflow refuses."""
    import mlflow

    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(".part-*"):
        leftover.unlink()
    partial = path.with_name(f".part-{uuid.uuid4().hex}.db")
    mlflow.MlflowClient(sqlite_uri(partial)).search_experiments()
    partial.replace(path)


def _wait_for_lock(path: Path) -> None:
    """MLflow would wait for 20 s, for each thing that it does. Raises: sqlite3.OperationalError"""
    with closing(sqlite3.connect(path, timeout=_LOCK_S, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            # A database that may only be read can still be.
            if error.sqlite_errorname != "SQLITE_READONLY":
                raise
