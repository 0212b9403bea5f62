"""The whole model: encode a driving video into four tokens per frame, generate the reference person moving so."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from training.config import ModelConfig
from training.inputs import Driver
from training.model.codec import group_frames, latent_frames, make_codec
from training.model.dit import VideoDiT
from training.model.encoders import MotionTokens
from training.model.heads import Heads
from training.model.motion import Guidance, Motion, RetargetedMotion
from training.model.refine import CopyAndRefine
from training.model.skeleton import SkeletonMotion
from training.model.wan import MotionWan


class Animator(nn.Module):
    """All trained parts. Images are (B, 3, H, W) or (B, T, 3, H, W) in [-1, 1].

    weights: False leaves out what is pretrained and gives random numbers of the same shapes.
    """

    def __init__(self, config: ModelConfig, weights: bool = True) -> None:
        super().__init__()
        self.config = config
        self.codec = make_codec(config, weights)
        self.motion: Motion = SkeletonMotion(config) if config.motion == "skeleton" else RetargetedMotion(config)
        self.heads = Heads(config) if config.heads else None
        self.refine = CopyAndRefine(config) if config.refine else None
        channels = self.codec.channels
        extra, still = (self.refine.extra, 2 * channels) if self.refine else (0, channels)
        self.dit: VideoDiT | MotionWan = (
            MotionWan(config, channels, still, self.codec.stride, weights)
            if config.pretrained
            else VideoDiT(config, channels, still, self.codec.stride, extra)
        )

    def encode(self, driver: Driver) -> MotionTokens:
        """driver: float crops with axes (B, T, ...), see `prepare_driver`."""
        return self.motion.look(driver)[0]

    def guide(self, reference: Tensor, tokens: MotionTokens) -> Guidance:
        """Retarget the tokens to the person in the reference image."""
        seen = self.motion.see(reference)
        return self.motion.guide(reference, seen, self.motion.place(seen, tokens), tokens)

    def predict_clean(
        self, latents: Tensor, time: Tensor, known: Tensor, guidance: Guidance, reference: Tensor, still: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The network's output (x or velocity, by the config) and the clean latents that follow from it.

        latents: (B, C, t, h, w) at flow time `time` (B,): (1 - time) x + time noise. known: (B, t).
        still: (B, C, 1, h, w), the latents of the reference.
        """
        still = still.expand(-1, -1, latents.shape[2], -1, -1)
        motion = group_frames(guidance.motion, self.codec.stride)
        if self.refine and guidance.moved is not None:
            still = torch.cat([still, self.codec.encode(guidance.moved)], 1)
            out = self.dit(latents, time, known, motion, still, guidance.face)
            out = self.refine(out, guidance.moved, reference)
        else:
            out = self.dit(latents, time, known, motion, still, guidance.face)
        if self.config.prediction == "x":
            return out, out
        return out, latents - time[:, None, None, None, None] * out

    @torch.no_grad()
    def generate(
        self,
        reference: Tensor,
        tokens: MotionTokens,
        steps: int | None = None,
        guidance_scale: float = 1.0,
        generator: torch.Generator | None = None,
        negative: MotionTokens | None = None,
    ) -> Tensor:
        """Frames (B, T, 3, H, W) of the reference person moving as the tokens say.

        steps: of Euler's method, None for the config's. negative: the motion of the reference image itself (one frame).
        Long videos are made window by window; each window is given the last frames of the one before.
        Raises: ValueError for a guidance scale other than 1 without a negative.
        """
        if guidance_scale != 1 and negative is None:
            raise ValueError("guidance_scale needs `negative`: the tokens of the reference image itself")
        window, history = self.config.window, self.config.history
        count = tokens.body.shape[1]
        side = self.config.size // self.config.codec_factor
        shape = (len(reference), self.codec.channels, latent_frames(self.codec, window), side, side)
        # Every window starts from the same noise: what the motion does not decide then stays as it is.
        noise = torch.randn(shape, generator=generator).to(reference.device)
        still = self.codec.encode(reference[:, None])
        frames: Tensor | None = None
        while frames is None or frames.shape[1] < count:
            start = 0 if frames is None else frames.shape[1] - history
            index = torch.arange(start, start + window).clamp(max=count - 1)
            past = None if frames is None or not history else self.codec.encode(frames[:, start:])
            part = self._window(
                noise, reference, still, tokens.at(index), past, steps or self.config.steps, guidance_scale, negative
            )
            frames = part if frames is None else torch.cat([frames, part[:, history:]], 1)
        return frames[:, :count]

    def _window(
        self,
        noise: Tensor,
        reference: Tensor,
        still: Tensor,
        tokens: MotionTokens,
        past: Tensor | None,
        steps: int,
        guidance_scale: float,
        negative: MotionTokens | None,
    ) -> Tensor:
        guides = [self.guide(reference, tokens)]
        if guidance_scale != 1 and negative is not None:
            guides.append(self.guide(reference, negative.at(torch.zeros(tokens.body.shape[1], dtype=torch.long))))
        latents, given = noise, 0 if past is None else past.shape[2]
        known = torch.zeros(len(noise), noise.shape[2], device=noise.device)
        known[:, :given] = 1
        times = shifted(torch.linspace(1, 0, steps + 1, device=noise.device), self.config.shift)
        for now, then in pairwise(times):
            if past is not None:
                latents = torch.cat([past, latents[:, :, given:]], 2)
            time = now.expand(len(noise))
            cleans = [self.predict_clean(latents, time, known, guide, reference, still)[1] for guide in guides]
            clean = cleans[0] if len(cleans) == 1 else cleans[1].lerp(cleans[0], guidance_scale)
            latents = clean + (latents - clean) * (then / now)
        return self.codec.decode(latents)


def shifted(time: Tensor, shift: float) -> Tensor:
    """Flow times in [0, 1] moved towards noise (1): Esser et al., 2024 (arXiv 2403.03206), eq. 23."""
    return shift * time / (1 + (shift - 1) * time)
