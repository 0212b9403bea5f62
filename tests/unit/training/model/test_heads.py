import torch

from training.config import ModelConfig
from training.model.heads import HandNormalHead


def test_the_normal_head_sees_the_right_hand_mirrored() -> None:
    """A mirrored picture with its hands exchanged gives each hand the same view as before."""
    torch.manual_seed(0)
    config = ModelConfig(normal_size=8, retarget_width=32)
    head = HandNormalHead(config)
    features, tokens = torch.randn(1, 1, 32, 8, 8), torch.randn(1, 1, 2, config.hand_token)
    boxes = torch.tensor([[[[0.1, 0.2, 0.4, 0.5], [0.6, 0.3, 0.8, 0.5]]]])
    mirrored = boxes.clone()
    mirrored[..., [0, 2]] = 1 - boxes[..., [2, 0]]
    normals = head(features, tokens, boxes)
    other = head(features.flip(-1), tokens.flip(2), mirrored.flip(2))
    assert torch.allclose(normals, other.flip(2), atol=1e-5)
    assert torch.allclose(normals.norm(dim=3), torch.ones(1, 1, 2, 8, 8), atol=1e-5)
