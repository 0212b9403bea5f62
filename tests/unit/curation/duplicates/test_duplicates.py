"""Copies of drawn clips are found whatever was done to them; other spans, people and videos are left alone."""

import cv2
import numpy as np
import pytest

from pipelines.curation.duplicates import stage as duplicates
from pipelines.curation.duplicates.align import Thresholds, compare
from pipelines.curation.duplicates.choose import MATCH, originals
from pipelines.curation.duplicates.search import packed, similar_pairs
from pipelines.curation.duplicates.signature import Signature, signature_of
from pipelines.curation.ledger import Ledger
from pipelines.engine import Engine
from pipelines.manifest import Status, build, digest_of, read, write
from pipelines.stage import run_stage
from pipelines.video import encode_mp4
from pipelines.workspace import Workspace
from tests.toy_shards import draw, keypoints_of

FPS, SIZE = 16.0, 96


def scene(seed: int, seconds: float = 4.0) -> tuple[np.ndarray, np.ndarray]:
    """Frames and keypoints of somebody who moves in a way that does not repeat."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(seconds * FPS)) / FPS
    waves = rng.uniform(0.3, 1.1, (10, 3)), rng.uniform(0, 6.28, (10, 3))
    motions = np.sin(2 * np.pi * times[:, None, None] * waves[0] + waves[1]).mean(-1)
    build_, colours = rng.uniform(0.85, 1.15, 3), rng.integers(0, 255, (4, 3))
    background = cv2.resize(rng.integers(0, 255, (6, 6, 3), np.uint8), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    keypoints = np.stack([keypoints_of(motion, build_) for motion in motions])
    return np.stack([draw(points, colours, background)[0] for points in keypoints]), keypoints


def zoomed(frames: np.ndarray, keypoints: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    low = (1 - share) / 2
    edge = slice(round(low * SIZE), round((1 - low) * SIZE))
    points = keypoints.copy()
    points[..., :2] = (points[..., :2] - low) / share
    return np.stack([cv2.resize(frame[edge, edge], (SIZE, SIZE)) for frame in frames]), points


def flipped(frames: np.ndarray, keypoints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return frames[:, :, ::-1], keypoints * [-1, 1, 1] + [1, 0, 0]


def sign(frames: np.ndarray, keypoints: np.ndarray) -> Signature:
    return signature_of(np.ascontiguousarray(frames), keypoints.astype(np.float32), FPS)


@pytest.mark.parametrize(
    ("change", "mirrored", "offset"),
    [
        (lambda f, k: zoomed(f, k, 0.85), False, 0.0),
        (flipped, True, 0.0),
        (lambda f, k: (f[16:], k[16:]), False, 1.0),
        (lambda f, k: ((f * 0.7 + 40).astype(np.uint8), k), False, 0.0),
    ],
)
def test_a_copy_matches_where_it_begins(change, mirrored: bool, offset: float) -> None:
    frames, keypoints = scene(1)
    original, copy = sign(frames, keypoints), sign(*change(frames, keypoints))
    match = compare(original, copy, mirrored, Thresholds())
    assert match is not None
    assert match.offset_s == pytest.approx(offset, abs=0.13)


def test_another_span_and_another_person_do_not_match() -> None:
    frames, keypoints = scene(2, 8.0)
    first, second = sign(frames[:64], keypoints[:64]), sign(frames[64:], keypoints[64:])
    assert first.appearance @ second.appearance > 0.9
    assert compare(first, second, False, Thresholds()) is None
    assert compare(first, sign(*scene(3)), False, Thresholds()) is None


def test_search_finds_every_new_pair_once_and_none_within_a_video(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.curation.duplicates.search._QUERIES", 7)
    monkeypatch.setattr("pipelines.curation.duplicates.search._AGAINST", 11)
    rng = np.random.default_rng(0)
    vectors = np.repeat(rng.normal(size=(10, 44)), 4, axis=0)
    appearances = packed((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32))
    videos = np.arange(40) // 2
    fresh = np.arange(40) % 3 == 0
    found = np.concatenate(list(similar_pairs(appearances, videos, fresh, 0.95)))
    same = {
        (a, b) for a in range(40) for b in range(a) if a // 4 == b // 4 and a // 2 != b // 2 if fresh[a] or fresh[b]
    }
    pairs = [(max(a, b), min(a, b)) for a, b, mirrored in found.tolist() if not mirrored]
    assert sorted(pairs) == sorted(same)


def test_a_ledger_forgets_clips_that_left(workspace: Workspace) -> None:
    entries = np.array([(0, 1, 0.5, 0.9, False), (1, 2, 0.0, 0.8, True)], MATCH)
    Ledger(np.array(["a", "c", "d"], "S32"), entries).save(workspace, "ledger.npz", "key")
    assert not len(Ledger.load(workspace, "ledger.npz", "another", MATCH).ids)
    moved, fresh = Ledger.load(workspace, "ledger.npz", "key", MATCH).moved_to(["b", "c", "d"])
    assert fresh.tolist() == [True, False, False]
    assert moved.matches.tolist() == [(1, 2, 0.0, 0.8, True)]


def test_the_best_copy_stays_and_a_match_of_a_copy_alone_is_kept() -> None:
    sizes = (100.0, 400.0, 200.0, 90.0)
    clips = [{"id": str(n), "person_px": px, "seconds": 4.0, "sharpness": 50.0} for n, px in enumerate(sizes)]
    matches = np.array([(0, 1, 1.0, 0.9, False), (0, 2, 0.0, 0.95, False), (0, 3, 0.0, 0.9, False)], MATCH)
    found = originals(clips, matches)
    assert found == [(2, 0.0, False, 0.95), None, None, None]


def test_the_stage_rejects_copies_and_a_new_batch_changes_nothing_else(workspace: Workspace) -> None:
    def clip(name: str, frames: np.ndarray, keypoints: np.ndarray, size: float) -> dict:
        path = f"clips/b/files/{name}"
        with workspace.publish(f"{path}.mp4") as file:
            file.write_bytes(encode_mp4(frames, FPS))
        with workspace.publish(f"{path}.npy") as file:
            np.save(file, keypoints)
        about = {"id": digest_of(name), "parent_id": "t", "status": Status.KEPT, "video_id": digest_of("v", name)}
        files = {"path": f"{path}.mp4", "keypoints_path": f"{path}.npy", "fps": FPS}
        return {**about, **files, "person_px": size, "seconds": 4.0, "sharpness": 90.0}

    from pipelines.curation.clips import SCHEMA

    def run(rows: list[dict]) -> dict[str, tuple]:
        write(workspace, "clips/b", build(rows, SCHEMA), digest_of([row["id"] for row in rows]), 0)
        run_stage(duplicates.STAGE, workspace, duplicates.DuplicatesConfig(), Engine(1), quiet=True)
        return {row["id"]: tuple(row.values()) for row in read(workspace, "duplicates").rows(None)}

    copy, other = clip("copy", *zoomed(*scene(1), 0.9), 300.0), clip("other", *scene(5), 300.0)
    alone = run([copy, other])
    both = run([copy, other, clip("original", *scene(1), 400.0)])
    assert both[other["id"]] == alone[other["id"]]
    (lost,) = read(workspace, "duplicates").rows(Status.REJECTED)
    assert (lost["id"], lost["copy_of"]) == (copy["id"], digest_of("original"))
    assert lost["reason"].startswith("duplicate: of ")
    (workspace.local_root / "duplicates" / "ledger.npz").unlink()
    (workspace.local_root / "manifests" / "duplicates.parquet").unlink()
    assert run([copy, other, clip("original", *scene(1), 400.0)]) == both
