"""D: places the motion tokens on the body of the person in the reference image."""

import math

import torch
from torch import Tensor, nn

from training.config import ModelConfig
from training.model.encoders import MotionTokens, strided


class RetargetDecoder(nn.Module):
    """A ViT over the four tokens of a frame and the patches of the reference image.

    seen (B, d, g, g), see `see`, and tokens (B, T, ...) -> guidance (B, T, C_g, h, w) on the latent grid and features
    (B, T, d, g, g); g = H / patch.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, grid = config.retarget_width, config.size // config.patch
        self.grid = grid
        # Convolutions, not one linear map per patch: where the reference person's limbs are is half of the question.
        narrow = [max(8, width >> level) for level in range(int(math.log2(config.patch)), 1, -1)]
        self.embed = nn.Sequential(*strided(3, [*narrow, width]))
        # Positions as strong as the content: with weaker ones the heatmaps stay flat for hundreds of steps.
        self.position = nn.Parameter(torch.randn(grid * grid, width) * 0.5)
        sizes = (config.body_token, config.hand_token, config.hand_token, config.face_token)
        self.project = nn.ModuleList(nn.Linear(size, width) for size in sizes)
        self.part = nn.Parameter(torch.randn(len(sizes), width) * 0.5)
        layer = nn.TransformerEncoderLayer(
            width,
            config.retarget_heads,
            4 * width,
            dropout=0.0,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.blocks = nn.TransformerEncoder(
            layer, config.retarget_layers, norm=nn.LayerNorm(width), enable_nested_tensor=False
        )
        ratio = config.patch // config.codec_factor
        self.to_guidance = nn.Sequential(nn.Conv2d(width, config.guidance * ratio * ratio, 1), nn.PixelShuffle(ratio))

    def see(self, reference: Tensor) -> Tensor:
        """What the reference (B, 3, H, W) in [-1, 1] shows, before it is told to move: (B, d, g, g)."""
        seen: Tensor = self.embed(reference)
        return seen

    def forward(self, seen: Tensor, tokens: MotionTokens) -> tuple[Tensor, Tensor]:
        parts = (tokens.body, tokens.left_hand, tokens.right_hand, tokens.face)
        batch = tokens.body.shape[:2]
        motion = torch.stack([layer(part) for layer, part in zip(self.project, parts, strict=True)], 2) + self.part
        patches = seen.flatten(2).transpose(1, 2) + self.position
        patches = patches[:, None].expand(-1, batch[1], -1, -1)
        mixed = self.blocks(torch.cat([motion, patches], 2).flatten(0, 1))[:, len(parts) :]
        features = mixed.transpose(1, 2).unflatten(2, (self.grid, self.grid))
        return self.to_guidance(features).unflatten(0, batch), features.unflatten(0, batch)
