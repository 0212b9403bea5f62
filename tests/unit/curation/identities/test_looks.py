"""Where the chip of a face is cut, and what colours and places tell, on drawn pictures."""

import cv2
import numpy as np
import pytest

from pipelines import keypoints as kp
from pipelines.curation.identities.body import colours_of, place_difference, place_of
from pipelines.curation.identities.face import chip_of, placements

FACE = {name: kp.FACE_SLICE.start + index for index, name in enumerate(kp.FACE)}
# Where dlib wants the corners of the eyes in a chip of 150 pixels: get_face_chip with padding 0.25.
EYES = {"left_eye_outer": (110.96, 46.35), "right_eye_outer": (37.06, 46.37)}
EYES |= {"left_eye_inner": (89.61, 47.90), "right_eye_inner": (58.41, 47.91)}


def face_in(turn: float, width: float, centre: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """(keypoints (88, 3), the map from a straight chip to them) of a face of that width, turned by radians."""
    straight = np.zeros((kp.COUNT, 2))
    for name, place in EYES.items():
        straight[FACE[name]] = place
    # The base of the nose is wanted at (74.01, 87.78).
    straight[FACE["nose_tip"]], straight[FACE["upper_lip_outer"]] = (74.01, 75.18), (74.01, 105.18)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * width / 100
    shift = np.array(centre) - rotation @ (75, 75)
    points = straight @ rotation.T + shift
    return np.column_stack([points, np.ones(kp.COUNT)]).astype(np.float32), np.column_stack([rotation, shift])


@pytest.mark.parametrize(("turn", "width"), [(0.0, 100.0), (0.4, 30.0), (-1.0, 350.0), (3.1, 17.0)])
def test_the_chip_shows_the_face_upright_in_its_place(turn: float, width: float) -> None:
    keypoints, to_picture = face_in(turn, width, (400.0, 420.0))
    maps, widths, off = placements(keypoints[None])
    assert widths == pytest.approx([width], rel=0.01)
    assert off.max() < 0.005
    chip = np.zeros((150, 150, 3), np.uint8)
    cv2.circle(chip, (111, 46), 12, (255, 0, 0), -1)
    cv2.circle(chip, (37, 46), 12, (0, 255, 0), -1)
    cv2.circle(chip, (74, 88), 12, (0, 0, 255), -1)
    picture = cv2.warpAffine(chip, to_picture, (800, 840), flags=cv2.INTER_AREA)
    found = chip_of(picture, maps[0])
    assert found.shape == (150, 150, 3)
    for channel, place in enumerate([(111, 46), (37, 46), (74, 88)]):
        weight = found[..., channel].astype(float) * (found[..., channel] > 60)
        rows, columns = np.indices(weight.shape)
        centre = ((columns * weight).sum() / weight.sum(), (rows * weight).sum() / weight.sum())
        assert centre == pytest.approx(place, abs=2.0)


def test_a_face_in_profile_is_off_and_one_that_looks_ahead_is_not() -> None:
    keypoints, _ = face_in(0.0, 60.0, (100.0, 100.0))
    profile = keypoints.copy()
    profile[:, 0] = 100 + 0.3 * (profile[:, 0] - 100)
    profile[FACE["nose_tip"], 0] += 20
    _, _, off = placements(np.stack([keypoints, profile]))
    assert off[0] < 0.005
    assert off[1] > 0.08


def dressed(shirt: tuple[int, int, int], trousers: tuple[int, int, int], wall: int) -> tuple[np.ndarray, np.ndarray]:
    frame = np.full((200, 300, 3), wall, np.uint8)
    frame[:, :60] //= 2
    cv2.rectangle(frame, (125, 40), (175, 120), shirt, -1)
    cv2.rectangle(frame, (125, 120), (175, 190), trousers, -1)
    keypoints = np.zeros((kp.COUNT, 3), np.float32)
    for side, x in (("right", 138), ("left", 162)):
        for joint, y in (("shoulder", 45), ("hip", 115), ("knee", 185)):
            keypoints[kp.BODY.index(f"{side}_{joint}")] = x, y, 1
    return frame, keypoints


def test_colours_tell_shirt_from_trousers_and_not_how_large_they_are() -> None:
    red, blue, grey = (200, 30, 30), (30, 30, 200), (90, 90, 90)
    one = colours_of(*dressed(red, blue, 200))
    frame, keypoints = dressed(red, blue, 120)
    small = cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    other = colours_of(small, keypoints * [0.5, 0.5, 1])
    third = colours_of(*dressed(red, grey, 200))
    torso, thighs = (one.reshape(2, -1) * other.reshape(2, -1)).sum(1)
    assert min(torso, thighs) > 0.95
    torso, thighs = (one.reshape(2, -1) * third.reshape(2, -1)).sum(1)
    assert torso > 0.95
    assert thighs < 0.1
    frame, keypoints = dressed(red, blue, 200)
    keypoints[kp.BODY.index("left_knee"), 2] = keypoints[kp.BODY.index("right_knee"), 2] = 0.1
    assert not colours_of(frame, keypoints).reshape(2, -1)[1].any()


def test_a_place_is_compared_where_nobody_stands() -> None:
    places = []
    for left, wall in ((50, 200), (180, 200), (50, 120)):
        frame = np.full((200, 300, 3), wall, np.uint8)
        frame[:, 260:] //= 2
        frame[40:190, left : left + 60] = 0
        places.append(place_of(frame, np.array([left, 30, left + 60, 200.0])))
    moved, elsewhere = (place_difference(places[0][None], places[k][None], 48)[0] for k in (1, 2))
    assert moved == 0
    assert elsewhere > 10
    hidden = np.full_like(places[0], np.nan)
    assert place_difference(places[0][None], hidden[None], 48)[0] == np.inf
