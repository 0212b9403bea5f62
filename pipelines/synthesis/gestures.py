"""Small libraries that motions are drawn from: arm poses (degrees), hand shapes, facial expressions, visemes.

Values are centres; the sampler in `motion` varies them. Joints are named as in `skeleton.LIMITS`, facial actions as
ARKit's 52.
"""

Values = dict[str, float]

# One arm each: raise, front, twist, elbow, forearm twist, wrist bend.
_ARM_NAMES = ("arm_raise", "arm_front", "arm_twist", "elbow", "forearm_twist", "wrist_bend")
_ARM_ROWS = {
    "hanging": (14, 15, 0, 18, 0, 0),
    "on_hip": (48, -12, -30, 88, -10, 25),
    "waving": (80, 15, 75, 95, -10, 0),
    "hello": (35, 30, 40, 125, 10, -10),
    "sideways": (88, 5, 10, 12, 0, 0),
    "overhead": (155, 20, 20, 25, 0, 0),
    "pointing_front": (84, 78, 0, 12, 20, 0),
    "pointing_side": (78, 25, 10, 10, 30, 0),
    "offering": (28, 60, -5, 85, -65, 0),
    "talking": (30, 45, 5, 95, -20, 5),
    "talking_wide": (40, 20, 20, 80, -35, 0),
    "thinking": (30, 75, 10, 132, -10, 15),
    "flexing": (88, 5, 85, 120, -55, 10),
    "reaching_up": (135, 70, 10, 20, 20, 0),
    "swing_front": (32, 85, 0, 40, 0, 0),
    "swing_back": (30, -40, 0, 12, 0, 0),
    "push": (70, 80, 5, 60, 30, -45),
    "salute": (75, 35, 40, 138, 40, 0),
    "chest": (38, 60, 10, 105, 0, 0),
    "shoulder_high": (42, 45, 25, 122, 10, 0),
    "face_high": (62, 62, 42, 118, 20, 0),
    "clap_apart": (42, 55, -5, 78, 0, 0),
    "clap_together": (50, 72, -14, 78, 0, 0),
    "guard": (32, 55, 15, 128, 10, 0),
    "punch": (82, 88, 0, 22, 60, 0),
    "uppercut": (50, 80, 10, 100, -50, 0),
    "jog_front": (38, 85, 5, 95, 0, 0),
    "jog_back": (32, -38, 0, 85, 0, 0),
}
ARMS: dict[str, Values] = {name: dict(zip(_ARM_NAMES, map(float, row), strict=True)) for name, row in _ARM_ROWS.items()}

# Thumb base, thumb bend, spread, then (base, bend) of index, middle, ring, little.
_HAND_ROWS = {
    "relaxed": (5, 12, 2, 12, 18, 16, 22, 18, 25, 20, 26),
    "flat": (0, 0, 0, -4, 0, -4, 0, -4, 0, -4, 0),
    "spread": (-12, 0, 13, -6, 0, -6, 0, -6, 0, -6, 0),
    "fist": (34, 55, 0, 82, 92, 85, 95, 85, 95, 82, 92),
    "point": (30, 45, 0, 0, 4, 80, 92, 82, 92, 80, 90),
    "peace": (38, 55, 12, 0, 2, 0, 2, 82, 95, 80, 92),
    "three": (40, 55, 10, 0, 2, 0, 2, 0, 4, 80, 95),
    "thumb_up": (-12, 0, 0, 82, 95, 85, 95, 85, 95, 82, 92),
    "pinch": (26, 25, 2, 48, 42, 20, 22, 16, 18, 12, 14),
    "ok": (30, 32, 8, 52, 55, 8, 10, 2, 6, -4, 2),
    "claw": (10, 30, 8, -5, 68, -5, 70, -5, 70, -5, 68),
    "horns": (36, 52, 6, 0, 2, 82, 94, 82, 94, 0, 4),
    "call": (-14, 0, 6, 80, 92, 84, 94, 84, 94, -4, 2),
    "cup": (20, 20, 0, 42, 32, 44, 34, 46, 36, 48, 36),
    "grip": (26, 28, 2, 55, 58, 58, 60, 60, 62, 62, 62),
}
_HAND_NAMES = (
    "thumb_base",
    "thumb_bend",
    "finger_spread",
    *(f"{finger}_{joint}" for finger in ("index", "middle", "ring", "little") for joint in ("base", "bend")),
)
HANDS: dict[str, Values] = {
    name: dict(zip(_HAND_NAMES, map(float, row), strict=True)) for name, row in _HAND_ROWS.items()
}


def _both(**actions: float) -> Values:
    return {f"{name}{side}": value for name, value in actions.items() for side in ("Left", "Right")}


FACES: dict[str, Values] = {
    "neutral": {},
    "soft_smile": _both(mouthSmile=0.4, cheekSquint=0.2),
    "smile": {**_both(mouthSmile=0.8, cheekSquint=0.5, eyeSquint=0.25, mouthUpperUp=0.2), "jawOpen": 0.08},
    "laugh": {**_both(mouthSmile=0.85, cheekSquint=0.7, eyeSquint=0.5, mouthUpperUp=0.35), "jawOpen": 0.45},
    "surprise": {**_both(eyeWide=0.8, browOuterUp=0.8), "browInnerUp": 0.9, "jawOpen": 0.5, "mouthFunnel": 0.3},
    "anger": {**_both(browDown=0.9, eyeSquint=0.5, noseSneer=0.5, mouthFrown=0.4, mouthPress=0.5)},
    "sadness": {**_both(mouthFrown=0.7, eyeSquint=0.2), "browInnerUp": 0.8, "mouthShrugLower": 0.4},
    "disgust": {**_both(noseSneer=0.9, mouthUpperUp=0.5, browDown=0.5, eyeSquint=0.5)},
    "doubt": {"browOuterUpLeft": 0.9, "browDownRight": 0.6, "mouthLeft": 0.4, "mouthPressRight": 0.4},
    "pucker": {"mouthPucker": 0.9, "mouthFunnel": 0.2},
    "puffed": {"cheekPuff": 0.9, **_both(mouthPress=0.4)},
    "open": {"jawOpen": 0.7, **_both(mouthLowerDown=0.3)},
    "wink": {"eyeBlinkLeft": 1.0, "cheekSquintLeft": 0.6, "mouthSmileLeft": 0.5},
    "grimace": {**_both(mouthStretch=0.8, mouthLowerDown=0.6, mouthUpperUp=0.5), "jawOpen": 0.05},
    "tongue": {"jawOpen": 0.45, "tongueOut": 0.8},
}

VISEMES: dict[str, Values] = {
    "a": {"jawOpen": 0.4, **_both(mouthStretch=0.2, mouthLowerDown=0.2)},
    "e": {"jawOpen": 0.15, **_both(mouthStretch=0.5, mouthSmile=0.3, mouthLowerDown=0.3)},
    "i": {"jawOpen": 0.08, **_both(mouthStretch=0.45, mouthSmile=0.4, mouthUpperUp=0.15)},
    "o": {"jawOpen": 0.3, "mouthFunnel": 0.7},
    "u": {"jawOpen": 0.12, "mouthPucker": 0.6, "mouthFunnel": 0.3},
    "m": {**_both(mouthPress=0.5), "mouthRollLower": 0.3, "mouthRollUpper": 0.25},
    "f": {"jawOpen": 0.06, "mouthRollLower": 0.5, **_both(mouthUpperUp=0.25)},
    "l": {"jawOpen": 0.22, **_both(mouthLowerDown=0.3)},
    "s": {"jawOpen": 0.05, **_both(mouthStretch=0.3, mouthLowerDown=0.25, mouthUpperUp=0.15)},
    "sh": {"jawOpen": 0.1, "mouthFunnel": 0.6, **_both(mouthUpperUp=0.15)},
}
