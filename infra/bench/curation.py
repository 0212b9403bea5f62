"""Suite `curation`: from videos to clips, beside the chain that people write first.

That chain decodes the file again at full size for every model, looks at every frame, one at a time, looks for people in
each of them, and decodes from the beginning for each clip. Models and rules are the same, so that both can be held
against the labelled videos (docs/curation-quality.md): what is faster must not decide worse. Takes half an hour.
"""

import functools
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from infra.bench.results import Result
from pipelines import manifest as manifests
from pipelines.curation import people
from pipelines.curation.decode import PyAvDecoder, bounded_size, nearest_to_grids, pictures
from pipelines.curation.detect import PersonDetector
from pipelines.curation.landmarks import RegionModel
from pipelines.curation.models import ensure_models
from pipelines.curation.networks.pose import BlazePose
from pipelines.curation.quality import picture
from pipelines.curation.quality.overlay import TextDetector
from pipelines.curation.transnet import TransNet
from pipelines.engine import Engine, pin_threads
from pipelines.synthesis.avatars import render_avatar_video
from pipelines.workspace import Workspace
from tests.labelled.compare import Tally, compare
from tests.labelled.found import BATCH, Found, curate
from tests.labelled.scenes import make

_VIDEOS, _NAIVE_VIDEOS, _SECONDS, _FPS, _SIDE = 24, 2, 10.0, 30, 720
_EVERY = 7  # scene of the labelled ones
_NETWORKS = (
    (TransNet, "__call__"),
    (PersonDetector, "detect"),
    (BlazePose, "detect"),
    (BlazePose, "follow"),
    (RegionModel, "look"),
    (TextDetector, "look"),
)
_NO_LIMIT = 10_000
_EVERY_FRAME = people.PeopleConfig(fps=_NO_LIMIT, longest_side=_NO_LIMIT, detections_per_second=_NO_LIMIT)


@dataclass(frozen=True)
class Spent:
    """wall, cpu: seconds, and core-seconds of this process. digest: of the clips."""

    wall: float
    cpu: float
    found: list[Found]
    digest: str


def run() -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        videos = _videos(folder)
        with _in_networks() as networks:
            one = _ours(videos, folder / "one", 1)
        two = _ours(videos, folder / "two", 2)
        if one.digest != two.digest:
            raise RuntimeError("two workers decided otherwise than one")
        began = time.process_time()
        decoded = sum(_decode(path) for path in videos)
        decoding = time.process_time() - began
        naive = _naive(videos[:_NAIVE_VIDEOS], folder / "naive")
        ours_s, naive_s = one.cpu / (_SECONDS * _VIDEOS), naive.cpu / (_SECONDS * _NAIVE_VIDEOS)
        about = f"{_VIDEOS} rendered videos of {_SECONDS:g} s at {_FPS} frames/s, {_SIDE} px"
        against = f"{1 / ours_s:.3f} video-seconds per core-second, the naive chain {1 / naive_s:.3f}"
        against += f" on {_NAIVE_VIDEOS} of {about}"
        yield Result("curation.speedup_vs_naive", naive_s / ours_s, "x", against, "higher", 3.0)
        against = f"{two.wall:.0f} s against {one.wall:.0f} s of one process, start of Ray included; {about}"
        yield Result("curation.scaling_2_processes", one.wall / two.wall, "x", against, "higher", 1.8)
        against = f"core-seconds of all; {decoded} pictures"
        yield Result("curation.decode_share", decoding / one.cpu, "", against, "lower")
        against = "core-seconds of all, in calls of networks with what prepares their pictures"
        yield Result("curation.model_share", sum(networks) / one.cpu, "", against, "higher")
        waiting = max(0.0, 1 - one.cpu / one.wall)
        yield Result("curation.waiting_share", waiting, "", "seconds of one process", "lower")
        yield _decisions(folder)


@contextmanager
def _in_networks() -> Iterator[list[float]]:
    """Core-seconds of each call of a network in this process."""
    spent: list[float] = []

    def timed(call: Callable[..., Any]) -> Callable[..., Any]:
        def timing(*arguments: Any) -> Any:
            began = time.process_time()
            result = call(*arguments)
            spent.append(time.process_time() - began)
            return result

        return timing

    with ExitStack() as stack:
        for owner, name in _NETWORKS:
            stack.enter_context(mock.patch.object(owner, name, timed(getattr(owner, name))))
        yield spent


def _decisions(folder: Path) -> Result:
    made = make(folder / "labelled", workers=2, every=_EVERY)
    paths = [path for path, _ in made]
    ours, naive = (
        _right(sum((compare(labels, one) for (_, labels), one in zip(made, found, strict=True)), Tally()))
        for found in (_ours(paths, folder / "ours", 1).found, _naive(paths, folder / "full").found)
    )
    against = f"share of looks rightly kept or rejected {ours:.3f} - {naive:.3f} of the naive chain"
    against += f", on {len(made)} of the labelled videos"
    return Result("curation.decisions_vs_naive", ours - naive, "", against, "higher", -0.01)


def _right(tally: Tally) -> float:
    """Share of the looks at people who are kept where that is right, and rejected where that is."""
    right = sum(looks for (true, found), looks in tally.decisions.items() if (true is None) == (found is None))
    return right / tally.decisions.total()


def _videos(folder: Path) -> list[Path]:
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        return list(pool.map(functools.partial(_video, folder), range(_VIDEOS)))


def _video(folder: Path, seed: int) -> Path:
    path = folder / f"{seed}.mp4"
    framing = ("full", "upper")[seed % 2]
    pin_threads()
    render_avatar_video(path, seed=seed, seconds=_SECONDS, fps=_FPS, size=_SIDE, framing=framing)
    return path


def _ours(videos: Sequence[Path], folder: Path, workers: int, watch: people.PeopleConfig | None = None) -> Spent:
    """From videos to clips without copies, models being there."""
    workspace = Workspace(str(folder))
    ensure_models(workspace)
    began, cpu = time.perf_counter(), time.process_time()
    found = curate(workspace, videos, Engine(workers), watch)
    spent = time.perf_counter() - began, time.process_time() - cpu
    return Spent(*spent, found, manifests.read(workspace, f"clips/{BATCH}").digest)


def _decode(path: Path) -> int:
    """What the stages decode, without a model: the pass for people, and the pass for clips."""
    config, count = people.PeopleConfig(), 0
    for _, shown, (_, on_grid) in nearest_to_grids(pictures(path), (None, config.fps)):
        shown.rgb((48, 27))
        if on_grid:
            shown.rgb(bounded_size(_SIDE, _SIDE, config.longest_side))
            shown.rgb()
        count += 1
    return count


def _naive(videos: Sequence[Path], folder: Path) -> Spent:
    """The stages, told to look at everything at full size, and what they save by decoding once and looking less."""
    spent = _ours(videos, folder, 1, _EVERY_FRAME)
    text = TextDetector(ensure_models(Workspace(str(folder))).text)
    began = time.process_time()
    for path, found in zip(videos, spent.found, strict=True):
        for _ in _resized(path, (48, 27)):
            pass
        for _, frame in PyAvDecoder().frames(path):
            grey = picture.luma(frame)
            picture.sharpness(grey), picture.blockiness(grey), picture.bars(grey), text.look(frame)
        ends = [clip["end_s"] for track in found.tracks for clip in track.clips if clip["reason"] is None]
        for end in ends[1:]:  # the stage has decoded it for one
            for _ in PyAvDecoder().frames(path, end=end):
                pass
    return Spent(spent.wall, spent.cpu + time.process_time() - began, spent.found, spent.digest)


def _resized(path: Path, size: tuple[int, int]) -> Iterator[np.ndarray]:
    import cv2

    for _, frame in PyAvDecoder().frames(path):
        yield np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
