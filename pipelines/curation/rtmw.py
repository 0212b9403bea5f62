"""RTMW (Jiang et al., 2024) and DWPose (Yang et al., 2023): all 133 points of COCO-WholeBody from one ONNX network.

Both read a person at 288x384 or 192x256 and answer with SimCC (Li et al., 2022): for each point a row of scores along x
and one along y, in half pixels. ONNX Runtime runs them on the GPU where its GPU build is installed.
"""

from pathlib import Path

import numpy as np

from pipelines.curation import tracking
from pipelines.curation.coco import landmarks_of_coco
from pipelines.curation.decode import Frame
from pipelines.curation.networks.pose import Pose
from pipelines.curation.networks.region import Region, box_around
from pipelines.curation.tracking import Box, Points
from pipelines.curation.whole_body import POSE
from pipelines.errors import UsageError

_PADDING = 1.25
_POINTS = 133


class Rtmw:
    """A `WholeBody`. weights: the ONNX file; min_confidence: least score of a point.

    Raises: UsageError where the package is missing or the file is no such network.
    """

    def __init__(self, weights: Path, min_confidence: float) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise UsageError("people.landmarks.backend rtmw: needs `pip install onnxruntime` (or -gpu)") from error
        if not weights.is_file():
            raise UsageError(
                f"{weights}: no such file; set people.landmarks.weights to the ONNX file of RTMW or DWPose"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # processes are our parallelism
        try:
            self._session = onnxruntime.InferenceSession(
                str(weights), options, providers=onnxruntime.get_available_providers()
            )
        except Exception as error:  # its errors share no class of their own
            raise UsageError(f"{weights}: is no ONNX network that can be run ({error}); download it again") from error
        (self._input,) = self._session.get_inputs()
        outputs = [output.shape for output in self._session.get_outputs()]
        height, width = self._input.shape[2:]
        if len(outputs) != 2 or any(shape[1] != _POINTS for shape in outputs) or not isinstance(width, int):
            raise UsageError(
                f"{weights}: gives {outputs}, not x and y of {_POINTS} points; use a whole-body model of RTMW or DWPose"
            )
        self._size, self._min_confidence = (width, height), min_confidence

    def poses(self, frame: Frame, box: Box) -> list[Pose]:
        """The person in a part of the frame: one at most."""
        points = self._look(frame, box)[POSE]
        known = points[points[:, 2] > 0, 2]
        return [Pose(points, float(known.mean()))] if len(known) >= 4 else []

    def follow(self, frame: Frame, region: Region) -> Pose | None:
        """See `PoseModel`: the same as a look at the upright box around the region."""
        return next(iter(self.poses(frame, box_around(region, frame))), None)

    def landmarks(self, frame: Frame, pose: Points, previous: Points | None = None) -> Points:  # noqa: ARG002
        """See `WholeBody`. previous is not needed: the network sees the hands itself."""
        box = tracking.box_of_pose(pose, frame.shape[1] / frame.shape[0])
        return self._look(frame, tracking.FULL_FRAME if box is None else box)

    def _look(self, frame: Frame, box: Box) -> Points:
        from pipelines.curation.top_down import crop_person

        crop = crop_person(frame, box, self._size, _PADDING)
        x, y = (found[0] for found in self._session.run(None, {self._input.name: crop.pixels}))
        points = np.stack([x.argmax(1), y.argmax(1)], axis=1).astype(np.float32) * (self._size[0] / x.shape[1])
        confidence = np.minimum(x.max(1), y.max(1)).clip(0, 1).astype(np.float32)
        confidence[confidence < self._min_confidence] = 0
        return landmarks_of_coco(np.concatenate([crop.placed(points, frame), confidence[:, None]], axis=1))
