"""Pictures of what was found and what is labelled, for looking at."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from pipelines import keypoints as kp
from pipelines.curation.decode import Frame, PyAvDecoder
from tests.labelled.found import nearest
from tests.real.clips import Judged
from tests.real.figures import Counts
from tests.real.labels import Floats, Person, Picture
from tests.real.photos import Seen, image_of

_SIDE = 900  # longest, of the picture of a photo, pixels
_TILE, _TILES, _COLUMNS = 360, 12, 4  # of the picture of a clip
_LABEL, _FOUND, _CHOSEN, _SQUARE, _TEXT = (255, 255, 255), (0, 220, 0), (255, 140, 0), (255, 0, 255), (255, 255, 0)
_PARTS = {"body": (0, 220, 0), "left_hand": (255, 60, 60), "right_hand": (60, 120, 255), "face": (0, 220, 220)}
_SEEN = 0.3


def draw_all(photos: Iterable[tuple[Picture, Seen, Counts]], judged: Iterable[Judged], folder: Path) -> None:
    """A PNG per photo and clip. White: labels (boxes, crosses). Green: found. Orange: the person to animate. Magenta:
    their crop. Of landmarks red: left hand, blue: right hand, cyan: face."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (picture, seen, counts) in enumerate(photos):
        _save(
            folder / f"photo{number:03}_{_plain(picture.name)}.png",
            draw_photo(image_of(picture), picture, seen, counts),
        )
    for number, one in enumerate(judged):
        _save(folder / f"clip{number:03}_{_plain(one.clip.name)}.png", draw_clip(one))


def draw_photo(image: Frame, picture: Picture, seen: Seen, counts: Counts) -> Frame:
    import cv2

    scale = _SIDE / max(picture.size)
    canvas = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    square = None if seen.square is None else seen.square * scale
    # The crop may reach beyond the picture.
    beyond = 0 if square is None else max(0, -square.min(), square[2] - canvas.shape[1], square[3] - canvas.shape[0])
    room = int(np.ceil(beyond)) + 2
    canvas = cv2.copyMakeBorder(canvas, room, room, room, room, cv2.BORDER_CONSTANT, value=(40, 40, 40))
    for person in picture.people:
        _draw_label(canvas, person, scale, room)
    for found in seen.people:
        _draw_box(canvas, found.box * scale + room, _FOUND)
        _draw_points(canvas, found.points, scale, np.zeros(2) - room / scale)
    if square is not None and seen.chosen is not None:
        _draw_box(canvas, square + room, _SQUARE, 2)
        body = seen.chosen[kp.BODY_SLICE]
        for x, y in body[body[:, 2] >= _SEEN, :2] * scale + room:
            cv2.circle(canvas, (int(x), int(y)), 5, _CHOSEN, 1)
    said = f"{counts.people[0]}/{counts.people[1]} found  heads {counts.heads}  hands {counts.hands}"
    cv2.putText(canvas, said, (4, canvas.shape[0] - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.5, _TEXT, 1, cv2.LINE_AA)
    return canvas


def draw_clip(one: Judged) -> Frame:
    """A sheet of frames with who is followed, and what is decided about them then."""
    import cv2

    tiles = [_tile(time, frame, one) for time, frame in _frames(one)]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % _COLUMNS)
    sheet = np.vstack([np.hstack(tiles[row : row + _COLUMNS]) for row in range(0, len(tiles), _COLUMNS)])
    said = f"{one.clip.name}: {one.clip.verdict}, kept {one.kept:.1f} of {one.seconds:.1f} s"
    cv2.putText(sheet, said, (4, sheet.shape[0] - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.5, _TEXT, 1, cv2.LINE_AA)
    return sheet


def _tile(time: float, frame: Frame, one: Judged) -> Frame:
    import cv2

    scale = _TILE / max(frame.shape[:2])
    tile = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    cv2.putText(tile, f"{time:.2f}", (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _TEXT, 1, cv2.LINE_AA)
    for followed in one.found.tracks:
        index = nearest(followed.track, time, 0.05)
        if index is None:
            continue
        box = followed.track.boxes[index] * scale
        reasons = [clip["reason"] or "kept" for clip in followed.clips if clip["start_s"] <= time < clip["end_s"]]
        _draw_box(tile, box, _FOUND)
        _draw_points(tile, followed.track.keypoints[index], scale, np.zeros(2))
        place = (int(max(0, box[0])), int(max(24, box[1])))
        said = (reasons or ["-"])[0].split(":")[0]
        cv2.putText(tile, said, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, _TEXT, 1, cv2.LINE_AA)
    return tile


def _frames(one: Judged) -> Iterator[tuple[float, Frame]]:
    """Frames that were looked at, evenly over the video."""
    times = sorted({float(time) for followed in one.found.tracks for time in followed.track.times}) or [0.0]
    wanted = {times[round(k)] for k in np.linspace(0, len(times) - 1, _TILES)}
    for time, frame in PyAvDecoder().frames(one.clip.path):
        near = min(wanted, key=lambda at: abs(at - time), default=None)
        if near is not None and abs(near - time) < 1e-3:
            wanted.discard(near)
            yield time, frame


def _draw_label(canvas: Frame, person: Person, scale: float, room: int) -> None:
    import cv2

    _draw_box(canvas, person.box * scale + room, _LABEL)
    for box in person.parts.values():
        _draw_box(canvas, box * scale + room, _LABEL)
    body = person.points[kp.BODY_SLICE]
    for x, y in body[body[:, 2] > 0, :2] * scale + room:
        cv2.drawMarker(canvas, (int(x), int(y)), _LABEL, cv2.MARKER_CROSS, 9, 1)


def _draw_points(canvas: Frame, points: Floats, scale: float, corner: Floats) -> None:
    """points: (88, 3). corner (2,): of the canvas, both in the pixels of the source."""
    import cv2

    placed = (points[:, :2] - corner) * scale
    body = points[kp.BODY_SLICE]
    for a, b in kp.BODY_BONES:
        if min(body[a, 2], body[b, 2]) >= _SEEN:
            cv2.line(canvas, _whole(placed[a]), _whole(placed[b]), _FOUND, 1, cv2.LINE_AA)
    for part, where in kp.PARTS.items():
        least = _SEEN if part == "body" else 1e-6
        for place in placed[where][points[where, 2] >= least]:
            cv2.circle(canvas, _whole(place), 2 if part == "body" else 1, _PARTS[part], -1)


def _draw_box(canvas: Frame, box: Floats, colour: Sequence[int], width: int = 1) -> None:
    import cv2

    cv2.rectangle(canvas, _whole(box[:2]), _whole(box[2:]), colour, width)


def _whole(place: Floats) -> tuple[int, int]:
    return round(float(place[0])), round(float(place[1]))


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name)[-60:]


def _save(path: Path, image: Frame) -> None:
    from PIL import Image

    Image.fromarray(np.ascontiguousarray(image)).save(path)
