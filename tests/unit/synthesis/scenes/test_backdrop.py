"""Places differ, shadows fall where the light says, pictures fill the frame."""

import numpy as np
import pytest

from pipelines.synthesis.scenes.backdrop import KINDS, Backdrop, draw_backdrop, sample_backdrop
from pipelines.synthesis.scenes.lights import sample_light
from pipelines.synthesis.scenes.scene import Floats, Light, Surface
from pipelines.synthesis.scenes.shadow import cast
from tests.unit.synthesis.conftest import front_camera, plain_light


def pole(at: tuple[float, float], height: float = 1.7) -> Surface:
    """A thin upright box of many triangles, standing at (x, y)."""
    # Rings from the middle of the sole outwards, then up.
    rings = [(radius, 0.0) for radius in (0.01, 0.05, 0.1)] + [(0.15, z) for z in np.linspace(0, height, 60)]
    turn = np.linspace(0, 2 * np.pi, 17)[:-1]
    vertices = np.concatenate(
        [np.stack([at[0] + r * np.cos(turn), at[1] + r * np.sin(turn), np.full(16, z)], 1) for r, z in rings]
    ).astype(np.float32)
    low = np.arange((len(rings) - 1) * 16)
    right = low // 16 * 16 + (low + 1) % 16
    faces = np.concatenate([np.stack([low, right, low + 16], 1), np.stack([right, right + 16, low + 16], 1)])
    none = np.zeros((len(vertices), 3), np.float32)
    texture = np.zeros((2, 2, 3), np.uint8)
    return Surface(vertices, none, none[:, :2], faces.astype(np.int32), texture, np.ones(len(faces), np.uint8))


def light_from(direction: list[float]) -> Light:
    light, unit = plain_light(), np.array(direction, np.float32)
    return Light(unit / np.linalg.norm(unit), light.key, light.fill, light.sky, light.ground)


def test_the_shadow_lies_away_from_the_light() -> None:
    shadow = cast(pole((0, 0)), light_from([-1.0, 0.0, 1.0]))

    def at(x: float, y: float) -> float:
        return float(shadow.key.at(np.array([[[x, y]]], np.float32))[0, 0])

    assert at(0.8, 0.0) > 0.5  # a light at 45 degrees: half way up the pole falls 0.85 m away
    assert at(-0.8, 0.0) < 0.02
    assert at(0.8, 0.7) < 0.1
    assert at(2.4, 0.0) < 0.1
    assert float(shadow.touch.at(np.array([[[0.15, 0.0]]], np.float32))[0, 0]) > 0.1
    assert float(shadow.touch.at(np.array([[[0.8, 0.0]]], np.float32))[0, 0]) < 0.01


def test_soft_light_casts_a_softer_shadow() -> None:
    hard, soft = light_from([-1.0, 0.0, 1.0]), light_from([-1.0, 0.0, 1.0])
    soft = Light(soft.direction, soft.key * 0.3, soft.fill, soft.sky * 3, soft.ground)
    places = np.stack([np.full(41, 1.0), np.linspace(-1, 1, 41)], -1)[None].astype(np.float32)
    widths = [float((cast(pole((0, 0)), light).key.at(places) > 0.03).sum()) for light in (hard, soft)]
    assert widths[1] > widths[0] + 3


def place(kind: str) -> Backdrop:
    seed = 0
    while (found := sample_backdrop(np.random.default_rng(seed))).kind != kind:
        seed += 1
    return found


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_a_person_only_darkens_the_place(kind: str) -> None:
    camera = front_camera(64)
    plate = draw_backdrop(place(kind), camera, plain_light())
    bare, shaded = (plate.shaded(cast(pole(at), plain_light())).astype(int) for at in ((40.0, 40.0), (0.0, 0.0)))
    assert (shaded <= bare).all()
    column, row = camera.project(np.array([0.0, 0.15, 0.0], np.float32)).astype(int)
    assert shaded[row, column].sum() < 0.92 * bare[row, column].sum()
    assert bare.std() > 1


def test_a_wall_is_shaded_only_by_light_from_the_other_side() -> None:
    camera = front_camera(64)
    room = place("room")
    differences = []
    for direction in ([0.1, -1.0, 0.4], [0.1, 1.0, 0.4]):
        light = light_from(direction)
        plate = draw_backdrop(room, camera, light)
        wall = plate.floor == 0
        bare, shaded = (plate.shaded(cast(pole(at), light)).astype(int) for at in ((40.0, 40.0), (0.0, 0.0)))
        differences.append(int((bare - shaded)[wall].max()))
    assert differences[0] > 10
    assert differences[1] == 0


def test_places_and_lights_differ_and_are_pure() -> None:
    camera = front_camera(48)

    def draw(seed: int) -> Floats:
        rng = np.random.default_rng(seed)
        return draw_backdrop(sample_backdrop(rng), camera, sample_light(rng)).colours

    pictures = [draw(seed) for seed in range(12)]
    assert min(np.abs(a - b).mean() for i, a in enumerate(pictures) for b in pictures[:i]) > 0.02
    assert (draw(4) == pictures[4]).all()


def test_light_comes_from_all_around() -> None:
    lights = [sample_light(np.random.default_rng(seed)) for seed in range(400)]
    towards = np.array([light.direction for light in lights])
    assert np.allclose(np.linalg.norm(towards, axis=1), 1, atol=1e-5)
    assert 0.4 < (towards[:, 1] < -0.4).mean() < 0.8
    assert 0.06 < (towards[:, 1] > 0.3).mean() < 0.25
    # Whoever is lit from behind still has a face.
    faces = [
        max(0.0, -light.direction[1]) * light.key.mean() + light.fill.mean() + light.sky.mean() for light in lights
    ]
    assert min(faces) > 0.1


def test_a_picture_fills_the_frame_and_shifts_with_the_camera() -> None:
    start = front_camera(64)
    picture = np.zeros((90, 160, 3), np.uint8)
    picture[..., 0] = np.linspace(0, 255, 160)[None]
    picture[..., 1] = np.linspace(0, 255, 90)[:, None]
    backdrop = sample_backdrop(np.random.default_rng(2), "some-picture")
    assert backdrop.kind == "picture"
    still = draw_backdrop(backdrop, start, plain_light(), picture, start).colours
    assert (np.diff(still[32, 4:-4, 0]) > -0.01).all()
    assert (np.diff(still[4:-4, 32, 1]) > -0.01).all()
    turn = np.array([[np.cos(0.1), 0, -np.sin(0.1)], [0, 1, 0], [np.sin(0.1), 0, np.cos(0.1)]], np.float32)
    turned = type(start)(turn @ start.rotation, turn @ start.translation, start.intrinsics, 64)
    moved = draw_backdrop(backdrop, turned, plain_light(), picture, start).colours
    assert np.abs(moved - still).mean() > 0.01
