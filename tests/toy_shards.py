"""Shards of drawn stick people: the contract of the real ones in little, made in a second."""

import io
import json
from pathlib import Path

import av
import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from pipelines import manifest
from pipelines.keypoints import BODY, BODY_BONES, BODY_SLICE, COUNT, FACE_SLICE, HAND_BONES, PARTS
from pipelines.shards import contents
from pipelines.shards.index import write_index
from pipelines.shards.stage import STAGE
from pipelines.shards.write import write_shard
from pipelines.synthesis.places import pack
from pipelines.synthesis.scenes.scene import PART_LABELS
from pipelines.workspace import Workspace

_DRAWN = {"source": "procedural", "framing": "full", "fps": 6.0}
_LIMBS = {"elbow": "shoulder", "wrist": "elbow", "knee": "hip", "ankle": "knee"}


def _xy(x: float, y: float) -> NDArray[np.float64]:
    return np.array([x, y])


def _turned(length: float, angle: float) -> NDArray[np.float64]:
    return np.array([np.sin(angle), np.cos(angle)]) * length


def keypoints_of(motion: NDArray[np.float64], build: NDArray[np.float64]) -> NDArray[np.float32]:
    """A pose (10 angles in [-1, 1]) on a body (3 proportions): (88, 3)."""
    at = dict.fromkeys(BODY, np.zeros(2))
    hip = np.array([0.5 + 0.08 * motion[8], 0.58])
    neck = hip + np.array([0.04 * motion[9], -0.24 * build[0]])
    head = neck + _xy(0, -0.11)
    at["nose"] = head
    for sign, side in ((1, "left"), (-1, "right")):
        first = 0 if sign == 1 else 4
        at[f"{side}_eye"], at[f"{side}_ear"] = head + _xy(sign * 0.02, -0.02), head + _xy(sign * 0.05, -0.01)
        at[f"{side}_shoulder"], at[f"{side}_hip"] = neck + _xy(sign * 0.09 * build[2], 0.02), hip + _xy(sign * 0.05, 0)
        for k, (joint, parent) in enumerate(_LIMBS.items()):
            bend = motion[first + k] * (1.2 if k < 2 else 0.4) + (0.5 if k < 2 else 0.1)
            at[f"{side}_{joint}"] = at[f"{side}_{parent}"] + _turned(0.15 * build[1], sign * bend)
        at[f"{side}_heel"] = at[f"{side}_ankle"] + [0, 0.02]
        at[f"{side}_toe"] = at[f"{side}_ankle"] + [sign * 0.04, 0.03]
    points = np.ones((COUNT, 3))
    points[BODY_SLICE, :2] = [at[name] for name in BODY]
    for sign, side in ((1, "left"), (-1, "right")):
        spread = np.array(
            [[0, 0]] + [[0.014 * (f - 2) * (1 + j / 4), 0.012 * j] for f in range(5) for j in range(1, 5)]
        )
        points[PARTS[f"{side}_hand"], :2] = at[f"{side}_wrist"] + spread * [sign, 1 + 0.5 * motion[1]]
    ring = np.linspace(0, 2 * np.pi, 25, endpoint=False)
    points[FACE_SLICE, :2] = head + 0.04 * np.stack([np.sin(ring), np.cos(ring) * (1 + 0.2 * motion[2])], -1)
    return points.astype(np.float32)


def draw(
    points: NDArray[np.float32], colours: NDArray[np.int64], background: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A frame and its person mask."""
    size = len(background)
    frame, mask = background.copy(), np.zeros((size, size), np.uint8)
    where = (points[:, :2] * size * 8).astype(int)

    def line(a: int, b: int, colour: list[int], width: float) -> None:
        for image, value in ((frame, colour), (mask, 255)):
            cv2.line(image, where[a].tolist(), where[b].tolist(), value, max(1, int(width * size)), cv2.LINE_AA, 3)

    for a, b in BODY_BONES:
        line(a, b, colours[0 if max(a, b) < 11 else 1 + (a >= 11)].tolist(), 0.06 if a >= 5 else 0.03)
    line(5, 12, colours[1].tolist(), 0.1)
    line(6, 11, colours[1].tolist(), 0.1)
    for part in ("left_hand", "right_hand"):
        for a, b in HAND_BONES:
            line(PARTS[part].start + a, PARTS[part].start + b, colours[0].tolist(), 0.008)
    for image, value in ((frame, colours[0].tolist()), (mask, 255)):
        cv2.circle(image, where[0].tolist(), int(0.055 * size * 8), value, -1, cv2.LINE_AA, 3)
    return frame, mask


def _motions(rng: np.random.Generator, frames: int) -> NDArray[np.float64]:
    start, stop = rng.uniform(-1, 1, (2, 10))
    return start + (stop - start) * np.linspace(0, 1, frames)[:, None]


def _person(
    rng: np.random.Generator, motions: NDArray[np.float64], size: int
) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.uint8]]:
    build, colours = rng.uniform(0.8, 1.15, 3), rng.integers(0, 255, (4, 3))
    shade = rng.integers(0, 255, (2, 1, 3))
    background = np.linspace(shade[0], shade[1], size).astype(np.uint8).repeat(size, 1)
    keypoints = np.stack([keypoints_of(motion, build) for motion in motions])
    frames, masks = zip(*(draw(points, colours, background) for points in keypoints), strict=True)
    return keypoints, np.stack(frames), np.stack(masks)


def _sources(keypoints: NDArray[np.float32], masks: NDArray[np.uint8]) -> dict[str, NDArray[np.generic]]:
    """As if nothing but the place changed from a frame to the photo, the last one; parts in strips."""
    cells = masks[:, 1::2, 1::2] > 0
    row, column = np.mgrid[: cells.shape[1], : cells.shape[2]]
    centres = (np.stack([column, row], -1) + 0.5) / cells.shape[1]
    source = centres + (keypoints[-1, 0, :2] - keypoints[:, 0, :2])[:, None, None]
    x, y = np.moveaxis(np.floor(source * cells.shape[1]).astype(int).clip(0, cells.shape[1] - 1), -1, 0)
    inside = ((source >= 0) & (source < 1)).all(-1)
    return {
        "source": pack((source * cells[..., None]).astype(np.float32)),
        "source_seen": cells & inside & cells[-1][y, x],
        "source_part": np.where(cells, 1 + column // 4 % (len(PART_LABELS) - 1), 0).astype(np.uint8),
    }


def pair_sample(seed: int, split: str, identities: int = 3, frames: int = 6, size: int = 96) -> dict[str, bytes]:
    rng = np.random.default_rng((seed, 0))
    motions, members = _motions(rng, frames), {}
    for i in range(identities):
        keypoints, images, masks = _person(rng, motions, size)
        for t, image in enumerate(images):
            members[f"i{i}.t{t}.jpg"] = simplejpeg.encode_jpeg(image, quality=92)
        depth = (masks > 0) * np.float16(2)
        normals = (masks > 0)[..., None] * np.array([0, 0.6, -0.8], np.float16)
        keypoints3d = np.concatenate([keypoints[..., :2] - 0.5, np.full((frames, COUNT, 1), 2)], -1)
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            keypoints=keypoints,
            keypoints3d=keypoints3d.astype(np.float32),
            mask=masks > 0,
            part=(masks > 0).astype(np.uint8),
            depth=depth.astype(np.float16),
            normals=normals.astype(np.float16),
            **_sources(keypoints, masks),
            intrinsics=np.eye(3, dtype=np.float32),
        )
        members[f"i{i}.npz"] = buffer.getvalue()
    about = {"kind": "pair", "id": f"p{seed}", "split": split, "identities": [f"{seed}-{i}" for i in range(identities)]}
    shape = {"frames": frames, "motion_frames": frames - 1, "size": size, "motion": f"m{seed}"}
    members["json"] = json.dumps({**about, **shape, **_DRAWN}).encode()
    return members


def clip_sample(seed: int, split: str, frames: int = 12, size: int = 96) -> dict[str, bytes]:
    rng = np.random.default_rng((seed, 1))
    keypoints, images, _ = _person(rng, _motions(rng, frames), size)
    video, array = io.BytesIO(), io.BytesIO()
    with av.open(video, "w", "mp4") as container:
        # With its assembler code x264 reads memory that nobody wrote: equal frames then give other bytes.
        stream = container.add_stream("libx264", rate=12, options={"x264-params": "asm=0"})
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image).reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    np.save(array, keypoints)
    about = {"kind": "clip", "id": f"c{seed}", "split": split, "source": "toy", "licence": "CC0-1.0"}
    about |= {"video_id": f"v{seed}", "fps": 12, "frames": frames, "size": size}
    return {"mp4": video.getvalue(), "keypoints.npy": array.getvalue(), "json": json.dumps(about).encode()}


def write_toy_shards(
    workspace: Workspace, pairs: int = 4, clips: int = 2, test_pairs: int = 2, validation_pairs: int = 2
) -> None:
    """Publish shards of both kinds and the `shards` manifest."""
    groups = [
        ("pair", "train", [(f"p{i}", pair_sample(i, "train")) for i in range(pairs)]),
        ("clip", "train", [(f"c{i}", clip_sample(i, "train")) for i in range(clips)]),
        (
            "pair",
            "validation",
            [(f"p{i}", pair_sample(i, "validation")) for i in range(10**5, 10**5 + validation_pairs)],
        ),
        (
            "pair",
            "test",
            [(f"p{i}", pair_sample(i, "test")) for i in range(10**6, 10**6 + test_pairs)],
        ),
    ]
    rows: list[manifest.Row] = []
    held: list[contents.Held] = []
    for kind, split, samples in groups:
        if not samples:
            continue
        record = write_shard(workspace, f"shards/{kind}s/{split}.tar", samples)
        rows.append(
            {
                "id": f"{kind}-{split}",
                "status": "kept",
                "kind": kind,
                "split": split,
                "index_path": write_index(workspace, record),
                "path": record.path,
                "sha256": record.sha256,
                "bytes": record.bytes,
                "samples": record.samples,
            }
        )
        origin = {"kind": "video", "licence": "CC0-1.0", "consent": None}
        held += [
            contents.Held(key, rows[-1], ({**origin, "id": f"v{key[1:]}"},)) for key, _ in samples if kind == "clip"
        ]
        held += [contents.Held(key, rows[-1], ()) for key, _ in samples if kind == "pair"]
    path = contents.write(workspace, held)
    rows = [row | {"contents_path": path} for row in rows]
    manifest.write(workspace, "shards", manifest.build(rows, STAGE.schema), "toy", 0)


if __name__ == "__main__":
    import sys

    write_toy_shards(Workspace(sys.argv[1]), *map(int, sys.argv[2:]))
    print(Path(sys.argv[1]).resolve())
