"""Stage `duplicates`: of the clips that show the same stretch of one recording, in whatever encoding, the best is kept.

Copies come from other videos: re-encoded, scaled, cropped, mirrored, begun at another time, with a mark on them. Clips
of one video never count as copies of each other, for they show different times or people.
"""

import functools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.curation.decode import DecordDecoder
from pipelines.curation.duplicates.align import Thresholds, compare
from pipelines.curation.duplicates.choose import MATCH, originals
from pipelines.curation.duplicates.search import packed, similar_pairs
from pipelines.curation.duplicates.signature import Signature, signature_of
from pipelines.curation.ledger import Ledger
from pipelines.curation.per_video import kept_columns, lost_clips
from pipelines.engine import Row, Worker
from pipelines.manifest import Status, digest_of, schema_of
from pipelines.stage import Context, Stage
from pipelines.workspace import Workspace

SCHEMA = schema_of(
    video_id=pa.string(),
    copy_of=pa.string(),
    copy_of_video=pa.string(),
    offset_s=pa.float64(),
    mirrored=pa.bool_(),
    agreement=pa.float64(),
    appearance=pa.string(),
    signatures_path=pa.string(),
)
_VERSION = 2
_LEDGER = "ledger.npz"
_OPEN_FILES = 256  # of signatures, kept in memory while pairs are compared
_RANKED = ("person_px", "seconds", "sharpness")


@dataclass(frozen=True)
class DuplicatesConfig:
    """thresholds: when two clips are taken for copies."""

    thresholds: Thresholds = field(default_factory=Thresholds)


def run(context: Context) -> Iterator[Row]:
    columns = ("id", "video_id", "path", "keypoints_path", "fps")
    clips: list[Row] = kept_columns(context.inputs["clips"], *columns, *_RANKED).to_pylist()
    by_video: dict[str, list[Row]] = defaultdict(list)
    for clip in clips:
        by_video[clip["video_id"]].append({name: clip[name] for name in columns})
    make_worker = functools.partial(_make_worker, context.workspace, context.folder)
    payloads = [(video, video, {"video_id": video, "clips": group}) for video, group in sorted(by_video.items())]
    found: dict[str, Row] = {}
    for row in context.map(make_worker, payloads, uses_config=False):
        if row["status"] == Status.QUARANTINED:
            yield from lost_clips(row, by_video[row["parent_id"]])
        else:
            found[row["id"]] = row
    ranked = [clip for clip in clips if clip["id"] in found]
    yield from _judged(context, ranked, [found[clip["id"]] for clip in ranked])


def _make_worker(workspace: Workspace, folder: str) -> Worker:
    def sign(video: Row) -> list[Row]:
        path = f"{folder}/files/{digest_of('signatures', _VERSION, video)}.npz"
        signatures = {clip["id"]: _signature(workspace, clip) for clip in video["clips"]}
        with workspace.publish(path) as file:
            np.savez(file, **{f"{name}.{part}": a for name, s in signatures.items() for part, a in asdict(s).items()})
        about = {"video_id": video["video_id"], "status": Status.KEPT, "signatures_path": path}
        return [
            {"id": name, "parent_id": name, **about, "appearance": packed(signature.appearance).tobytes().hex()}
            for name, signature in signatures.items()
        ]

    return sign


def _signature(workspace: Workspace, clip: Row) -> Signature:
    keypoints = np.load(workspace.local(clip["keypoints_path"]), allow_pickle=False)
    decoder = DecordDecoder(workspace.local(clip["path"]))
    return signature_of(decoder.get_batch(range(len(decoder))), keypoints, clip["fps"])


def _judged(context: Context, clips: list[Row], rows: list[Row]) -> Iterator[Row]:
    """clips, rows: the same clips in the order of their ids."""
    for row, match in zip(rows, originals(clips, _matches(context, rows)), strict=True):
        if match is None:
            yield row
            continue
        original, offset, mirrored, agreement = match
        kept = rows[original]
        reason = f"duplicate: of {kept['id']} in video {kept['video_id']}, {offset:+.1f} s"
        yield {
            **row,
            "status": Status.REJECTED,
            "reason": reason + (", mirrored" if mirrored else ""),
            "copy_of": kept["id"],
            "copy_of_video": kept["video_id"],
            "offset_s": round(offset, 3),
            "mirrored": mirrored,
            "agreement": round(agreement, 4),
        }


def _matches(context: Context, rows: list[Row]) -> NDArray[np.void]:
    """All matches among the clips; only pairs with a clip that is new are compared."""
    config: DuplicatesConfig = context.config
    path, key = f"{context.folder}/{_LEDGER}", digest_of(_VERSION, asdict(config))
    ledger, fresh = Ledger.load(context.workspace, path, key, MATCH).moved_to([row["id"] for row in rows])
    appearances = np.array([np.frombuffer(bytes.fromhex(row["appearance"]), np.int8) for row in rows])
    _, videos = np.unique([row["video_id"] for row in rows], return_inverse=True)

    @functools.lru_cache(maxsize=_OPEN_FILES)
    def signatures(path: str) -> dict[str, Signature]:
        return _load(context.workspace, path)

    def signature(row: Row) -> Signature:
        return signatures(row["signatures_path"])[row["id"]]

    found: list[NDArray[np.void]] = [ledger.matches]
    # Compared in the order of their ids, so that it does not matter which of them came first.
    for alike in similar_pairs(appearances, videos, fresh, config.thresholds.looks) if len(rows) else ():
        pairs = np.column_stack([np.sort(alike[:, :2]), alike[:, 2]])
        for one, other, mirrored in pairs[np.lexsort((pairs[:, 2], videos[pairs[:, 1]], videos[pairs[:, 0]]))]:
            match = compare(signature(rows[one]), signature(rows[other]), bool(mirrored), config.thresholds)
            if match is not None:
                entry = (one, other, match.offset_s, match.agreement, mirrored)
                found.append(np.array([entry], MATCH))
    matches = np.sort(np.concatenate(found), order=["one", "other", "mirrored"])
    Ledger(ledger.ids, matches).save(context.workspace, path, key)
    return matches


def _load(workspace: Workspace, path: str) -> dict[str, Signature]:
    """The signatures of a video's clips, by clip."""
    parts: dict[str, Row] = defaultdict(dict)
    with np.load(workspace.local(path), allow_pickle=False) as arrays:
        for name, values in arrays.items():
            clip, _, part = name.partition(".")
            parts[clip][part] = values if values.ndim else float(values)
    return {clip: Signature(**about) for clip, about in parts.items()}


STAGE = Stage(
    name="duplicates",
    config=DuplicatesConfig,
    schema=SCHEMA,
    run=run,
    needs=("clips",),
    version=_VERSION,
    covers="clips",
)
