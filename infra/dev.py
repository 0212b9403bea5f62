"""`make dev`: Dagster (pages, schedules, sensors) and MLflow over one workspace, on loopback, until Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from dagster import DagsterInstance

from dagster_project.heartbeats import close_lost_runs
from dagster_project.run import dagster_home
from training.connection import EXPERIMENT, sqlite_uri
from training.relocation import take_along

HOST = "127.0.0.1"
DAGSTER_PORT = os.environ.get("DAGSTER_PORT", "3000")
MLFLOW_PORT = os.environ.get("MLFLOW_PORT", "5000")


def main() -> int:
    workspace = Path(os.environ.get("UNIMOTION_WORKSPACE", "workspace")).resolve()
    os.environ |= {"UNIMOTION_WORKSPACE": str(workspace), "DAGSTER_HOME": str(dagster_home(workspace))}
    tracking = workspace / "mlflow"
    tracking.mkdir(parents=True, exist_ok=True)
    if (tracking / "mlflow.db").exists():
        take_along(tracking / "mlflow.db", EXPERIMENT)
    store, artifacts = sqlite_uri(tracking / "mlflow.db"), (tracking / "artifacts").as_uri()
    commands = [
        ["dagster", "dev", "-m", "dagster_project.definitions", "-h", HOST, "-p", DAGSTER_PORT],
        ["mlflow", "server", "--host", HOST, "--port", MLFLOW_PORT, "--backend-store-uri", store],
    ]
    commands[1] += ["--artifacts-destination", artifacts]
    with DagsterInstance.get() as instance:
        for sentence in close_lost_runs(instance):
            print(sentence, flush=True)
    binaries = Path(sys.executable).parent
    paths = [[str(binaries / name), *options] for name, *options in commands]
    # It ends the servers, with all that they started, however we end; in a session of its own, where no Ctrl-C comes.
    guard = [sys.executable, str(Path(__file__).with_name("guard.py")), json.dumps(paths)]
    with subprocess.Popen(guard, stdin=subprocess.PIPE, start_new_session=True) as process:
        for number in (signal.SIGINT, signal.SIGTERM):  # the former is ignored where a script started us with &
            signal.signal(number, signal.default_int_handler)
        print(f"Dagster  http://{HOST}:{DAGSTER_PORT}\nMLflow   http://{HOST}:{MLFLOW_PORT}", flush=True)
        print("Ctrl-C ends both.", flush=True)
        try:
            process.wait()
        except KeyboardInterrupt:
            return 0
    print("one of the servers ended; see its last lines above", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
