"""From COCO's points to ours: body 17 (Lin et al., 2014) and whole body 133 (Jin et al., 2020).

What COCO does not have stays at confidence 0. Its face has 68 points: those for which the mesh has a vertex of the same
meaning are placed there, the other vertices are not known.
"""

import numpy as np
from numpy.typing import NDArray

from pipelines.curation import whole_body as wb
from pipelines.curation.tracking import Points

# Index of each of MediaPipe's 33 pose landmarks in COCO's 17 body points, where they have it.
_BODY = {0: 0, 2: 1, 5: 2, 7: 3, 8: 4, **{11 + i: 5 + i for i in range(6)}, **{23 + i: 11 + i for i in range(6)}}
_FEET = {29: 19, 30: 22, 31: 17, 32: 20}  # heels and big toes, of the whole body
_LEFT_HAND, _RIGHT_HAND, _FACE = 91, 112, 23
# Vertex of the mesh -> which of the 68 face points it is, or between which it lies.
_FACE_POINTS = {
    33: (36,),
    133: (39,),
    159: (37, 38),
    145: (40, 41),
    362: (42,),
    263: (45,),
    386: (43, 44),
    374: (46, 47),
    46: (17,),
    52: (19,),
    55: (21,),
    285: (22,),
    282: (24,),
    276: (26,),
    6: (27,),
    1: (30,),
    61: (48,),
    0: (51,),
    291: (54,),
    17: (57,),
    13: (62,),
    14: (66,),
    132: (2,),
    152: (8,),
    361: (14,),
}


def pose_of_coco(points: Points) -> Points:
    """MediaPipe's (33, 3) from COCO's body points (17, 3).

    Where COCO has no point, a place is estimated from its neighbours,
    at confidence 0: hands and faces are looked for by it.
    """
    pose = np.zeros((33, 3), np.float32)
    for ours, theirs in _BODY.items():
        pose[ours] = points[theirs]
    for near, eye in (((1, 3), 2), ((4, 6), 5)):
        pose[list(near), :2] = pose[eye, :2]
    pose[[9, 10], :2] = pose[0, :2] + 0.6 * (pose[0, :2] - pose[[2, 5], :2].mean(0))
    for elbow, wrist, fingers in ((13, 15, (17, 19, 21)), (14, 16, (18, 20, 22))):
        pose[list(fingers), :2] = pose[wrist, :2] + 0.3 * (pose[wrist, :2] - pose[elbow, :2])
    for ankle, foot in ((27, (29, 31)), (28, (30, 32))):
        pose[list(foot), :2] = pose[ankle, :2]
    return pose


def landmarks_of_coco(points: Points) -> Points:
    """Our (543, 3) from COCO-WholeBody's (133, 3)."""
    landmarks = np.zeros((wb.COUNT, 3), np.float32)
    landmarks[wb.POSE] = pose_of_coco(points[:17])
    for ours, theirs in _FEET.items():
        landmarks[ours] = points[theirs]
    landmarks[wb.LEFT_HAND] = points[_LEFT_HAND : _LEFT_HAND + 21]
    landmarks[wb.RIGHT_HAND] = points[_RIGHT_HAND : _RIGHT_HAND + 21]
    for vertex, between in _FACE_POINTS.items():
        found: NDArray[np.float32] = points[[_FACE + index for index in between]]
        landmarks[wb.FACE.start + vertex] = [*found[:, :2].mean(0), found[:, 2].min()]
    return landmarks
