"""Avatar videos decode to what was asked for, move, and are the same bytes each time."""

from pathlib import Path

import numpy as np
import pytest

from pipelines.engine import pin_threads
from pipelines.synthesis.avatars import FRAMINGS, render_avatar_video


def decode(path: Path) -> np.ndarray:
    import av

    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == 8
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.mark.parametrize("framing", FRAMINGS)
def test_video_is_what_was_asked_for(tmp_path: Path, framing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pin_threads()
    monkeypatch.setattr("pipelines.synthesis.avatars._TEXTURE", 64)
    first, again = tmp_path / "first.mp4", tmp_path / "again.mp4"
    render_avatar_video(first, seed=3, seconds=0.75, fps=8, size=64, framing=framing, engine="raster")
    frames = decode(first)
    assert frames.shape == (6, 64, 64, 3)
    assert np.abs(np.diff(frames.astype(int), axis=0)).max() > 40
    if framing == FRAMINGS[0]:
        render_avatar_video(again, seed=3, seconds=0.75, fps=8, size=64, framing=framing, engine="raster")
        assert first.read_bytes() == again.read_bytes()


def test_impossible_video_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="odd"):
        render_avatar_video(tmp_path / "x.mp4", seed=0, seconds=1, fps=8, size=64, framing="odd")
    with pytest.raises(ValueError, match="even"):
        render_avatar_video(tmp_path / "x.mp4", seed=0, seconds=1, fps=8, size=63, framing="face")
