"""What processor, memory, disk, network and GPU of this machine do, measured now and then in a thread."""

import threading
import time
from collections.abc import Mapping

_EVERY_S, _SAMPLES = 10.0, 3  # a number is the mean of so many samples


class Machine:
    """Measures from its making until `stop`."""

    def __init__(self) -> None:
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        # MLflow's own names, by which its pages find them; its own thread would ask the server at each sample.
        self._monitor = SystemMetricsMonitor("", tracking_uri="")
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
                self._monitor.collect_metrics()
                if self._ended.wait(_EVERY_S):
                    return
            found = {f"system/{name}": value for name, value in self._monitor.aggregate_metrics().items()}
            self._measured.append((time.time_ns() // 1_000_000, found))
            for monitor in self._monitor.monitors:
                monitor.clear_metrics()
