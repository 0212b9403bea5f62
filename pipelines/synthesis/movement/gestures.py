"""Small libraries that motions are drawn from: arm poses (degrees), hand shapes, facial expressions, visemes.

Values are centres; the sampler in `motion` varies them. Joints are named as in `skeleton.LIMITS`, facial actions as
ARKit's 52.
"""

Values = dict[str, float]

# One arm each: raise, front, twist, elbow, forearm twist, wrist bend.
_ARM_NAMES = ("arm_raise", "arm_front", "arm_twist", "elbow", "forearm_twist", "wrist_bend")
_ARM_ROWS = {
    "hanging": (14, 15, 0, 18, 0, 0),
    "on_hip": (45, -31, -50, 91, 10, 6),
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
    "clap_together": (50, 69, -14, 78, 0, 0),
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
    "fist": (6, 36, 1, 77, 60, 80, 65, 80, 64, 76, 54),
    "point": (21, 38, 0, 0, 4, 77, 68, 78, 67, 75, 55),
    "peace": (27, 36, 12, 0, 2, 0, 2, 78, 66, 75, 56),
    "three": (29, 33, 10, 0, 2, 0, 2, 0, 4, 75, 57),
    "thumb_up": (-12, 0, 1, 77, 60, 80, 65, 80, 64, 76, 54),
    "pinch": (10, 17, 2, 48, 42, 20, 22, 16, 18, 12, 14),
    "ok": (10, 22, 8, 52, 55, 8, 10, 2, 6, -4, 2),
    "claw": (7, 28, 8, -5, 68, -5, 70, -5, 70, -5, 68),
    "horns": (21, 39, 6, 0, 2, 78, 67, 78, 66, 0, 4),
    "call": (-14, 0, 3, 75, 61, 80, 65, 80, 65, -4, 2),
    "cup": (11, 16, 0, 42, 32, 44, 34, 46, 36, 48, 36),
    "grip": (11, 20, 2, 55, 58, 58, 60, 60, 62, 62, 62),
    "four": (31, 29, 10, -4, 0, -4, 0, -4, 0, -4, 0),
    "six": (29, 31, 8, -4, 2, -4, 2, -2, 4, 55, 50),
    "seven": (30, 31, 6, -4, 2, -4, 2, 55, 50, -2, 4),
    "eight": (22, 29, 6, -4, 2, 55, 50, -2, 2, -4, 2),
    "letter_a": (5, 10, 1, 77, 61, 80, 65, 80, 64, 76, 54),
    "letter_b": (29, 33, -2, -4, 0, -4, 0, -4, 0, -4, 0),
    "letter_c": (0, 25, 0, 30, 45, 32, 47, 34, 48, 36, 48),
    "letter_d": (25, 28, 0, -2, 2, 62, 58, 64, 60, 64, 60),
    "letter_e": (8, 27, 0, 23, 89, 25, 97, 24, 93, 23, 87),
    "letter_i": (8, 33, 2, 77, 60, 80, 65, 78, 66, -4, 2),
    "letter_l": (-14, 0, 4, -4, 2, 78, 67, 80, 65, 77, 56),
    "letter_o": (10, 19, -2, 48, 52, 50, 54, 52, 56, 52, 56),
    "letter_u": (28, 34, -3, -4, 2, -4, 2, 80, 65, 76, 54),
    "letter_x": (7, 32, 0, 20, 86, 80, 65, 80, 65, 76, 54),
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
    "laugh": {**_both(mouthSmile=0.85, cheekSquint=0.6, eyeSquint=0.35, mouthUpperUp=0.35), "jawOpen": 0.45},
    "surprise": {**_both(eyeWide=0.8, browOuterUp=0.8), "browInnerUp": 0.9, "jawOpen": 0.5, "mouthFunnel": 0.3},
    "anger": {**_both(browDown=0.9, eyeSquint=0.3, noseSneer=0.5, mouthFrown=0.4, mouthPress=0.5)},
    "sadness": {**_both(mouthFrown=0.7, eyeSquint=0.2), "browInnerUp": 0.8, "mouthShrugLower": 0.4},
    "disgust": {**_both(noseSneer=0.9, mouthUpperUp=0.5, browDown=0.5, eyeSquint=0.3)},
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
