"""Which region of the body each face of the mesh belongs to: the labels of `Layers.part`.

Regions follow the bones that move a face, so they mean the same on every identity: clothes, hair and shoes belong to
what they cover.
"""

import numpy as np
from numpy.typing import NDArray

from pipelines.synthesis.body.model import BodyModel
from pipelines.synthesis.scenes.scene import PART_LABELS, Floats

# Bones by how their names start; those of limbs exist once per side.
_MIDDLE = {"head": ("head", "eye"), "neck": ("neck",), "torso": ("root", "pelvis", "spine", "clavicle", "shoulder")}
_LIMBS = {
    "upper_arm": ("upperarm",),
    "forearm": ("lowerarm",),
    "hand": ("wrist", "finger", "metacarpal"),
    "thigh": ("upperleg",),
    "shin": ("lowerleg",),
    "foot": ("foot", "toe"),
}


def _bones_of(body: BodyModel) -> dict[str, tuple[str, ...]]:
    """Bones by label, for every label that has bones of its own."""
    found = {label: tuple(bone for bone in body.bones if bone.startswith(stems)) for label, stems in _MIDDLE.items()}
    for side in ("left", "right"):
        for limb, stems in _LIMBS.items():
            ending = f".{side[0].upper()}"
            names = tuple(bone for bone in body.bones if bone.startswith(stems) and bone.endswith(ending))
            found[f"{side}_{limb}"] = names
    return found


def vertex_shares(body: BodyModel) -> Floats:
    """How much of each vertex is moved by the bones of each label, (V, labels). `face` shares those of `head`."""
    shares = np.zeros((len(body.template), len(PART_LABELS)), np.float32)
    for label, bones in _bones_of(body).items():
        shares[:, PART_LABELS.index(label)] = body.weight_of(bones)
    front = body.vertex_labels() == "face"
    head, face = PART_LABELS.index("head"), PART_LABELS.index("face")
    shares[front, face], shares[front, head] = shares[front, head], 0
    return shares


def face_parts(body: BodyModel) -> NDArray[np.uint8]:
    """Index into `PART_LABELS` of each face of the body, (F,): the region that moves its corners most."""
    return np.asarray(vertex_shares(body)[body.faces].sum(1).argmax(1), np.uint8)
