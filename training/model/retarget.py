"""D: places the motion tokens on the body of the person in the reference image."""

import torch
from torch import Tensor, nn

from training.config import ModelConfig
from training.model.encoders import MotionTokens

# Of the perceptron: channels that it is told of each patch, its width, channels that it tells each patch.
_SQUEEZED, _WHOLE, _SPREAD = 8, 512, 32


class RetargetDecoder(nn.Module):
    """A ViT over the four tokens of a frame and the patches of the reference image.

    First a perceptron looks at all of it at once and tells each patch what it concludes: where a limb comes to lie
    follows from the whole pose and the whole body, which attention would have to gather over many layers.

    seen (B, d, g, g), see `Eyes`, and tokens (B, T, ...) -> guidance (B, T, C_g, h, w) on the latent grid and features
    (B, T, d, g, g); g = H / patch.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, grid = config.retarget_width, config.size // config.patch
        self.grid = grid
        # Positions as strong as the content: with weaker ones the heatmaps stay flat for hundreds of steps.
        self.position = nn.Parameter(torch.randn(grid * grid, width) * 0.5)
        sizes = (config.body_token, config.hand_token, config.hand_token, config.face_token)
        self.project = nn.ModuleList(nn.Linear(size, width) for size in sizes)
        self.part = nn.Parameter(torch.randn(len(sizes), width) * 0.5)
        self.squeeze = nn.Conv2d(width, _SQUEEZED, 1)
        self.whole = nn.Sequential(
            nn.Linear(sum(sizes) + _SQUEEZED * grid * grid, _WHOLE),
            nn.GELU(),
            nn.Linear(_WHOLE, _WHOLE),
            nn.GELU(),
            nn.Linear(_WHOLE, _SPREAD * grid * grid),
        )
        self.spread = nn.Linear(_SPREAD, width)
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

    def forward(self, seen: Tensor, tokens: MotionTokens) -> tuple[Tensor, Tensor]:
        parts = (tokens.body, tokens.left_hand, tokens.right_hand, tokens.face)
        batch = tokens.body.shape[:2]
        motion = torch.stack([layer(part) for layer, part in zip(self.project, parts, strict=True)], 2) + self.part
        squeezed = self.squeeze(seen).flatten(1)[:, None].expand(-1, batch[1], -1)
        whole = self.spread(self.whole(torch.cat([*parts, squeezed], -1)).unflatten(-1, (self.grid**2, _SPREAD)))
        patches = (seen.flatten(2).transpose(1, 2) + self.position)[:, None] + whole
        mixed = self.blocks(torch.cat([motion, patches], 2).flatten(0, 1))[:, len(parts) :]
        features = mixed.transpose(1, 2).unflatten(2, (self.grid, self.grid))
        return self.to_guidance(features).unflatten(0, batch), features.unflatten(0, batch)
