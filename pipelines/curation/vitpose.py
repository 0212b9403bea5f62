"""ViTPose (Xu et al., 2022) through transformers: COCO's 17 body points. Hands and face stay with their own models."""

import numpy as np
from numpy.typing import NDArray

from pipelines.curation.coco import pose_of_coco
from pipelines.curation.decode import Frame
from pipelines.curation.networks.pose import Pose
from pipelines.curation.networks.region import Region, box_around
from pipelines.curation.tracking import Box
from pipelines.errors import UsageError

_PADDING = 1.25
_BODY = 17


class VitPose:
    """A `PoseModel`. weights: a folder or a hub id, e.g. usyd-community/vitpose-plus-base.

    min_confidence: least mean score of a pose. Raises: UsageError where there is no such model.
    """

    def __init__(self, weights: str, min_confidence: float) -> None:
        import torch
        from transformers import VitPoseForPoseEstimation

        try:
            network = VitPoseForPoseEstimation.from_pretrained(weights)
        except (OSError, ValueError) as error:
            raise UsageError(
                f"people.landmarks.weights {weights!r}: is no ViTPose model ({error}); give a folder or a hub id"
            ) from error
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._network = network.eval().to(self._device)
        height, width = network.config.backbone_config.image_size
        self._size, self._min_confidence = (width, height), min_confidence
        self._has_experts = network.config.backbone_config.num_experts > 1

    def poses(self, frame: Frame, box: Box) -> list[Pose]:
        """The person in a part of the frame: one at most."""
        import torch

        from pipelines.curation.top_down import crop_person

        crop = crop_person(frame, box, self._size, _PADDING)
        # ViTPose+ has experts for several sets; that of COCO is the first.
        expert = {"dataset_index": torch.zeros(1, dtype=torch.long, device=self._device)} if self._has_experts else {}
        with torch.inference_mode():
            maps = self._network(torch.from_numpy(crop.pixels).to(self._device), **expert).heatmaps[0, :_BODY]
        places, confidence = peaks(maps.float().cpu().numpy(), self._size)
        found = np.concatenate([crop.placed(places, frame), confidence[:, None]], axis=1)
        sure = float(confidence.mean())
        return [Pose(pose_of_coco(found), sure)] if sure >= self._min_confidence else []

    def follow(self, frame: Frame, region: Region) -> Pose | None:
        """See `PoseModel`: the same as a look at the upright box around the region."""
        return next(iter(self.poses(frame, box_around(region, frame))), None)


def peaks(heat: NDArray[np.float32], size: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The highest cell of each map (n, h, w) in pixels of a crop of (width, height), (n, 2), and its value, (n,).

    It is moved a quarter of a cell towards its higher neighbour (Newell et al., 2016).
    """
    count, height, width = heat.shape
    flat = heat.reshape(count, -1)
    rows, (y, x) = np.arange(count), np.unravel_index(flat.argmax(1), (height, width))
    right = heat[rows, y, (x + 1).clip(max=width - 1)] - heat[rows, y, (x - 1).clip(min=0)]
    down = heat[rows, (y + 1).clip(max=height - 1), x] - heat[rows, (y - 1).clip(min=0), x]
    cells = np.stack([x, y], axis=1) + 0.25 * np.sign(np.stack([right, down], axis=1))
    points = (cells + 0.5) * np.array(size) / (width, height) - 0.5
    return points.astype(np.float32), flat.max(1).clip(0, 1).astype(np.float32)
