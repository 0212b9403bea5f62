"""The files of a group's sample in a shard, and what its row in the manifest tells.

`json`         what the group is, and the videos and motion files that it was made with, with licence and consent.
`motion.npz`   the motion that all identities do, `motion_frames` long: bones (B,), rotations (B, M, 3, 3) float32
               (see `body.model.Pose`), translation (M, 3) metres, actions (A,), values (A, M) in [0, 1].
`photo.npz`    likewise the pose of the last frame, which is not of the motion; missing where there is one frame only.
`i<N>.json`    identity N: phenotypes, look, camera, light, place and camera effects, as they were drawn.
`i<N>.npz`     its labels, S pixels and H = S / 2 cells per side:
    keypoints (T, 88, 3), keypoints3d (T, 88, 3) metres in camera space, mask (T, S, S) bool,
    part (T, S, S) uint8, index into `scene.PART_LABELS`,
    source (2, T, H, H) uint16: where in the photo it is what is at a cell's centre, see `places`; source_seen
    (T, H, H) bool: whether it is visible there; source_part (T, H, H) uint8: its part, 0 where there is no surface,
    boxes (T, 3, 4): left hand, right hand, face as `keypoints.part_box` gives them, NaN where not visible,
    depth (T, S, S) float16 metres, in the boxes of the hands only, 0 elsewhere: steps of 1 mm from 1 to 2 m, 2 mm to
    4 m, 4 mm to 8 m, 8 mm to 16 m, normals (T, S, S, 3) float16 in camera space, likewise,
    intrinsics (3, 3) pixels, extrinsics (T, 4, 4) world to camera.
`i<N>.t<K>.jpg`  its picture K. Crops of hands and face are not stored: `training.records` cuts them by the boxes.

Axes and units are those of `scene`.
"""

import dataclasses
import io
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from pipelines import keypoints
from pipelines.manifest import Row
from pipelines.synthesis import places
from pipelines.synthesis.people.identity import stature

if TYPE_CHECKING:
    from pipelines.synthesis.body.model import Pose
    from pipelines.synthesis.groups import Group, View

_JPEG_QUALITY = 92
_ARMS = ("left_shoulder", "left_elbow", "right_shoulder", "right_elbow")
BOXES = ("left_hand", "right_hand", "face")
# What the manifest tells of each view, for distributions that need no shard to be opened.
VIEW = pa.struct(
    [
        ("identity", pa.string()),
        ("background", pa.string()),
        ("sex", pa.string()),
        ("framing", pa.string()),
        ("move", pa.string()),
        ("place", pa.string()),
        ("codec", pa.string()),
        ("clean", pa.bool_()),
        *(
            (name, pa.float32())
            for name in ("age", "stature", "skin", "distance", "height", "focal", "yaw", "pitch", "roll", "visible")
        ),
    ]
)


def view_row(view: "View") -> Row:
    """age: of the body model, 2/3 young adult to 1 old. stature, distance, height: metres. skin: lightness of the
    skin's colour in [0, 1]. focal: in sides of the picture. yaw, pitch, roll: degrees. visible: share of the
    88 points."""
    shot, phenotypes = view.shot, view.who.phenotypes
    return {
        "identity": view.identity,
        "background": view.background,
        "sex": view.who.sex,
        "framing": shot.framing,
        "move": shot.move,
        "place": view.backdrop.kind,
        "codec": view.effects.codec,
        "clean": view.effects.clean,
        "age": phenotypes["age"],
        "stature": stature(phenotypes),
        "skin": float(np.mean(view.who.look.skin)),
        "distance": shot.distance,
        "height": shot.height,
        "focal": shot.focal,
        "yaw": shot.yaw,
        "pitch": shot.pitch,
        "roll": shot.roll,
        "visible": float(view.keypoints[..., 2].mean()),
    }


def pose_row(view: "View") -> dict[str, list[float]]:
    """Degrees per frame. arm_raise: of the higher upper arm from hanging; facing: of the shoulders from the front."""
    world = np.einsum("tji,tnj->tni", view.extrinsics[:, :3, :3], view.keypoints3d)
    at = {name: world[:, keypoints.BODY.index(name)] for name in _ARMS}
    raised = []
    for side in ("left", "right"):
        arm = at[f"{side}_elbow"] - at[f"{side}_shoulder"]
        raised.append(np.degrees(np.arccos(np.clip(-arm[:, 2] / np.linalg.norm(arm, axis=1), -1, 1))))
    across = at["left_shoulder"] - at["right_shoulder"]
    facing = np.degrees(np.arctan2(across[:, 1], across[:, 0]))
    return {"arm_raise": np.max(raised, 0).round(1).tolist(), "facing": facing.round(1).tolist()}


def members(group: "Group", origins: Sequence[Row] = ()) -> Iterator[tuple[str, bytes]]:
    """The files of a group's sample, by name without the key. origins: see `pipelines.origins`."""
    import simplejpeg

    frames = len(group.views[0].layers)
    about = {
        "kind": "pair",
        "id": group.id,
        "split": group.split,
        "identities": [view.identity for view in group.views],
        "frames": frames,
        "motion_frames": group.takes[0].frames,
        "fps": group.fps,
        "size": len(group.views[0].layers[0].rgb),
        "motion": group.motion,
        "source": group.source,
        "framing": group.framing,
        "origins": list(origins),
    }
    yield "json", _json(about)
    for name, take in zip(("motion.npz", "photo.npz"), group.takes, strict=False):
        yield name, _motion(take)
    for i, view in enumerate(group.views):
        yield f"i{i}.json", _json(_about(view))
        yield f"i{i}.npz", _arrays(view)
        for t, drawn in enumerate(view.layers):
            rgb = np.ascontiguousarray(drawn.rgb)
            yield f"i{i}.t{t}.jpg", simplejpeg.encode_jpeg(rgb, _JPEG_QUALITY, "RGB", "444", fastdct=False)


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, default=_plain).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no place in a sample")


def _about(view: "View") -> dict[str, Any]:
    shot = {f.name: getattr(view.shot, f.name) for f in dataclasses.fields(view.shot) if f.name != "cameras"}
    return {
        "shot": shot,
        "background": view.background,
        "identity": dataclasses.asdict(view.who),
        "light": dataclasses.asdict(view.light),
        "backdrop": dataclasses.asdict(view.backdrop),
        "effects": dataclasses.asdict(view.effects),
    }


def _motion(pose: "Pose") -> bytes:
    bones, actions = sorted(pose.rotations), sorted(pose.actions)
    return _npz(
        bones=np.array(bones, np.str_),
        rotations=np.stack([pose.rotations[bone] for bone in bones]).astype(np.float32),
        translation=pose.translation.astype(np.float32),
        actions=np.array(actions, np.str_),
        values=np.array([pose.actions[name] for name in actions], np.float32).reshape(len(actions), pose.frames),
    )


def _arrays(view: "View") -> bytes:
    boxes = np.stack([_boxes(points) for points in view.keypoints])
    hands = np.stack([_inside(of[:2], drawn.depth.shape[0]) for of, drawn in zip(boxes, view.layers, strict=True)])
    depth, normals = (np.stack([getattr(drawn, name) for drawn in view.layers]) for name in ("depth", "normals"))
    return _npz(
        keypoints=view.keypoints,
        keypoints3d=view.keypoints3d,
        mask=np.stack([drawn.mask for drawn in view.layers]),
        part=np.stack([drawn.part for drawn in view.layers]),
        source=places.pack(view.source[..., :2]),
        source_seen=view.source[..., 2] > 0,
        source_part=view.source_part,
        depth=(depth * hands).astype(np.float16),
        normals=(normals * hands[..., None]).astype(np.float16),
        boxes=boxes,
        intrinsics=view.intrinsics,
        extrinsics=view.extrinsics,
    )


def _boxes(points: "np.typing.NDArray[np.float32]") -> "np.typing.NDArray[np.float32]":
    found = (keypoints.part_box(points, part) for part in BOXES)
    return np.stack([np.full(4, np.nan, np.float32) if box is None else box for box in found])


def _inside(boxes: "np.typing.NDArray[np.float32]", size: int) -> "np.typing.NDArray[np.bool_]":
    """The pixels (S, S) that some boxes (N, 4) touch, and those beside them, as crops are interpolated."""
    inside = np.zeros((size, size), bool)
    for left, top, right, bottom in boxes[~np.isnan(boxes).any(1)] * size:
        rows = slice(max(0, int(np.floor(top)) - 1), max(0, int(np.ceil(bottom)) + 1))
        inside[rows, max(0, int(np.floor(left)) - 1) : max(0, int(np.ceil(right)) + 1)] = True
    return inside


def _npz(**arrays: "np.typing.NDArray[Any]") -> bytes:
    buffer = io.BytesIO()
    # numpy stamps the members of an npz with a fixed date, so equal arrays give equal bytes.
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
