"""Suite `shards`: how fast samples come out of the tars, beside webdataset and beside decoding alone."""

import io
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator

import numpy as np
import simplejpeg

from infra.bench.results import Result
from pipelines import manifest
from pipelines.shards.index import write_index
from pipelines.shards.read import Reader, ShardIndex, order
from pipelines.shards.stage import STAGE
from pipelines.shards.write import write_shard
from pipelines.workspace import Workspace

_SHARDS, _PER_SHARD, _PICTURES, _SIDE = 6, 64, 16, 256
_DECODED = 192
_ROUNDS = 5


def run() -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(folder)
        urls = _write(workspace)
        count = _SHARDS * _PER_SHARD
        ours, theirs = _interleaved(lambda: _read_ours(workspace), lambda: _read_webdataset(urls))
        yield Result(
            "shards.samples_per_second_vs_webdataset",
            theirs / ours,
            "x",
            f"webdataset reading the same {count} samples of {_PICTURES} JPEG, npz and json, raw bytes, one process: "
            f"{count / ours:.0f} against {count / theirs:.0f} samples/s; ours in shuffled order with checksums, "
            "webdataset in the order of the tars",
            "higher",
            3.0,
        )
        pictures = _pictures(workspace)
        decoded, alone = _interleaved(lambda: _decode_ours(workspace), lambda: _decode(pictures))
        yield Result(
            "shards.decoded_vs_jpeg_limit",
            alone / decoded,
            "x",
            f"simplejpeg alone on the same bytes in memory, {len(pictures) / alone:.0f} pictures/s of {_SIDE} px",
            "higher",
            0.9,
        )


def _interleaved(first: Callable[[], None], second: Callable[[], None]) -> tuple[float, float]:
    """Median seconds of each, taken in turn after one round that warms caches."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(_ROUNDS + 1):
        for work, kept in zip((first, second), times, strict=True):
            began = time.perf_counter()
            work()
            if number:
                kept.append(time.perf_counter() - began)
    return statistics.median(times[0]), statistics.median(times[1])


def _write(workspace: Workspace) -> list[str]:
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 255, _SIDE)[:, None, None] * np.ones((1, _SIDE, 3))
    rows, urls = [], []
    for shard in range(_SHARDS):
        samples = []
        for number in range(_PER_SHARD):
            key = f"s{shard:03d}-{number:04d}"
            members = {"json": json.dumps({"kind": "pair", "id": key, "split": "train"}).encode()}
            buffer = io.BytesIO()
            np.savez(buffer, keypoints=rng.random((_PICTURES, 88, 3), np.float32))
            members["npz"] = buffer.getvalue()
            for t in range(_PICTURES):
                noisy = np.clip(np.roll(ramp, 16 * t, 0) + rng.normal(0, 3, ramp.shape), 0, 255).astype(np.uint8)
                members[f"t{t}.jpg"] = simplejpeg.encode_jpeg(noisy, quality=90)
            samples.append((key, members))
        record = write_shard(workspace, f"shards/{shard}.tar", samples)
        about = {"id": record.path, "status": "kept", "kind": "pair", "split": "train", "path": record.path}
        measures = {"sha256": record.sha256, "bytes": record.bytes, "samples": record.samples}
        rows.append({**about, **measures, "index_path": write_index(workspace, record)})
        urls.append(str(workspace.local(record.path)))
    manifest.write(workspace, "shards", manifest.build(rows, STAGE.schema), "bench", 0)
    return urls


def _read_ours(workspace: Workspace) -> None:
    """From nothing: the index is loaded, every member of every sample read in a shuffled order."""
    reader, samples = Reader(workspace), ShardIndex.load(workspace, "train").samples
    for place in order(0, 0, len(samples)):
        reader.read(samples[place], samples[place].members)


def _read_webdataset(urls: list[str]) -> None:
    import webdataset

    count = sum(1 for _ in webdataset.WebDataset(urls, shardshuffle=False, empty_check=False))
    if count != _SHARDS * _PER_SHARD:
        raise RuntimeError(f"webdataset gave {count} samples")


def _pictures(workspace: Workspace) -> list[bytes]:
    reader = Reader(workspace)
    names = [f"t{t}.jpg" for t in range(_PICTURES)]
    return [
        content
        for ref in ShardIndex.load(workspace, "train").samples[:_DECODED]
        for content in reader.read(ref, names).values()
    ]


def _decode(pictures: list[bytes]) -> None:
    for picture in pictures:
        simplejpeg.decode_jpeg(picture, colorspace="RGB")


def _decode_ours(workspace: Workspace) -> None:
    """The pictures of as many samples, from the tars to pixels."""
    reader = Reader(workspace)
    names = [f"t{t}.jpg" for t in range(_PICTURES)]
    for ref in ShardIndex.load(workspace, "train").samples[:_DECODED]:
        for picture in reader.read(ref, names).values():
            simplejpeg.decode_jpeg(picture, colorspace="RGB")
