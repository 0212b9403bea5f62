"""Suite `curation`: from videos to clips, beside the chain that people write first.

That chain decodes the file again at full size for every model, looks at one frame at a time, looks for people in every
frame, and decodes from the beginning for each clip. The models are the same; whether a clip is good it does not ask, so
only the number of clips can be held against ours.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from infra.bench.results import Result
from pipelines import manifest as manifests
from pipelines.curation import clips, ingest, people
from pipelines.curation.cut import Window, cut_windows, nearest_frames
from pipelines.curation.decode import PyAvDecoder, bounded_size, nearest_to_grids, pictures
from pipelines.curation.detect import PersonDetector
from pipelines.curation.landmarks import load_landmarker
from pipelines.curation.models import ModelPaths, ensure_models
from pipelines.curation.quality import picture, repeats
from pipelines.curation.quality.overlay import TextDetector
from pipelines.curation.shots import CutDetector
from pipelines.curation.tracker import Track, Tracker
from pipelines.curation.window import clip_window
from pipelines.engine import Engine, Row
from pipelines.manifest import Status
from pipelines.stage import run_stage
from pipelines.synthesis.avatars import render_avatar_video
from pipelines.workspace import Workspace, file_sha256

_VIDEOS, _SECONDS, _FPS, _SIDE = 6, 5.0, 30, 720
_BATCH = "bench"


def run() -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as folder:
        videos = _videos(Path(folder))
        seconds = _VIDEOS * _SECONDS
        (one_wall, one_cpu), rows = curate(videos, Path(folder) / "one", 1)
        (two_wall, _), again = curate(videos, Path(folder) / "two", 2)
        if rows != again:
            raise RuntimeError("two workers decided otherwise than one")
        paths = ensure_models(Workspace(str(Path(folder) / "one")))
        began = time.process_time()
        decoded = sum(_decode(path) for path in videos)
        decoding = time.process_time() - began
        began = time.process_time()
        found = sum(_naive(path, paths) for path in videos)
        naive_cpu = time.process_time() - began
        about = f"{_VIDEOS} rendered videos of {_SECONDS:g} s at {_FPS} frames/s, {_SIDE} px"
        yield Result(
            "curation.speedup_vs_naive",
            naive_cpu / one_cpu,
            "x",
            f"the naive chain on {about}: {seconds / one_cpu:.3f} against {seconds / naive_cpu:.3f} video-seconds per "
            f"core-second; {len(rows)} clips kept, {found} by the naive chain",
            "higher",
            3.0,
        )
        yield Result(
            "curation.scaling_2_processes",
            one_wall / two_wall,
            "x",
            "one process, start of Ray included",
            "higher",
            1.8,
        )
        yield Result(
            "curation.decode_share", decoding / one_cpu, "", f"core-seconds of all; {decoded} pictures", "lower", None
        )
        yield Result(
            "curation.waiting_share", max(0.0, 1 - one_cpu / one_wall), "", "seconds of one process", "lower", None
        )


def _videos(folder: Path) -> list[Path]:
    found = []
    for seed in range(_VIDEOS):
        path = folder / f"{seed}.mp4"
        framing = ("full", "upper")[seed % 2]
        render_avatar_video(path, seed=seed, seconds=_SECONDS, fps=_FPS, size=_SIDE, framing=framing)
        found.append(path)
    return found


def curate(videos: list[Path], folder: Path, workers: int) -> tuple[tuple[float, float], list[Row]]:
    """((seconds, core-seconds of this process), kept clips) of the stages people and clips, models being there."""
    workspace = Workspace(str(folder))
    workspace.prepare()
    ensure_models(workspace)
    rows: list[Row] = []
    for path in videos:
        sha256 = file_sha256(path)
        about = {"url": str(path), "sha256": sha256, **ingest.probe(path, 0.9)}
        rows.append({"id": sha256[:32], "status": Status.KEPT, **about})
    manifests.write(workspace, f"videos/{_BATCH}", manifests.build(rows, ingest.SCHEMA), "bench", 0)
    began, cpu = time.perf_counter(), time.process_time()
    for stage in (people.STAGE, clips.STAGE):
        run_stage(stage, workspace, stage.config(), Engine(workers), _BATCH, quiet=True)
    spent = time.perf_counter() - began, time.process_time() - cpu
    kept = manifests.read(workspace, f"clips/{_BATCH}").rows()
    shutil.rmtree(folder / "clips")
    return spent, kept


def _decode(path: Path) -> int:
    """What the stages decode, without a model: the pass for people, and the pass for clips."""
    about = ingest.probe(path, 0.9)
    size = bounded_size(about["width"], about["height"], people.PeopleConfig().longest_side)
    count = 0
    for _, shown, (for_cuts, on_grid) in nearest_to_grids(pictures(path), (None, people.PeopleConfig().fps)):
        if for_cuts:
            shown.rgb((48, 27))
        if on_grid:
            shown.rgb(size)
            shown.rgb()
        count += 1
    return count


def _naive(path: Path, paths: ModelPaths) -> int:
    """How many clips it keeps."""
    config, clip = people.PeopleConfig(), clips.ClipsConfig()
    about = ingest.probe(path, 0.9)
    size = about["width"], about["height"]
    cuts = CutDetector()
    list(cuts.stream(frame for _, frame in _resized(path, (48, 27))))
    # Every frame is looked at for people, at full size.
    every = replace(config, detections_per_second=about["fps"])
    landmarker = load_landmarker(paths, config.landmarks)
    tracker = Tracker(
        landmarker, PersonDetector(paths.person, config.min_detection), every, about["fps"], size[0] / size[1]
    )
    times = []
    for index, (time_s, frame) in enumerate(PyAvDecoder().frames(path)):
        tracker.step(index, frame)
        times.append(time_s)
    text = TextDetector(paths.text)
    for _, frame in PyAvDecoder().frames(path):
        grey = picture.luma(frame)
        picture.sharpness(grey), picture.blockiness(grey), picture.bars(grey), text.look(frame)
    return sum(_cut(path, track, np.array(times), size, clip) for track in tracker.finish())


def _resized(path: Path, size: tuple[int, int]) -> Iterator[tuple[float, np.ndarray]]:
    import cv2

    for time_s, frame in PyAvDecoder().frames(path):
        yield time_s, np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)


def _cut(path: Path, track: Track, times: np.ndarray, size: tuple[int, int], config: clips.ClipsConfig) -> int:
    """One clip after the other, each from the beginning of the file."""
    span = np.array(track.indices)
    boxes = np.stack(track.boxes) * np.tile(size, 2)
    made = 0
    for first in range(0, len(span), round(config.max_seconds * _FPS)):
        part = slice(first, first + round(config.max_seconds * _FPS))
        if times[span[part]][-1] - times[span[part]][0] < 1:
            continue
        corners, side = clip_window(boxes[part], _FPS, size, config.margin)
        shown = nearest_frames(times[span[part]], config.fps)
        ((_, frames),) = cut_windows(path, [Window(times[span[part]], corners, side, shown)], config.size)
        repeats.repeats(frames)
        made += 1
    return made
