"""Put a motion that was recorded on another skeleton onto ours.

Every bone gets the rotation that its counterpart has relative to a rest pose, after an alignment of the two rest
poses: limbs and fingers by their direction and the axis of their hinge (so that bones point where the recorded ones
do), trunk, head and feet as they are, since both stand upright on flat feet, and collar bones likewise once they are
raised with the arms. World axes, unit and heading
follow from the rest pose: what is above is z, what is left is x, and legs are as long as ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from pipelines.errors import DataError
from pipelines.synthesis.body.model import Pose
from pipelines.synthesis.movement.recorded import Recorded
from pipelines.synthesis.movement.skeleton import Skeleton, about

Array = NDArray[np.float64]

FINGERS = {"thumb": 1, "index": 2, "middle": 3, "ring": 4, "little": 5}
SIDES = ("L", "R")
ESSENTIAL = ("head", *(f"{part}.{side}" for part in ("thigh", "shin", "foot", "arm", "forearm", "hand")
                       for side in SIDES))  # fmt: skip
_SPINE = ("spine05", "spine04", "spine03", "spine02", "spine01")
_NECK = ("neck01", "neck02", "neck03", "head")
_RHYTHM, _ARM_AT_REST = 0.22, 45.0
_ROUNDED = 0.02  # of a stride, that a file's rate may lack
_LEAST_BEND = np.sin(np.radians(25))  # below it, an elbow says nothing about its hinge


@dataclass(frozen=True)
class Source:
    """A recorded motion in its own axes and unit.

    rotations: joint -> (T, 3, 3) of the joint in the world, relative to the rest pose. rest: joint -> (3,) positions of
    an upright rest pose. hips (T, 3): the middle between the hip joints. ankles (T, 2, 3). Joints are called hips,
    head, collar, arm, forearm, hand, thigh, shin, foot, and thumb1 .. little3, with `.L` or `.R` where there are two;
    spine and neck name those between hips and collars, and between collars and head, from below.
    """

    fps: float
    rotations: dict[str, Array]
    rest: dict[str, Array]
    hips: Array
    ankles: Array
    spine: tuple[str, ...] = ()
    neck: tuple[str, ...] = ()
    actions: dict[str, Array] = field(default_factory=dict)


def stride_of(fps: float, most_fps: float) -> int:
    """Every how many frames one is taken, so that there are at most about `most_fps` in a second; files round."""
    return max(1, int(fps / most_fps + _ROUNDED))


def retarget(source: Source, skeleton: Skeleton) -> Recorded:
    """The motion on our skeleton: it begins above the origin, and its lowest ankle stands on the floor.

    Raises: DataError where the rest pose has no direction, as with joints in one place.
    """
    axes = _axes(source.rest)
    rest = {joint: axes @ place for joint, place in source.rest.items()}
    turned = {joint: axes @ rotation @ axes.T for joint, rotation in source.rotations.items()}
    chest = turned[source.spine[-1]] if source.spine else turned["hips"]
    world = _trunk(turned, source)
    for bone, (joint, aligned) in alignments(rest, skeleton).items():
        # Collar bones are the only joints that files may lack here.
        world[bone] = turned.get(joint, chest) @ aligned
    local = local_rotations(world, skeleton)
    for side in SIDES:
        _share_twist(local, skeleton, side)
    pose = Pose(
        {bone: rotation.astype(np.float32) for bone, rotation in local.items()},
        _translation(source, rest, axes, skeleton),
        {name: np.clip(values, 0, 1).astype(np.float32) for name, values in source.actions.items()},
    )
    return Recorded(pose, source.fps)


def _unit(vector: Array) -> Array:
    length = float(np.linalg.norm(vector))
    if length < 1e-9:
        raise DataError("two joints of the rest pose are in one place; the skeleton cannot be used")
    return np.asarray(vector / length)


def _axes(rest: dict[str, Array]) -> Array:
    """The rotation (3, 3) from the file's axes to ours: x to the person's left, -y forward, z up."""
    up = _snapped(rest["head"] - (rest["foot.L"] + rest["foot.R"]) / 2)
    left = rest["thigh.L"] - rest["thigh.R"]
    left = _unit(left - (left @ up) * up)
    return np.stack([left, np.cross(up, left), up])


def _snapped(vector: Array) -> Array:
    """The coordinate axis nearest to a vector: files are y-up or z-up."""
    axis = np.zeros(3)
    largest = int(np.abs(vector).argmax())
    axis[largest] = np.sign(vector[largest])
    return axis


def _frame(along: Array, beside: Array) -> Array:
    """Orthonormal axes as columns (3, 3): the first along a bone, the second nearest to `beside`."""
    first = _unit(along)
    second = _unit(beside - (beside @ first) * first)
    return np.stack([first, second, np.cross(first, second)], 1)


def _trunk(turned: dict[str, Array], source: Source) -> dict[str, Array]:
    chest = turned[source.spine[-1]] if source.spine else turned["hips"]
    return (
        {"root": turned["hips"]}
        | _spread(_SPINE, [turned["hips"], *(turned[name] for name in source.spine)])
        | _spread(_NECK, [chest, *(turned[name] for name in source.neck), turned["head"]])
    )


def _spread(bones: Sequence[str], chain: Sequence[Array]) -> dict[str, Array]:
    """Rotations for bones at equal steps along a chain of joints, the last of which is the last bone's."""
    spread = {}
    for number, bone in enumerate(bones, start=1):
        place = number / len(bones) * (len(chain) - 1)
        first = min(int(place), max(len(chain) - 2, 0))
        after = min(first + 1, len(chain) - 1)
        start, end = Rotation.from_matrix(chain[first]), Rotation.from_matrix(chain[after])
        arc = Rotation.from_rotvec((start.inv() * end).as_rotvec() * (place - first))
        spread[bone] = (start * arc).as_matrix()
    return spread


def alignments(rest: dict[str, Array], skeleton: Skeleton) -> dict[str, tuple[str, Array]]:
    """Bone -> (its joint in the other skeleton, the rotation (3, 3) from our reference pose to the other's rest pose),
    for all bones but those of the trunk, whose rest poses are alike.

    rest: positions (3,) by joint, in our axes.
    """
    found: dict[str, tuple[str, Array]] = {}
    for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
        # In a T the collar bones are already raised, by the share that `Skeleton` gives them.
        arm = _unit(rest[f"forearm.{side}"] - rest[f"arm.{side}"])
        lift = _RHYTHM * max(np.degrees(np.arccos(-arm[2])) - _ARM_AT_REST, -30.0)
        found[f"clavicle.{side}"] = f"collar.{side}", about(np.array([0.0, -sign, 0.0]), np.array([lift]))[0]
        found |= _limbs(rest, skeleton, side) | _fingers(rest, skeleton, side)
    return found


def _limbs(rest: dict[str, Array], skeleton: Skeleton, side: str) -> dict[str, tuple[str, Array]]:
    forward, lateral = np.array([0.0, -1.0, 0.0]), np.array([1.0, 0.0, 0.0])

    def theirs(start: str, end: str) -> Array:
        return _unit(rest[f"{end}.{side}"] - rest[f"{start}.{side}"])

    def ours(start: str, end: str) -> Array:
        return skeleton.direction(f"{start}.{side}", f"{end}.{side}")

    upper, fore = theirs("arm", "forearm"), theirs("forearm", "hand")
    hinge = np.cross(upper, fore)
    if np.linalg.norm(hinge) < _LEAST_BEND:
        # Straight arms bend forwards, whether they hang or are held sideways.
        hinge = np.cross(upper, forward)
    our_upper, our_fore = ours("upperarm01", "lowerarm01"), ours("lowerarm01", "wrist")
    our_hinge = np.cross(our_upper, our_fore)
    palm = theirs("hand", "middle1") if f"middle1.{side}" in rest else fore
    our_hand = _frame(ours("wrist", "finger3-1"), ours("finger5-1", "finger2-1"))
    our_thigh, our_shin = ours("upperleg01", "lowerleg01"), ours("lowerleg01", "foot")
    rows = (
        ("upperarm01", "arm", _frame(upper, hinge), _frame(our_upper, our_hinge)),
        ("lowerarm01", "forearm", _frame(fore, hinge), _frame(our_fore, our_hinge)),
        ("wrist", "hand", _frame(palm, _across(rest, side)), our_hand),
        ("upperleg01", "thigh", _frame(theirs("thigh", "shin"), lateral), _frame(our_thigh, lateral)),
        ("lowerleg01", "shin", _frame(theirs("shin", "foot"), lateral), _frame(our_shin, lateral)),
        ("foot", "foot", np.eye(3), np.eye(3)),
    )
    return {f"{bone}.{side}": (f"{joint}.{side}", there @ here.T) for bone, joint, there, here in rows}


def _across(rest: dict[str, Array], side: str) -> Array:
    """From the little to the index finger; thumbs are in front where there are no fingers to tell."""
    if f"index1.{side}" in rest and f"little1.{side}" in rest:
        return rest[f"index1.{side}"] - rest[f"little1.{side}"]
    return np.array([0.0, -1.0, 0.0])


def _fingers(rest: dict[str, Array], skeleton: Skeleton, side: str) -> dict[str, tuple[str, Array]]:
    """Fingers that have all three joints; the others stay as they are in our reference pose."""
    found = {}
    for finger, number in FINGERS.items():
        joints = [f"{finger}{joint}.{side}" for joint in (1, 2, 3)]
        if not all(joint in rest for joint in joints):
            continue
        theirs = _phalanges([rest[joint] for joint in joints], rest.get(f"{finger}4.{side}"))
        bones = [f"finger{number}-{joint}.{side}" for joint in (1, 2, 3)]
        mine = _phalanges([skeleton.heads[bone] for bone in bones], None)
        beside, our_beside = _across(rest, side), skeleton.direction(f"finger5-1.{side}", f"finger2-1.{side}")
        if finger == "thumb":
            # It lies along the row of knuckles: the palm tells its roll.
            palm = rest.get(f"middle1.{side}", rest[joints[2]]) - rest[f"hand.{side}"]
            beside = np.cross(palm, beside)
            our_beside = np.cross(skeleton.direction(f"wrist.{side}", f"finger3-1.{side}"), our_beside)
        for bone, joint, along, our_along in zip(bones, joints, theirs, mine, strict=True):
            found[bone] = joint, _frame(along, beside) @ _frame(our_along, our_beside).T
    return found


def _phalanges(joints: list[Array], tip: Array | None) -> list[Array]:
    """Directions of three phalanges; without a tip the last bends as much as the one before."""
    first, second = _unit(joints[1] - joints[0]), _unit(joints[2] - joints[1])
    if tip is not None and np.linalg.norm(tip - joints[2]) > 1e-9:
        return [first, second, _unit(tip - joints[2])]
    axis = np.cross(first, second)
    sine, cosine = float(np.linalg.norm(axis)), float(first @ second)
    if sine < 1e-6:
        return [first, second, second]
    bend = Rotation.from_rotvec(axis / sine * np.arctan2(sine, cosine))
    return [first, second, np.asarray(bend.apply(second))]


def local_rotations(world: dict[str, Array], skeleton: Skeleton) -> dict[str, Array]:
    """Rotations in the world to rotations relative to the nearest ancestor that has one."""
    local = {"root": world["root"]}
    for bone, turned in world.items():
        if bone != "root":
            parent = skeleton.parents[bone]
            while parent not in world:
                parent = skeleton.parents[parent]
            local[bone] = world[parent].transpose(0, 2, 1) @ turned
    return local


def _share_twist(local: dict[str, Array], skeleton: Skeleton, side: str) -> None:
    """Keep the elbow a hinge: the forearm's twist goes half into the forearm and half into the wrist."""
    fore = skeleton.direction(f"lowerarm01.{side}", f"wrist.{side}")
    elbow, excess = _swing_and_twist(Rotation.from_matrix(local[f"lowerarm01.{side}"]), fore)
    hand = excess * Rotation.from_matrix(local[f"wrist.{side}"])
    _, twist = _swing_and_twist(hand, fore)
    half = Rotation.from_rotvec(twist.as_rotvec() / 2)
    local[f"lowerarm01.{side}"] = elbow.as_matrix()
    local[f"lowerarm02.{side}"] = half.as_matrix()
    local[f"wrist.{side}"] = (half.inv() * hand).as_matrix()


def _swing_and_twist(rotation: Rotation, axis: Array) -> tuple[Rotation, Rotation]:
    """rotation = swing * twist, the twist about the axis."""
    quaternion = rotation.as_quat()
    along = quaternion[:, :3] @ axis
    flat = np.concatenate([along[:, None] * axis, quaternion[:, 3:]], 1)
    # Half a turn of pure swing has no twist.
    flat[np.linalg.norm(flat, axis=1) < 1e-9] = (0, 0, 0, 1)
    twist = Rotation.from_quat(flat)
    return rotation * twist.inv(), twist


def _translation(source: Source, rest: dict[str, Array], axes: Array, skeleton: Skeleton) -> NDArray[np.float32]:
    """Displacement of our root (T, 3), metres of the mean adult."""

    def leg(places: dict[str, Array], joints: tuple[str, str, str]) -> float:
        hip, knee, ankle = (places[joint] for joint in joints)
        return float(np.linalg.norm(knee - hip) + np.linalg.norm(ankle - knee))

    ours = leg(skeleton.heads, ("upperleg01.L", "lowerleg01.L", "foot.L"))
    scale = ours / leg(rest, ("thigh.L", "shin.L", "foot.L"))
    hips, ankles = scale * source.hips @ axes.T, scale * source.ankles @ axes.T
    moved = hips - hips[0]
    standing = skeleton.heads["upperleg01.L"][2] - skeleton.heads["foot.L"][2]
    moved[:, 2] = hips[:, 2] - ankles[..., 2].min() - standing
    return np.asarray(moved, np.float32)
