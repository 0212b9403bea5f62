"""A TFLite network on the CPU, through LiteRT."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.silence import native_stderr_silenced


class TfliteNetwork:
    """model: a `.tflite` file, or its bytes. outputs: in the order in which `run` shall give them. threads: of the
    processor that it uses; its numbers are the same with any."""

    def __init__(self, model: Path | bytes, outputs: tuple[str, ...], threads: int = 1) -> None:
        from ai_edge_litert.interpreter import Interpreter

        source = {"model_content": model} if isinstance(model, bytes) else {"model_path": str(model)}
        with native_stderr_silenced():  # it reports how it computes
            self._network = Interpreter(**source, num_threads=threads)
            self._network.allocate_tensors()
        (self._input,) = (tensor["index"] for tensor in self._network.get_input_details())
        indices = {tensor["name"]: tensor["index"] for tensor in self._network.get_output_details()}
        self._outputs = [indices[name] for name in outputs]

    def run(self, pixels: NDArray[Any]) -> list[NDArray[np.float32]]:
        """pixels: (h, w, 3) in the range that the network wants."""
        self._network.set_tensor(self._input, np.ascontiguousarray(pixels[None], np.float32))
        self._network.invoke()
        return [self._network.get_tensor(index) for index in self._outputs]
