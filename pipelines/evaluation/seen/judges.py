"""All judges of pictures, and what they say of the outputs for one test sample.

No network here trains anything that it judges: LPIPS looks with networks that learned photographs,
MediaPipe reads points and silhouettes, dlib knows faces. MediaPipe's points are also those of real
clips, so that MoveNet, which trains nothing at all, reads the body's a second time. What each figure
means:

| figure | of | best |
|---|---|---|
| `lpips_vgg`, `lpips_alex` | the square around the true person, at `SQUARE` pixels a side | 0 |
| `psnr`, `ssim` | the whole picture | high, 1 |
| `person_psnr` | the true person's pixels, dB | high |
| `sharpness` | detail inside the person, off the outline, over the truth's | 1 |
| `background_error`, `_psnr` | where no person is in truth or reference; of 255, and dB | 0, high |
| `flicker` | change between pictures over the truth's | 1 |
| `flicker_unmoved` | likewise, what remains of it along the truth's motion | 1 |
| `silhouette_iou` | the person's pixels as BlazePose sees them, and the true ones | 1 |
| `body_px`, `body_median_px` | points that are read, and the true ones; pixels | 0 |
| `body_found` | share of what can be read in truth that can be read | 1 |
| `hands_…`, `face_…` | the same three, of both hands and of the face | |
| `movenet_px`, `movenet_found` | the body's points as MoveNet reads them | 0, 1 |
| `face_distance` | of the face to the reference's | 0 |
| `face_read` | whether there is a face where the truth has one that can be told by | 1 |

A figure is None where the truth does not allow it to be measured; what is missing in the output
alone counts against it (except in `face_distance`, which needs a face: see `face_read`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipelines.curation.decode import Frame
from pipelines.curation.identities.face import FaceNetwork
from pipelines.evaluation import metrics
from pipelines.evaluation.seen import identity, picture
from pipelines.evaluation.seen.identity import Face
from pipelines.evaluation.seen.lpips import Lpips
from pipelines.evaluation.seen.movenet import MoveNet, second_figures
from pipelines.evaluation.seen.reading import Reader, point_figures, silhouette_iou
from pipelines.workspace import Workspace

Pictures = NDArray[np.uint8]
SQUARE = 128  # pixels; VGG at 256 would take four times the .12 seconds of a core
_BATCH = 8  # pictures that LPIPS sees at a time: about 10 MB each


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What is known of a test sample. Pictures are RGB uint8, T of them, S pixels a side."""

    # (T, S, S, 3): what a perfect output looks like.
    truth: Pictures
    # (T, S, S): the person's pixels in it.
    mask: NDArray[np.bool_]
    # (T, 88, 3): the person's points in it, in shares of the picture.
    keypoints: NDArray[np.float32]
    # (S, S, 3): the picture that the model was given.
    reference: Pictures
    # (S, S): the person's pixels in that.
    reference_mask: NDArray[np.bool_]


@dataclass(frozen=True)
class Measures:
    """figures: see the module; each the mean over pictures, None where it cannot be measured.

    face: (128,) for `identity.rank_one_share`; None where the output shows none, or the truth none
    that can be told by.
    """

    figures: dict[str, float | None]
    face: Face | None


class Judges:
    """Loaded once per process."""

    def __init__(
        self, lpips: Mapping[str, Lpips], reader: Reader, movenet: MoveNet, faces: FaceNetwork, device: str
    ) -> None:
        self._lpips, self._reader, self._movenet = lpips, reader, movenet
        self._faces, self._device = faces, device

    @classmethod
    def open(cls, workspace: Workspace, device: str = "cpu") -> "Judges":
        """workspace: where models are kept. device: of LPIPS; the others run on the CPU.

        Raises: WorkError where a network's package cannot be had or is not the pinned one.
        """
        lpips = Lpips.open(workspace, device)
        reader, movenet = Reader.open(workspace), MoveNet.open(workspace)
        return cls(lpips, reader, movenet, FaceNetwork(workspace), device)

    def measure(self, outputs: Mapping[str, Pictures], sample: Sample) -> dict[str, Measures]:
        """By method, what its pictures (T, S, S, 3) show. The truth is looked at once for all methods.

        Raises: ValueError for pictures of another shape than the truth's.
        """
        for method, output in outputs.items():
            if output.shape != sample.truth.shape:
                raise ValueError(f"{method}: pictures {output.shape} are not as the truth's, {sample.truth.shape}")
        readings, second = _Once(self._reader.read), _Once(self._movenet.points)
        of_truth = [readings.of(true_picture) for true_picture in sample.truth]
        second_of_truth = [second.of(true_picture) for true_picture in sample.truth]
        side = sample.truth.shape[1]
        distances = self._distances(outputs, sample)
        frontal = identity.frontal_picture(of_truth, side)
        reference_face = None
        if frontal is not None:
            of_reference = readings.of(sample.reference)
            reference_face = identity.face_in(sample.reference, of_reference, self._faces)
        judged = {}
        for method, output in outputs.items():
            read = [readings.of(one) for one in output]
            face = None
            if frontal is not None:
                face = identity.face_in(output[frontal], read[frontal], self._faces)
            figures = {
                **distances[method],
                **_pixel_figures(output, sample),
                "silhouette_iou": silhouette_iou(read, of_truth, sample.mask),
                **point_figures(read, of_truth, sample.keypoints, side),
                **second_figures([second.of(one) for one in output], second_of_truth, sample.keypoints, side),
                "face_distance": identity.face_distance(face, reference_face),
                "face_read": None if frontal is None else float(face is not None),
            }
            judged[method] = Measures(figures, face)
        return judged

    def _distances(self, outputs: Mapping[str, Pictures], sample: Sample) -> dict[str, dict[str, float | None]]:
        """By method, LPIPS by each network."""
        squares = [picture.person_square(mask) for mask in sample.mask]
        shown = [number for number, square in enumerate(squares) if square is not None]
        sums = {method: dict.fromkeys(self._lpips, 0.0) for method in outputs}
        for first in range(0, len(shown), _BATCH):
            batch = shown[first : first + _BATCH]
            true_cuts = self._cuts(sample.truth, squares, batch)
            cuts = {name: self._cuts(output, squares, batch) for name, output in outputs.items()}
            for network, lpips in self._lpips.items():
                with torch.no_grad():
                    features = lpips.features(true_cuts)
                    for method, cut in cuts.items():
                        # What is equal is at distance 0, without a look.
                        if not torch.equal(cut, true_cuts):
                            apart = lpips.between(lpips.features(cut), features)
                            sums[method][network] += float(apart.sum())
        distances: dict[str, dict[str, float | None]] = {}
        for method, by_network in sums.items():
            distances[method] = {}
            for network, total in by_network.items():
                distances[method][f"lpips_{network}"] = total / len(shown) if shown else None
        return distances

    def _cuts(self, pictures: Pictures, squares: list[tuple[slice, slice] | None], batch: list[int]) -> Tensor:
        """The person's squares in some of the pictures: (N, 3, SQUARE, SQUARE) in [0, 1]."""
        cuts = []
        for number in batch:
            square = squares[number]
            assert square is not None
            cuts.append(picture.cut_square(pictures[number], square, SQUARE))
        stacked = torch.from_numpy(np.stack(cuts)).to(self._device)
        return stacked.permute(0, 3, 1, 2).float() / 255


_Seen = TypeVar("_Seen")


class _Once(Generic[_Seen]):
    """Looks at each picture once: copies of the reference are one picture, and the truth is a method, too."""

    def __init__(self, look: Callable[[Frame], _Seen]) -> None:
        self._look = look
        self._seen: dict[bytes, _Seen] = {}

    def of(self, picture: Frame) -> _Seen:
        content = picture.tobytes()
        if content not in self._seen:
            self._seen[content] = self._look(np.ascontiguousarray(picture))
        return self._seen[content]


def _pixel_figures(output: Pictures, sample: Sample) -> dict[str, float | None]:
    pairs = list(zip(output, sample.truth, sample.mask, strict=True))
    on_person = [metrics.psnr(one, true, mask) for one, true, mask in pairs if mask.any()]
    return {
        "psnr": float(np.mean([metrics.psnr(one, true) for one, true, _ in pairs])),
        "ssim": float(np.mean([metrics.ssim(one, true) for one, true, _ in pairs])),
        "person_psnr": float(np.mean(on_person)) if on_person else None,
        "sharpness": picture.sharpness(output, sample.truth, sample.mask),
        **picture.background_figures(output, sample.truth, sample.mask, sample.reference_mask),
        **picture.flicker_figures(output, sample.truth),
    }
