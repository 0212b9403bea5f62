"""The judges of pictures with their real networks: LPIPS is its authors', and rendered people are seen.

What each judge computes from what its network finds is held in tests/unit/evaluation.
"""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipelines.engine import pin_threads
from pipelines.evaluation.baselines import COPY, TRUTH, baselines
from pipelines.evaluation.figures import FIGURES
from pipelines.evaluation.gate import MODEL, GateConfig, Verdict, judge
from pipelines.evaluation.seen.judges import Judges, Measures, Sample
from pipelines.evaluation.seen.lpips import Lpips
from pipelines.evaluation.seen.movenet import MoveNet
from pipelines.synthesis.groups import Recipe, render_group
from pipelines.synthesis.people.person import Studio
from pipelines.synthesis.scenes.engines import choose_engine
from pipelines.wheels import Wheel, read_members
from pipelines.workspace import Workspace

AGREEMENT = Path(__file__).resolve().parent / "agreement"
_AUTHORS = Wheel("lpips", "0.1.4", "fd537af5828b69d2e6ffc0a397bd506dbc28ca183543617690844c08e102ec5e")
SEED, GROUPS, SIDE = 7, 8, 256
Pictures = NDArray[np.uint8]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace that the tests of this module share, because its models are large."""
    pin_threads()
    made = Workspace(str(tmp_path_factory.mktemp("judges")))
    made.prepare()
    return made


@pytest.fixture(scope="module")
def lpips(kept: Workspace) -> dict[str, Lpips]:
    return Lpips.open(kept)


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    """A pair of each group: two pictures of a motion, and a photo."""
    studio, (engine, _) = Studio.open(256), choose_engine("auto")
    made = []
    for index in range(GROUPS):
        recipe = Recipe(identities=2, frames=3, fps=1.5, size=SIDE)
        view = render_group(studio, engine, SEED, "test", index, recipe).views[0]
        *pictures, reference = (drawn.rgb for drawn in view.layers)
        *masks, reference_mask = (drawn.mask for drawn in view.layers)
        made.append(
            Sample(
                truth=np.stack(pictures),
                mask=np.stack(masks),
                keypoints=view.keypoints[:-1],
                reference=reference,
                reference_mask=reference_mask,
            )
        )
    return made


def mildly_noisy(sample: Sample) -> Pictures:
    noise = np.random.default_rng(0).normal(0, 1, sample.truth.shape)
    return np.clip(sample.truth + noise, 0, 255).round().astype(np.uint8)


def blurred(sample: Sample) -> Pictures:
    """So little that judges still see who is there, and in which pose."""
    return np.stack([np.asarray(cv2.GaussianBlur(one, (0, 0), 1.5)) for one in sample.truth])


def frozen(sample: Sample) -> Pictures:
    return np.stack([sample.reference] * len(sample.truth))


def deserted(sample: Sample) -> Pictures:
    """The place without the person."""
    around = np.ones((9, 9), np.uint8)
    filled = []
    for picture, mask in zip(sample.truth, sample.mask, strict=True):
        hole = cv2.dilate(mask.astype(np.uint8), around)
        filled.append(np.asarray(cv2.inpaint(picture, hole, 3, cv2.INPAINT_TELEA)))
    return np.stack(filled)


MODELS: dict[str, Callable[[Sample], Pictures]] = {
    made.__name__: made for made in (mildly_noisy, blurred, frozen, deserted)
}


@pytest.fixture(scope="module")
def judged(kept: Workspace, samples: list[Sample]) -> list[dict[str, Measures]]:
    """Of each sample, by method, what the judges say."""
    judges = Judges.open(kept)
    found = []
    for sample in samples:
        outputs = {name: make(sample) for name, make in MODELS.items()}
        outputs |= baselines(sample.reference, sample.truth)
        found.append(judges.measure(outputs, sample))
    return found


def verdict_on(judged: list[dict[str, Measures]], name: str) -> Verdict:
    rows = []
    for number, measures in enumerate(judged):
        about = {"sample": str(number), "group": str(number), "framing": "any"}
        rows.append({**about, "method": MODEL, **measures[name].figures})
        rows.append({**about, "method": COPY, **measures[COPY].figures})
    return judge(rows, GateConfig())


def squares(height: int, width: int) -> tuple[Pictures, Pictures]:
    """The pictures that the expectations are of."""
    sys.path.insert(0, str(AGREEMENT))
    try:
        from make import squares as drawn
    finally:
        sys.path.remove(str(AGREEMENT))
    pictures: tuple[Pictures, Pictures] = drawn(height, width)
    return pictures


def test_distances_are_those_of_lpips_authors(lpips: dict[str, Lpips]) -> None:
    rows = json.loads((AGREEMENT / "lpips.json").read_text())
    assert {row["net"] for row in rows} == set(lpips)
    for row in rows:
        plain, noisy = squares(row["height"], row["width"])
        other = noisy if row["against"] == "noise" else noisy[::-1].copy()
        pair = (torch.from_numpy(one).permute(0, 3, 1, 2).float() / 255 for one in (plain, other))
        with torch.no_grad():
            distances = lpips[row["net"]](*pair)
        assert distances.tolist() == pytest.approx(row["distances"], rel=1e-4)


@pytest.mark.parametrize("network", ["vgg", "alex"])
def test_heads_are_those_of_lpips_authors_bit_for_bit(lpips: dict[str, Lpips], network: str) -> None:
    member = f"lpips/weights/v0.1/{network}.pth"
    content = io.BytesIO(read_members(_AUTHORS, [member])[member])
    theirs = torch.load(content, map_location="cpu", weights_only=True)
    assert len(theirs) == 5
    for number in range(5):
        head = theirs[f"lin{number}.model.1.weight"]
        assert torch.equal(head, lpips[network].get_buffer(f"head_{number}"))


def test_movenet_finds_what_tensorflow_does(kept: Workspace) -> None:
    """But for how far its graph rounds the scale of its cells."""
    movenet = MoveNet.open(kept)
    rows = json.loads((AGREEMENT / "movenet.json").read_text())
    for picture, row in zip(squares(192, 192)[0], rows, strict=True):
        np.testing.assert_allclose(movenet.points(picture), row["points"], atol=3e-4)


def test_judges_see_rendered_people(judged: list[dict[str, Measures]]) -> None:
    """The floor of the judges: what they say of the truth."""
    truth = [measures[TRUTH].figures for measures in judged]

    def measured(figure: str) -> list[float]:
        return [figures[figure] for figures in truth if figures[figure] is not None]

    assert set(measured("lpips_vgg")) == {0}
    assert set(measured("sharpness")) == {1}
    assert len(measured("silhouette_iou")) == GROUPS
    assert np.mean(measured("silhouette_iou")) > 0.9
    assert len(measured("body_px")) == GROUPS
    assert np.mean(measured("body_px")) < 8
    assert set(measured("body_found")) == {1}
    assert np.mean(measured("movenet_px")) < 8
    assert np.mean(measured("face_px")) < 5
    assert 0 < np.mean(measured("face_distance")) < 0.6


def test_every_figure_is_kept_and_told(judged: list[dict[str, Measures]]) -> None:
    assert {figure.key for figure in FIGURES} == judged[0][TRUTH].figures.keys()


def test_a_frozen_reference_is_nobody_elses_face(judged: list[dict[str, Measures]]) -> None:
    distances = [measures[COPY].figures["face_distance"] for measures in judged]
    assert 0 in distances
    assert set(distances) <= {0, None}


def test_truth_with_mild_noise_passes_the_gate(judged: list[dict[str, Measures]]) -> None:
    assert verdict_on(judged, "mildly_noisy").reasons == ()


def test_a_blurred_truth_is_refused_for_its_blur_alone(judged: list[dict[str, Measures]]) -> None:
    (reason,) = verdict_on(judged, "blurred").reasons
    assert reason.startswith("sharpness is 0.")


def test_a_frozen_picture_is_refused(judged: list[dict[str, Measures]]) -> None:
    assert "lpips_vgg is not surely better" in verdict_on(judged, "frozen").reasons[0]


def test_a_place_without_the_person_is_refused(judged: list[dict[str, Measures]]) -> None:
    reasons = " ".join(verdict_on(judged, "deserted").reasons)
    for figure in ("lpips_vgg", "silhouette_iou", "body_px"):
        assert f"{figure} is not surely better than copy-reference's" in reasons


def test_what_else_is_judged_changes_nothing(
    kept: Workspace, samples: list[Sample], judged: list[dict[str, Measures]]
) -> None:
    alone = Judges.open(kept).measure({MODEL: blurred(samples[0])}, samples[0])
    assert alone[MODEL].figures == judged[0]["blurred"].figures
