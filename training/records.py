"""Prepared samples: everything that training or evaluation needs of one video, at the model's sizes."""

import io
import itertools
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from threading import Lock
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipelines.curation.decode import DecordDecoder
from pipelines.errors import DataError
from pipelines.keypoints import COUNT, PARTS, part_box
from pipelines.shards.read import Reader, SampleRef
from pipelines.synthesis.places import unpack
from training.config import ModelConfig
from training.fields import each, stack, tensors
from training.inputs import HANDS, Driver, crop, driver_of, head_path, local_points, person_box, places

_STEPS = 1024  # float16 has 1 - x for any x in [-1, 2] that is a whole number of these
_HAND_DEPTH = 0.12  # metres from the hand's points within which a surface counts as the hand


@dataclass(frozen=True)
class Record:
    """T frames of a clip, or of one identity of a pair group.

    frames (T, 3, S, S) uint8. driver: uint8 crops, as if the reference were taken where the person is on the whole.
    heads (T, F, 2), of all F frames of the sample in each, and persons (T, 4): from which its place for another
    reference follows, see `places`.
    keypoints (T, 88, 3) in the frame. points (T, 88, 3) in the driving crops, see `local_points`. hand_boxes (T, 2, 4).
    mask (T, S, S) uint8, parts (T, P, P) uint8 and source (T, 3, P, P) float16, P = `config.cells`: None for clips.
    parts: index into `scene.PART_LABELS`. source: what is at a cell's centre, where in the photo it is, x and y in
    shares of its sides (-1 to 2, in steps of 1 / 1024, which a mirror keeps), then 1 where it is visible there; 0 where
    nobody is. At other sizes than the shards', parts and visibility are those of the stored cell that is nearest, and
    places the mean over the cells of that part around.
    """

    frames: Tensor
    driver: Driver
    heads: Tensor
    persons: Tensor
    keypoints: Tensor
    points: Tensor
    hand_boxes: Tensor
    mask: Tensor | None
    parts: Tensor | None
    source: Tensor | None


_Key = tuple[str, str, int, int]
_Made = TypeVar("_Made", Record, Tensor)


class Records:
    """Reads and prepares frames of samples, keeping the last used ones; may be used from several threads.

    cache_bytes: the most memory for what is kept.
    """

    def __init__(self, reader: Reader, config: ModelConfig, cache_bytes: int) -> None:
        self._reader, self._config, self._most = reader, config, cache_bytes
        # Each is a Record, or the normals, without the axis of frames.
        self._kept: OrderedDict[_Key, Record | Tensor] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, ref: SampleRef, identity: int, frames: Sequence[int]) -> Record:
        """Some frames (in any order, perhaps repeated) of a clip, or of an identity (its place in the group) of a pair.

        Raises: DataError for a sample that breaks the shards' contract or has no such frame.
        """
        make = self._clip if ref.kind == "clip" else self._pair
        return self._made("frames", make, ref, identity, frames)

    def stored_side(self, ref: SampleRef) -> int:
        """Pixels of the longer side of a sample's pictures, before they are brought to the model's size."""
        import simplejpeg

        if ref.kind == "clip":
            height, width = DecordDecoder(self._reader.read(ref, ("mp4",))["mp4"]).get_batch([0]).shape[1:3]
        else:
            name = "i0.t0.jpg"
            height, width, *_ = simplejpeg.decode_jpeg_header(self._reader.read(ref, (name,))[name])
        return int(max(height, width))

    def keypoints(self, ref: SampleRef) -> NDArray[np.float32]:
        """Of all people of a pair in all its frames: (I, T, 88, 3). Raises: as `get`."""
        names = [f"i{identity}.npz" for identity in range(len(ref.meta["identities"]))]
        people = []
        try:
            for members in self._reader.read(ref, names).values():
                with np.load(io.BytesIO(members), allow_pickle=False) as arrays:
                    people.append(checked_keypoints(arrays["keypoints"]))
            return np.stack(people)
        except (DataError, ValueError, KeyError, OSError) as error:
            reason = f"{ref.shard}: sample {ref.id} is not readable ({error}); make the shards again"
            raise DataError(reason) from error

    def normals(self, ref: SampleRef, identity: int, frames: Sequence[int]) -> Tensor:
        """Of the hands of some frames of a pair, see `hand_normals`: (T, 2, 4, N, N) uint8. Raises: as `get`."""
        return self._made("normals", self._normals, ref, identity, frames)

    def _made(
        self,
        what: str,
        make: Callable[[SampleRef, int, list[int]], _Made],
        ref: SampleRef,
        identity: int,
        frames: Sequence[int],
    ) -> _Made:
        keys = {t: (what, ref.id, identity, t) for t in frames}
        with self._lock:
            found: dict[int, Any] = {t: self._kept[key] for t, key in keys.items() if key in self._kept}
        if missing := sorted(set(frames) - found.keys()):
            try:
                made = make(ref, identity, missing)
            except (DataError, ValueError, KeyError, IndexError, OSError) as error:
                reason = f"{ref.shard}: sample {ref.id} is not readable ({error}); make the shards again"
                raise DataError(reason) from error
            # A copy of each, since a slice would keep all of them in memory.
            found |= {t: each(each(made, itemgetter(i)), Tensor.clone) for i, t in enumerate(missing)}
        self._keep({key: found[t] for t, key in keys.items()})
        asked: _Made = stack([found[t] for t in frames])
        return asked

    def _keep(self, used: dict[_Key, Any]) -> None:
        """Put frames, which may be there already, behind all others; drop the first ones where they are too many."""
        with self._lock:
            for key, value in used.items():
                if key not in self._kept:
                    self._bytes += _bytes(value)
                    self._kept[key] = value
                self._kept.move_to_end(key)
            while self._bytes > self._most:
                self._bytes -= _bytes(self._kept.popitem(last=False)[1])

    def _clip(self, ref: SampleRef, identity: int, frames: list[int]) -> Record:  # noqa: ARG002
        members = self._reader.read(ref, ("mp4", "keypoints.npy"))
        keypoints = checked_keypoints(np.load(io.BytesIO(members["keypoints.npy"]), allow_pickle=False))
        decoder = DecordDecoder(members["mp4"])
        if len(decoder) != len(keypoints):
            raise ValueError(f"{len(decoder)} frames but keypoints of {len(keypoints)}")
        return self._record(decoder.get_batch(frames), keypoints, frames, len(keypoints))

    def _pair(self, ref: SampleRef, identity: int, frames: list[int]) -> Record:
        import simplejpeg

        names = [f"i{identity}.t{t}.jpg" for t in frames]
        members = self._reader.read(ref, (*names, f"i{identity}.npz"))
        images = np.stack([simplejpeg.decode_jpeg(members[name], colorspace="RGB") for name in names])
        with np.load(io.BytesIO(members[f"i{identity}.npz"]), allow_pickle=False) as arrays:
            keypoints = checked_keypoints(arrays["keypoints"])
            part, seen = arrays["source_part"][frames], arrays["source_seen"][frames]
            places_in_photo = unpack(arrays["source"][:, frames])
            masks = (arrays["mask"][frames] > 0).astype(np.uint8) * 255
            if masks.shape != images.shape[:3]:
                raise ValueError(f"masks {masks.shape} do not fit frames {images.shape}")
            if places_in_photo.shape != (*part.shape, 2) or seen.shape != part.shape:
                raise ValueError(f"places {places_in_photo.shape} do not fit parts {part.shape} and {seen.shape}")
        record = self._record(images, keypoints, frames, int(ref.meta["motion_frames"]), masks)
        parts, source = cells_of(part, places_in_photo, seen, self._config.cells)
        return replace(record, parts=parts, source=source)

    def _normals(self, ref: SampleRef, identity: int, frames: list[int]) -> Tensor:
        name = f"i{identity}.npz"
        with np.load(io.BytesIO(self._reader.read(ref, (name,))[name]), allow_pickle=False) as arrays:
            keypoints = checked_keypoints(arrays["keypoints"])[frames]
            points, depth, surface = (arrays[name][frames] for name in ("keypoints3d", "depth", "normals"))
            return torch.from_numpy(hand_normals(keypoints, points, depth, surface, self._config.normal_size))

    def _record(
        self,
        images: NDArray[np.uint8],
        keypoints: NDArray[np.float32],
        frames: list[int],
        moving: int,
        masks: NDArray[np.uint8] | None = None,
    ) -> Record:
        """images, masks: of these frames. keypoints: of all frames.

        moving: how many of them are a video, which has one box around the person; a photo behind it has its own, as it
        has in use.
        """
        size = self._config.size
        aspect = images.shape[2] / images.shape[1]
        whole = np.array([0, 0, 1, 1], np.float32)
        video = person_box(keypoints[:moving], aspect)
        persons = np.stack([video if t < moving else person_box(keypoints[t : t + 1], aspect) for t in frames])
        heads = head_path(keypoints)
        middle = heads[:moving].mean(0)
        heads[moving:] = middle  # a photo is taken where the video has its middle
        own = keypoints[frames]
        small = np.stack([crop(image, whole, size) for image in images])
        return Record(
            torch.from_numpy(small).permute(0, 3, 1, 2).contiguous(),
            driver_of(images, own, persons, places(heads[frames], middle, persons), self._config, masks),
            torch.from_numpy(heads).expand(len(frames), -1, -1),
            torch.from_numpy(persons),
            torch.from_numpy(own),
            torch.from_numpy(np.stack([local_points(p, box, aspect) for p, box in zip(own, persons, strict=True)])),
            torch.from_numpy(np.stack([_hand_boxes(points, aspect) for points in own])),
            None if masks is None else torch.from_numpy(np.stack([crop(mask, whole, size) for mask in masks])),
            None,
            None,
        )


def _bytes(value: object) -> int:
    return sum(tensor.nbytes for tensor in tensors(value))


def checked_keypoints(keypoints: NDArray[np.generic]) -> NDArray[np.float32]:
    if keypoints.ndim != 3 or keypoints.shape[1:] != (COUNT, 3) or not np.isfinite(keypoints).all():
        raise ValueError(f"keypoints of shape {keypoints.shape} are not finite (T, {COUNT}, 3)")
    return keypoints.astype(np.float32)


def cells_of(
    part: NDArray[np.uint8], source: NDArray[np.float32], seen: NDArray[np.bool_], count: int
) -> tuple[Tensor, Tensor]:
    """Parts (T, count, count) and source (T, 3, count, count) of a `Record`.

    part, seen: (T, H, H). source: (T, H, H, 2).
    """
    stored = part.shape[1]
    middle = (np.arange(count) + 0.5) * stored / count - 0.5
    low = np.floor(middle).astype(int)
    share = (middle - low).astype(np.float32)
    nearest = np.floor(middle + 0.5).astype(int)
    own = part[:, nearest][:, :, nearest]
    # A mean over those of the four cells around that are of the same part, by how near they are.
    total, weight = np.zeros((*own.shape, 2), np.float32), np.zeros((*own.shape, 1), np.float32)
    for below, right in itertools.product((0, 1), (0, 1)):
        rows, columns = (np.clip(low + step, 0, stored - 1) for step in (below, right))
        near = np.outer(*(share if step else 1 - share for step in (below, right)))
        counts = (near * (part[:, rows][:, :, columns] == own))[..., None]
        total += counts * source[:, rows][:, :, columns]
        weight += counts
    places = np.round(total / weight * _STEPS) / _STEPS
    whole = np.concatenate([places, seen[:, nearest][:, :, nearest, None]], -1) * (own > 0)[..., None]
    return torch.from_numpy(own), torch.from_numpy(np.moveaxis(whole, -1, 1).astype(np.float16))


def _hand_boxes(keypoints: NDArray[np.float32], aspect: float) -> NDArray[np.float32]:
    boxes = [part_box(keypoints, name, aspect) for name in HANDS]
    return np.stack([np.zeros(4, np.float32) if box is None else box for box in boxes])


def hand_normals(
    keypoints: NDArray[np.float32],
    keypoints3d: NDArray[np.float32],
    depth: NDArray[np.float16],
    normals: NDArray[np.float16],
    size: int,
) -> NDArray[np.uint8]:
    """The normals of both hands in their boxes, the right one mirrored: (T, 2, 4, size, size) uint8.

    keypoints, keypoints3d: (T, 88, 3). depth: (T, S, S) metres. normals: (T, S, S, 3) unit vectors in camera space.
    The channels are x, y, z as 127.5 (n + 1), and 255 where the surface belongs to the hand (by its depth).
    """
    out = np.zeros((len(keypoints), 2, size, size, 4), np.uint8)
    for t, points in enumerate(keypoints):
        for side, name in enumerate(HANDS):
            box = part_box(points, name)
            if box is None:
                continue
            near = np.median(np.abs(keypoints3d[t, PARTS[name], 2]))
            # What is far from the box is not converted: that would take longer than all the rest.
            part, box = _around(box, depth[t].shape)
            far, facing = depth[t][part].astype(np.float32), normals[t][part].astype(np.float32)
            hand = (np.abs(far - near) < _HAND_DEPTH) & (far > 0)
            both = np.concatenate([facing, hand[..., None].astype(np.float32)], -1)
            cut: NDArray[Any] = crop(both, box, size)
            unit = cut[..., :3] / (np.linalg.norm(cut[..., :3], axis=-1, keepdims=True) + 1e-6)
            own = (cut[..., 3] > 0.5) * 255
            if side:
                unit, own = unit[:, ::-1] * np.array([-1, 1, 1]), own[:, ::-1]
            out[t, side, ..., :3] = np.round((unit + 1) * 127.5)
            out[t, side, ..., 3] = own
    return np.moveaxis(out, -1, 2)


def _around(box: NDArray[np.float32], shape: tuple[int, ...]) -> tuple[tuple[slice, slice], NDArray[np.float32]]:
    """The part of an image of a shape that a box touches, and the box in shares of that part."""
    size = np.array([shape[1], shape[0]])
    low = np.clip(np.floor(box[:2] * size).astype(int) - 1, 0, size - 1)
    high = np.clip(np.ceil(box[2:] * size).astype(int) + 1, low + 1, size)
    inside = np.concatenate([box[:2] * size - low, box[2:] * size - low]) / np.tile(high - low, 2)
    return (slice(low[1], high[1]), slice(low[0], high[0])), inside
