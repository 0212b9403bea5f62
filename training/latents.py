"""The latents of a frozen codec, made once: a file per shard with every window and reference that training draws.

The files are in a folder that is named by all they depend on, and named by their shards' content: a run that was killed
goes on where it was, and later runs of the same data find them.
"""

import json
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from isal.isal_zlib import crc32
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from pipelines import manifest
from pipelines.errors import WorkError
from pipelines.manifest import digest_of
from pipelines.progress import Progress
from pipelines.shards.read import MANIFEST, SampleRef
from pipelines.workspace import Workspace
from training.ahead import ahead, threads
from training.config import Preset
from training.inputs import to_float
from training.model.codec import make_codec
from training.model.pretrained import part_digest
from training.parallel import autocast, uses_bf16
from training.records import Records
from training.windows import frames_from, references, starts

_VERSION = 3  # of how windows are encoded; another one leaves the files of earlier ones alone
_SUMS = "crc32"
_POLL = 1.0  # seconds between two looks for what other workers make


class Latents:
    """Makes and reads the latents of some samples; may be read from several threads.

    Raises: WorkError where the pretrained model has no codec.
    """

    def __init__(self, workspace: Workspace, refs: Iterable[SampleRef], preset: Preset, device: torch.device) -> None:
        self._workspace, self._preset, self._device = workspace, preset, device
        self._counts = sorted({phase.frames for phase in preset.phases if phase.generate})
        model, data = preset.model, preset.data
        weights = part_digest(model.pretrained, "vae")
        lower = uses_bf16(preset.engine, device)
        folder = digest_of(_VERSION, weights, lower, model.size, self._counts, data.clip_stride, data.latents)
        self._refs: defaultdict[str, list[SampleRef]] = defaultdict(list)
        for ref in refs:
            self._refs[ref.shard].append(ref)
        content = {row["path"]: row["sha256"] for row in manifest.read(workspace, MANIFEST).rows()}
        self._paths = {shard: f"train/latents/{folder}/{content[shard]}.safetensors" for shard in sorted(self._refs)}
        self._files: dict[str, tuple[Any, dict[str, int]]] = {}

    def sweep(self, rank: int, world: int) -> None:
        """Delete the files of a worker's share that are damaged."""
        for shard in self._share(rank, world):
            if self._workspace.exists(self._paths[shard]) and not self._is_whole(shard):
                self._workspace.remove(self._paths[shard])

    def encode(self, records: Records, rank: int, world: int) -> None:
        """Make the missing files of a worker's share and wait until others have made theirs.

        No collective waits here: this may take hours, and they give up after minutes.
        """
        progress, codec = Progress("train"), None
        missing = [shard for shard in self._share(rank, world) if not self._workspace.exists(self._paths[shard])]
        for number, shard in enumerate(missing, 1):
            codec = codec or make_codec(self._preset.model).to(self._device)
            began = time.monotonic()
            found = self._encode(shard, records, codec)
            with self._workspace.publish(self._paths[shard]) as path:
                # In one piece: safetensors stores its metadata in any order.
                save_file(found, path, {_SUMS: json.dumps({name: _sum(latents) for name, latents in found.items()})})
            progress.say(
                f"latents of {shard}: {len(found)} windows in {time.monotonic() - began:.0f} s, "
                f"shard {number} of {len(missing)} of worker {rank}"
            )
        for relative in self._paths.values():
            while not self._workspace.exists(relative):
                time.sleep(_POLL)

    def get(self, ref: SampleRef, identity: int, start: int, count: int) -> Tensor:
        """(C, t, h, w) bf16 of the window of `count` frames from a start; of a reference where that is 1.

        Raises: WorkError for a file that is damaged.
        """
        name = _name(ref, identity, start, count)
        path = self._workspace.local(self._paths[ref.shard])
        try:
            if ref.shard not in self._files:
                file = safe_open(path, "pt")
                self._files[ref.shard] = file, json.loads(file.metadata()[_SUMS])  # type: ignore[no-untyped-call]
            file, sums = self._files[ref.shard]
            latents: Tensor = file.get_tensor(name)
            damaged = _sum(latents) != sums[name]
        except (SafetensorError, OSError, KeyError, TypeError):
            damaged = True
        if damaged:
            raise WorkError(f"{path}: the latents of sample {ref.id} are damaged; delete the file and train again")
        return latents

    def _share(self, rank: int, world: int) -> list[str]:
        return list(self._paths)[rank::world]

    def _is_whole(self, shard: str) -> bool:
        wanted = {
            _name(ref, identity, start, count)
            for ref in self._refs[shard]
            for identity in _identities(ref)
            for count, found in self._windows(ref).items()
            for start in found
        }
        try:
            with safe_open(self._workspace.local(self._paths[shard]), "pt") as file:
                return set(file.keys()) == wanted
        except (SafetensorError, OSError):
            return False

    def _windows(self, ref: SampleRef) -> dict[int, list[int]]:
        """Starts of all windows by their number of frames; references are windows of one."""
        data = self._preset.data
        found = {count: starts(ref, data.clip_stride, count, data.latents) for count in self._counts}
        found[1] = np.concatenate([found.get(1, []), references(ref, data.latents)])
        return {count: np.unique(first).astype(int).tolist() for count, first in found.items()}

    @torch.no_grad()
    def _encode(self, shard: str, records: Records, codec: Any) -> dict[str, Tensor]:
        """The latents of every window of a shard by name."""
        jobs = [(ref, identity) for ref in self._refs[shard] for identity in _identities(ref)]
        made: dict[str, Tensor] = {}
        count = self._preset.data.threads
        with threads(count) as pool:
            for _, windows in ahead(lambda job: pool.submit(self._pixels, records, *job), jobs, count + 1):
                for names, pixels in windows.result():
                    with autocast(self._preset.engine, self._device):
                        latents = codec.encode(to_float(pixels.to(self._device)))
                    made |= {name: one.clone() for name, one in zip(names, latents.bfloat16().cpu(), strict=True)}
        return made

    def _pixels(self, records: Records, ref: SampleRef, identity: int) -> list[tuple[list[str], Tensor]]:
        """Names and pixels (N, T, 3, S, S) of the windows with the same number of frames, for each such number."""
        stride = self._preset.data.clip_stride
        found: list[tuple[list[str], NDArray[np.int64]]] = []
        for count, first in self._windows(ref).items():
            names = [_name(ref, identity, start, count) for start in first]
            found.append((names, np.stack([frames_from(ref, stride, count, start) for start in first])))
        needed = np.unique(np.concatenate([frames.ravel() for _, frames in found]))
        pixels = records.get(ref, identity, needed.tolist()).frames
        return [(names, pixels[torch.from_numpy(np.searchsorted(needed, frames))]) for names, frames in found]


def _identities(ref: SampleRef) -> range:
    return range(len(ref.meta["identities"]) if ref.kind == "pair" else 1)


def _name(ref: SampleRef, identity: int, start: int, count: int) -> str:
    return f"{ref.id}/{identity}/{start}/{count}"


def _sum(latents: Tensor) -> int:
    return crc32(latents.view(torch.uint8).numpy())
