"""Pairs in the report: previews that move and stay small, charts that count every view once."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from pipelines.report.charts import WIDTH, histogram, shares
from pipelines.report.pairs import distributions, from_photo, moving_uri, part_colours
from pipelines.synthesis.places import pack
from pipelines.synthesis.scenes.scene import PART_LABELS


def test_preview_moves_in_time_and_is_small() -> None:
    rng = np.random.default_rng(0)
    column = np.arange(384)
    frames = np.stack([np.tile(127 + 100 * np.sin(column / 20 + t), (256, 1)) for t in range(4)])
    noisy = np.clip(frames[..., None] + rng.normal(0, 3, (*frames.shape, 3)), 0, 255).astype(np.uint8)
    kind, _, content = moving_uri(noisy, 4.0).partition(",")
    assert kind == "data:image/webp;base64"
    assert len(content) < 150_000
    with Image.open(io.BytesIO(base64.b64decode(content))) as picture:
        assert picture.n_frames == 4  # type: ignore[attr-defined]
        assert picture.size == (240, 160)
        picture.seek(1)
        picture.load()
        assert picture.info["duration"] == 250


def test_histogram_counts_every_value_in_its_place() -> None:
    chart = histogram("x", [0.0, 0.1, 0.9, 1.0], bins=2)
    assert [bar.count for bar in chart.bars] == [2, 2]
    assert all(bar.x >= 0 and bar.x + bar.width <= WIDTH for bar in chart.bars)
    assert chart.bars[0].label == "0 to 0.50"
    assert "median 0.5" in chart.summary
    one = histogram("same", [3.0] * 5)
    assert sum(bar.count for bar in one.bars) == one.total == 5


def test_shares_are_sorted_and_told_in_words() -> None:
    chart = shares("x", ["a", "b", "b", "b"])
    assert [(bar.label, bar.count) for bar in chart.bars] == [("b", 3), ("a", 1)]
    assert chart.bars[0].height == pytest.approx(3 * chart.bars[1].height, abs=0.2)
    assert chart.summary == "b 75%, a 25%"


def view(identity: str, **more: object) -> dict[str, object]:
    names = ("age", "stature", "skin", "distance", "height", "focal", "yaw", "pitch", "roll", "visible")
    about = {
        "identity": identity,
        "sex": "woman",
        "framing": "full",
        "move": "tripod",
        "place": "room",
        "codec": "jpeg",
        "clean": False,
    }
    return {**about, **dict.fromkeys(names, 0.5), **more}


def test_identities_are_counted_once_and_views_each() -> None:
    rows = [
        {
            "views": [view("a"), view("b", sex="man", clean=True, codec="none")],
            "arm_raise": [10.0, 90.0],
            "facing": [0.0, 5.0],
            "source": source,
        }
        for source in ("procedural", "0a1b")
    ]
    charts = {chart.title: chart for group in distributions(rows) for chart in group.charts}
    assert charts["Sex"].total == 2
    assert charts["Distance (m)"].total == 4
    assert charts["Camera effects and codec"].summary == "jpeg 50%, clean 50%"
    assert charts["Source of the motion"].summary == "drawn 50%, recorded 50%"
    assert charts["Facing (degrees from the front)"].total == 4
    assert distributions([]) == ()


def test_colours_come_from_their_places_in_the_photo() -> None:
    photo = np.random.default_rng(0).integers(1, 255, (8, 8, 3), np.uint8)
    row, column = np.mgrid[:4, :4]
    mirrored = np.stack([1 - (column + 0.5) / 4 + 0.01, (row + 0.5) / 4 + 0.01], -1).astype(np.float32)
    seen = column > 0
    moved = from_photo(photo, pack(mirrored), seen)
    assert (moved[:, 1:] == photo[1::2, 1::2][:, 2::-1]).all()
    assert (moved[:, 0] == 0).all()


def test_every_part_has_a_colour_of_its_own() -> None:
    colours = part_colours(np.arange(len(PART_LABELS), dtype=np.uint8)[None])[0]
    assert (colours[0] == 0).all()
    gaps = np.abs(colours[1:, None].astype(int) - colours[None, 1:]).sum(-1)
    assert gaps[~np.eye(len(gaps), dtype=bool)].min() > 20
