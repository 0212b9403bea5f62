"""Videos of moving avatars: synthetic people for the starter corpus, faces and hands large enough to learn from."""

import functools
from pathlib import Path

import numpy as np

from pipelines.synthesis.movement.motion import sample_motion
from pipelines.synthesis.people.identity import sample_identity
from pipelines.synthesis.people.person import Studio
from pipelines.synthesis.scenes.backdrop import draw_backdrop, sample_backdrop
from pipelines.synthesis.scenes.engines import choose_engine
from pipelines.synthesis.scenes.framing import FRAMINGS, sample_camera
from pipelines.synthesis.scenes.lights import sample_light
from pipelines.synthesis.scenes.scene import Scene
from pipelines.synthesis.scenes.shadow import cast
from pipelines.video import encode_mp4

__all__ = ["FRAMINGS", "render_avatar_video"]

_STREAM = 7  # apart from the streams of groups: no avatar of a video is an identity of a pair
_TEXTURE = 512
_FACING = 25.0
_CRF = 18


def render_avatar_video(
    path: Path, seed: int, seconds: float, fps: int, size: int, framing: str, engine: str = "auto"
) -> None:
    """Write an H.264 mp4 of one person who moves; the same arguments give the same bytes on one machine.

    size: pixels per side, even. framing: of `FRAMINGS`. Raises: ValueError for another framing or an odd size.
    """
    if framing not in FRAMINGS or size % 2:
        raise ValueError(f"avatar video: framing {framing!r}, size {size}: need one of {FRAMINGS} and an even size")
    drawer, _ = choose_engine(engine)
    studio = _studio(_TEXTURE)
    who, moves, place = (np.random.default_rng([seed, _STREAM, part]) for part in range(3))
    person = studio.dress(sample_identity(who))
    frames = round(seconds * fps)
    motion = sample_motion(moves, studio.skeleton, seconds, framing, _FACING)
    posed = person.pose(motion.at(np.arange(frames) / fps, studio.skeleton))
    camera = sample_camera(place, posed.points, framing, size)
    light = sample_light(place)
    plate = draw_backdrop(sample_backdrop(place), camera, light)
    surfaces = (person.surface(vertices) for vertices in posed.vertices)
    pictures = (drawer.render(Scene(s, camera, light, plate.shaded(cast(s, light)))).rgb for s in surfaces)
    path.write_bytes(encode_mp4(pictures, fps, _CRF))


@functools.cache
def _studio(texture: int) -> Studio:
    return Studio.open(texture)
