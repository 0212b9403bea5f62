"""What processor, memory, disk, network and GPU of this machine do, measured now and then in a thread."""

import threading
import time
from collections.abc import Mapping
from typing import Any

_EVERY_S, _SAMPLES = 10.0, 3  # a number is the mean of so many samples


class Machine:
    """Measures from its making until `stop`."""

    def __init__(self) -> None:
        self._monitors = _monitors()
        self._measured: list[tuple[int, Mapping[str, float]]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._measure, name="machine", daemon=True)
        self._thread.start()

    def take(self) -> list[tuple[int, Mapping[str, float]]]:
        """Milliseconds since 1970 and numbers by name, of what came since this was called before."""
        taken, self._measured = self._measured, []
        return taken

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _measure(self) -> None:
        while True:
            for _ in range(_SAMPLES):
                for monitor in self._monitors:
                    monitor.collect_metrics()
                if self._ended.wait(_EVERY_S):
                    return
            found: dict[str, float] = {}
            for monitor in self._monitors:
                found |= {f"system/{name}": value for name, value in monitor.aggregate_metrics().items()}
                monitor.clear_metrics()
            self._measured.append((time.time_ns() // 1_000_000, found))


def _monitors() -> list[Any]:
    """MLflow's, under whose names its pages look for the numbers; the thread that it has for them asks the server."""
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
    from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

    found = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
    try:
        found.append(GPUMonitor())
    except Exception:
        # Without a GPU, its driver or its library it says so in errors of many kinds.
        return found
    return found
