"""Hold what is found in a labelled photo against its labels: counts that can be added over photos."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from pipelines import keypoints as kp
from tests.labelled import score
from tests.real.labels import Floats, Person, Picture
from tests.real.photos import Seen

HANDS = ("left_hand", "right_hand")
# A pose lies on a label where half of its visible points are no farther off than so much of the longer side.
_LIES, _LIES_SHARE = 0.2, 0.5
_AS_LARGE = 0.7  # of the largest area: who is so large may be animated as well
_INSIDE = 0.95  # of the area of a head or hand that must be in the crop
_APART = 0.1  # in longer sides: from so far on it can be told which wrist is which
_EDGE = 0.01  # of the picture: a box that is nearer to its edge is cut by it
_CLOSE = 0.5  # of the picture's height: taller people are close


@dataclass(frozen=True)
class Counts:
    """Pairs are (right, all).

    people: labelled people who are found. animated: photos of which the right person is animated. close, far: visible
    body points of close and of other people that are right (PCK@0.1), of people who are not found, too. placed: the
    same of those who are found. swapped: people with a wrist or hand on the other side, of those where it can be told.
    heads, hands: those in the crop of the person who is rightly animated. errors: distances of visible points of found
    people from their labels, in longer sides.
    """

    people: tuple[int, int] = (0, 0)
    animated: tuple[int, int] = (0, 0)
    close: tuple[int, int] = (0, 0)
    far: tuple[int, int] = (0, 0)
    placed: tuple[int, int] = (0, 0)
    swapped: tuple[int, int] = (0, 0)
    heads: tuple[int, int] = (0, 0)
    hands: tuple[int, int] = (0, 0)
    errors: tuple[float, ...] = ()

    def __add__(self, other: "Counts") -> "Counts":
        sums = {}
        for one in fields(self):
            ours, theirs = getattr(self, one.name), getattr(other, one.name)
            sums[one.name] = ours + theirs if one.name == "errors" else (ours[0] + theirs[0], ours[1] + theirs[1])
        return Counts(**sums)

    @property
    def body(self) -> tuple[int, int]:
        return self.close[0] + self.far[0], self.close[1] + self.far[1]


def compare(picture: Picture, seen: Seen) -> Counts:
    counts = _crop(picture, seen)
    # Small and hardly visible people are matched, too, so that nobody else is taken for them.
    partner = dict(_matched(picture.people, seen))
    for person in picture.counted:
        points = partner.get(id(person))
        found = points is not None
        points = np.zeros((kp.COUNT, 3), np.float32) if points is None else points
        body = score.right_points(points, person.points, person.side)
        swapped = swapped_wrists(points, person)
        counts += Counts(
            people=(int(found), 1),
            close=body if is_close(person, picture.size) else (0, 0),
            far=(0, 0) if is_close(person, picture.size) else body,
            placed=body if found else (0, 0),
            swapped=(0, 0) if swapped is None else (int(swapped), 1),
            errors=_errors(points, person) if found else (),
        )
    return counts


def to_animate(picture: Picture) -> tuple[Person, ...]:
    """The largest of those who count, and who are nearly as large."""
    areas = [float((person.box[2:] - person.box[:2]).prod()) for person in picture.counted]
    return tuple(p for p, area in zip(picture.counted, areas, strict=True) if area >= _AS_LARGE * max(areas))


def is_close(person: Person, size: tuple[int, int]) -> bool:
    """Whether somebody is taller than half of the picture, or cut by its edge."""
    low, high = person.box[:2], person.box[2:]
    edge = _EDGE * np.array(size)
    cut = bool((low <= edge).any() or (high >= np.array(size) - edge).any())
    return cut or bool(high[1] - low[1] > _CLOSE * size[1])


def lies_on(points: NDArray[np.float32], person: Person) -> bool:
    """Whether a pose (88, 3) is that of a labelled person, if roughly, and be it with left and right exchanged."""
    return _roughly(points, person) >= _LIES_SHARE


def swapped_wrists(points: NDArray[np.float32], person: Person) -> bool | None:
    """Whether a wrist of the body, or a hand, is nearer to the true wrist of the other side than to its own; None where
    that cannot be told: nothing is found, or the true wrists are not both visible and apart."""
    wrists = {side: person.points[kp.BODY.index(f"{side}_wrist")] for side in ("left", "right")}
    if min(wrist[2] for wrist in wrists.values()) <= 0:
        return None
    apart = float(np.linalg.norm(wrists["left"][:2] - wrists["right"][:2]))
    told = []
    for side, other in (("left", "right"), ("right", "left")):
        for point in (points[kp.BODY.index(f"{side}_wrist")], points[kp.PARTS[f"{side}_hand"]][0]):
            if point[2] > 0:
                own, wrong = (np.linalg.norm(point[:2] - wrists[name][:2]) for name in (side, other))
                told.append(bool(wrong < own))
    return any(told) if told and apart > _APART * person.side else None


def inside(box: Floats, square: Floats, size: tuple[int, int]) -> bool:
    """Whether a square shows what of a box (4,) is in the picture, but for a twentieth of its area."""
    box = np.clip(box, 0, np.tile(size, 2))
    shown = np.clip(np.minimum(box[2:], square[2:]) - np.maximum(box[:2], square[:2]), 0, None).prod()
    return bool(shown >= _INSIDE * (box[2:] - box[:2]).prod())


def _matched(people: tuple[Person, ...], seen: Seen) -> list[tuple[int, NDArray[np.float32]]]:
    """(id of the labelled person, points of the found one) of those who belong together: the pairing of the most right
    points, near ones first. Boxes tell less: ours are around points, others' around pixels."""
    if not people or not seen.people:
        return []
    shares = np.array([[_agreement(found.points, person) for person in people] for found in seen.people])
    rows, columns = linear_sum_assignment(-shares)
    pairs = [(seen.people[ours].points, people[true]) for ours, true in zip(rows, columns, strict=True)]
    return [(id(person), points) for points, person in pairs if lies_on(points, person)]


def _agreement(points: NDArray[np.float32], person: Person) -> float:
    near, visible = score.right_points(points, person.points, person.side)
    return _roughly(points, person) + near / max(1, visible)


def _roughly(points: NDArray[np.float32], person: Person) -> float:
    """Share of the visible points that are about where the pose has them, or the pose in the mirror."""
    mirrored = points[list(kp.MIRRORED)]
    return max(
        right / max(1, visible)
        for right, visible in (score.right_points(one, person.points, person.side, _LIES) for one in (points, mirrored))
    )


def _crop(picture: Picture, seen: Seen) -> Counts:
    """Of the person to animate and the crop around them."""
    wanted = to_animate(picture)
    if not wanted:
        return Counts()
    chosen = seen.chosen
    person = next((one for one in wanted if chosen is not None and lies_on(chosen, one)), None)
    if person is None or seen.square is None:
        return Counts(animated=(0, 1))
    shown = {part: inside(box, seen.square, picture.size) for part, box in person.parts.items()}
    heads = [shown[part] for part in shown if part not in HANDS]
    hands = [shown[part] for part in shown if part in HANDS]
    return Counts(animated=(1, 1), heads=(sum(heads), len(heads)), hands=(sum(hands), len(hands)))


def _errors(points: NDArray[np.float32], person: Person) -> tuple[float, ...]:
    true = person.points[kp.BODY_SLICE]
    known = (true[:, 2] > 0) & (points[kp.BODY_SLICE, 2] > 0)
    away = np.linalg.norm(points[kp.BODY_SLICE, :2] - true[:, :2], axis=1)[known] / person.side
    return tuple(float(value) for value in away)
