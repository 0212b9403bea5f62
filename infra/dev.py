"""`make dev`: Dagster (pages, schedules, sensors) and MLflow over one workspace, on loopback, until Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from dagster import DagsterInstance

from dagster_project.heartbeats import close_lost_runs
from dagster_project.run import dagster_home
from training.tracking import sqlite_uri

HOST = "127.0.0.1"
DAGSTER_PORT = os.environ.get("DAGSTER_PORT", "3000")
MLFLOW_PORT = os.environ.get("MLFLOW_PORT", "5000")


def main() -> int:
    workspace = Path(os.environ.get("UNIMOTION_WORKSPACE", "workspace")).resolve()
    os.environ |= {"UNIMOTION_WORKSPACE": str(workspace), "DAGSTER_HOME": str(dagster_home(workspace))}
    tracking = workspace / "mlflow"
    tracking.mkdir(parents=True, exist_ok=True)
    store, artifacts = sqlite_uri(tracking / "mlflow.db"), (tracking / "artifacts").as_uri()
    commands = {
        "dagster": ["dagster", "dev", "-m", "dagster_project.definitions", "-h", HOST, "-p", DAGSTER_PORT],
        "mlflow": ["mlflow", "server", "--host", HOST, "--port", MLFLOW_PORT],
    }
    commands["mlflow"] += ["--backend-store-uri", store, "--artifacts-destination", artifacts]
    with DagsterInstance.get() as instance:
        for sentence in close_lost_runs(instance):
            print(sentence, flush=True)
    binaries = Path(sys.executable).parent
    processes = [
        # A session of its own, so that the whole tree of a server ends with us.
        subprocess.Popen([binaries / command[0], *command[1:]], start_new_session=True)
        for command in commands.values()
    ]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"Dagster  http://{HOST}:{DAGSTER_PORT}\nMLflow   http://{HOST}:{MLFLOW_PORT}\nCtrl-C ends both.", flush=True)
    try:
        while all(process.poll() is None for process in processes):
            time.sleep(0.5)
        print("one of the servers ended; see its last lines above", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        for process in processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in processes:
            process.wait(timeout=30)


if __name__ == "__main__":
    sys.exit(main())
