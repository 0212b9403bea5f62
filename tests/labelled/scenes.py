"""The labelled videos: rendered people in short scenes, each about one thing that curation has to decide.

    from tests.labelled.scenes import make
    for path, labels in make(Path("/somewhere/labelled"), small=False):   # see `labels.Labels`
        ...

or `python -m tests.labelled.scenes FOLDER [--small]`. Videos that are in the folder already are not made again. A scene
is named by what it is about; `SEED` draws who is seen, what they do, where and in which light.
"""

import argparse
import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

from pipelines.engine import pin_threads
from pipelines.manifest import digest_of
from pipelines.video import encode_mp4
from tests.labelled import effects
from tests.labelled.film import HEAD, UPPER, WHOLE, Actor, Take, View, film
from tests.labelled.footage import Footage, joined
from tests.labelled.labels import Labels

SEED = 1
_VERSION = 4  # raised whenever the code would give other videos or labels
_CRF = 18


@dataclass(frozen=True)
class Scene:
    """factor: what it is about. shoot: from seed to footage. crf: of the video. family: the scene that it is a copy of,
    itself where it is none."""

    name: str
    factor: str
    shoot: Callable[[int], Footage]
    crf: int = _CRF
    family: str = ""


def _one(number: int, style: str = "upper", **about: object) -> tuple[Actor, ...]:
    return (replace(Actor(who=number, moves=number, style=style), **about),)  # type: ignore[arg-type]


def _solo(number: int, view: View = WHOLE, seconds: float = 3.0, **about: object) -> Take:
    """One person in a place of their own."""
    style = "full" if view == WHOLE else "upper"
    return replace(Take(seconds, _one(number, style), view, number, number), **about)  # type: ignore[arg-type]


def _side_by_side(number: int, places: tuple[float, ...], seconds: float = 3.0) -> Take:
    actors = tuple(Actor(number + i, number + i, (x, 0.15 * (i % 2))) for i, x in enumerate(places))
    return Take(seconds, actors, WHOLE, number, number)


def _walk(who: int, start: tuple[float, float], end: tuple[float, float]) -> Actor:
    return Actor(who, who, start, end, facing=55.0 if end[0] > start[0] else -55.0)


def _filmed(
    *takes: Take, change: Callable[[Footage], Footage] | None = None, soft: float = 0.0, black: bool = False
) -> Callable[[int], Footage]:
    def shoot(seed: int) -> Footage:
        footage = joined([film(take, seed) for take in takes], soft, black)
        return change(footage) if change else footage

    return shoot


def _people() -> Iterator[Scene]:
    far = replace(WHOLE, distance=5.4)
    yield Scene("nobody", "people", _filmed(Take(2.0, (), WHOLE, 1, 1)))
    yield Scene("whole-540p", "people", _filmed(_solo(2, size=(960, 540))))
    yield Scene("whole-720p", "people", _filmed(_solo(3, size=(1280, 720), fps=30.0, seconds=2.4)))
    yield Scene("upper", "people", _filmed(_solo(4, UPPER)))
    yield Scene("head", "people", _filmed(_solo(5, HEAD)))
    yield Scene("photo", "people", _filmed(_solo(6, photo=True)))
    yield Scene("from-behind", "people", _filmed(replace(_solo(7), actors=_one(7, facing=180.0))))
    yield Scene("two", "people", _filmed(_side_by_side(10, (-0.9, 0.9))))
    yield Scene("three", "people", _filmed(_side_by_side(13, (-1.55, 0.0, 1.55))))
    yield Scene("two-close", "people", _filmed(_side_by_side(16, (-0.22, 0.22))))
    passing = (_walk(18, (-2.9, 0.0), (2.9, 0.0)),)
    yield Scene("enter-and-leave", "people", _filmed(Take(5.0, passing, WHOLE, 18, 18)))
    passed = (*_one(19, start=(0.3, 0.0)), _walk(20, (-3.6, 1.0), (3.6, 1.0)))
    yield Scene("passed-behind", "people", _filmed(Take(4.5, passed, WHOLE, 19, 19)))
    crossing = (_walk(21, (-1.6, 0.0), (1.6, 0.0)), _walk(22, (1.6, 0.7), (-1.6, 0.7)))
    yield Scene("two-cross", "people", _filmed(Take(5.0, crossing, WHOLE, 21, 21)))
    third = (*_one(23, start=(-1.7, 0.5)), _walk(24, (0.2, 0.0), (1.8, 0.0)), _walk(25, (1.9, 0.8), (0.3, 0.8)))
    yield Scene("three-cross", "people", _filmed(Take(4.0, third, far, 23, 23)))


def _cuts() -> Iterator[Scene]:
    places = [_solo(number, view, 1.5) for number, view in ((30, WHOLE), (31, UPPER), (32, WHOLE), (33, HEAD))]
    yield Scene("cuts", "cuts", _filmed(*places))
    jumps = [replace(_solo(34, UPPER, 1.5), actors=(Actor(34, moves),)) for moves in (34, 35, 36)]
    yield Scene("jump-cuts", "cuts", _filmed(*jumps))
    closer = [replace(_solo(37, view, 1.5), actors=(Actor(37, 37 + i),)) for i, view in enumerate((WHOLE, UPPER, HEAD))]
    yield Scene("closer-cuts", "cuts", _filmed(*closer))
    others = [replace(_solo(40, WHOLE, 1.5), actors=(Actor(who, who),)) for who in (40, 41, 42)]
    yield Scene("same-place-cuts", "cuts", _filmed(*others))
    yield Scene("short-shots", "cuts", _filmed(*(_solo(number, WHOLE, 0.6) for number in (43, 44, 45, 46))))
    flashes = functools.partial(effects.flashed, times=(0.8, 1.9))
    yield Scene("flashes", "cuts", _filmed(_solo(47), change=flashes))
    whip = View(whip=(1.5, 52.0))
    two = (*_one(48), Actor(49, 49, (3.75, -1.85), facing=-52.0))
    yield Scene("whip-pan", "cuts", _filmed(Take(3.0, two, whip, 48, 48)))
    yield Scene("dissolve", "cuts", _filmed(_solo(50, WHOLE, 2.0), _solo(51, UPPER, 2.0), soft=0.8))
    yield Scene("through-black", "cuts", _filmed(_solo(52, UPPER, 2.0), _solo(53, WHOLE, 2.0), soft=0.8, black=True))


def _camera() -> Iterator[Scene]:
    yield Scene("handheld", "camera", _filmed(_solo(60, replace(WHOLE, shake=0.25))))
    yield Scene("shaken", "camera", _filmed(_solo(61, replace(WHOLE, shake=2.2, code="camera_motion"))))
    walker = (_walk(62, (-2.2, 0.0), (2.2, 0.0)),)
    following = replace(WHOLE, follow=1.45, code="camera_motion")
    yield Scene("followed", "camera", _filmed(Take(3.0, walker, following, 62, 62)))
    panned = replace(UPPER, pan=9.0, code="camera_motion")
    yield Scene("panned", "camera", _filmed(_solo(63, panned, 2.5)))
    still = replace(_solo(64), actors=_one(64, "full", still=True))
    yield Scene("still", "camera", _filmed(still))
    yield Scene("still-panned", "camera", _filmed(replace(still, place=65, view=replace(WHOLE, pan=7.0))))


def _picture() -> Iterator[Scene]:
    def made(name: str, factor: str, take: Take, change: Callable[[Footage], Footage], crf: int = _CRF) -> Scene:
        return Scene(name, factor, _filmed(take, change=change), crf)

    blur = functools.partial
    yield made("defocused", "blur", _solo(70), blur(effects.defocused, sigma=3.5, code="blurred"))
    yield made("defocused-for-a-while", "blur", _solo(71, UPPER, 4.5),
               blur(effects.defocused, sigma=6.0, code="blurred", start=1.5, end=3.0))  # fmt: skip
    yield made("slightly-soft", "blur", _solo(72), blur(effects.defocused, sigma=0.7))
    yield made("motion-blurred", "blur", _solo(73), blur(effects.motion_blurred, length=15))
    yield made("titled", "overlay", _solo(74), blur(effects.titled, lines=("SUBSCRIBE NOW", "new videos every day")))
    yield made("marked", "overlay", _solo(75), effects.marked)
    yield made("bars-around", "borders", _solo(76), blur(effects.barred, scale=0.78))
    far = replace(WHOLE, distance=6.5)
    yield made("bars-away", "borders", _solo(86, far), blur(effects.barred, scale=0.78))
    yield made("bars-below", "borders", _solo(77, UPPER), blur(effects.barred, scale=0.78))
    yield made("dark", "exposure", _solo(78), blur(effects.exposed, gain=0.012, noise=0.0015, code="exposure"))
    yield made("overexposed", "exposure", _solo(79), blur(effects.exposed, gain=9.0, code="exposure"))
    yield made("dim", "exposure", _solo(80), blur(effects.exposed, gain=0.35))
    yield Scene(
        "blocky", "compression", _filmed(_solo(81), change=lambda f: effects.coarse(f, 0.4).judged("compression")), 44
    )
    yield Scene("compressed", "compression", _filmed(_solo(82)), 28)
    yield made("frozen-for-a-while", "frozen", _solo(83), blur(effects.frozen, start=1.3, end=2.8))
    yield made("slowed", "frozen", _solo(84, seconds=1.6), effects.slowed)
    yield made("hastened", "frozen", _solo(85, seconds=5.0), effects.hastened)


def _sizes() -> Iterator[Scene]:
    yield Scene("too-small", "size", _filmed(_solo(90, replace(WHOLE, distance=19.0))))
    yield Scene("small", "size", _filmed(_solo(91, replace(WHOLE, distance=9.5))))
    headless = View(distance=2.4, height=0.55, code="low_visibility")
    yield Scene("headless", "size", _filmed(_solo(92, headless)))


def _copies() -> Iterator[Scene]:
    """Others than the originals of further families, which are scenes in their own right."""
    takes = {"whole-540p": _solo(2, size=(960, 540)), "upper": _solo(4, UPPER), "compressed": _solo(82)}
    for family, take in takes.items():
        for name, change, crf in (
            ("re-encoded", lambda f: effects.scaled(f, 0.75), 32),
            ("cropped", lambda f: effects.cropped(f, 0.06), 23),
            ("mirrored", effects.mirrored, 23),
            ("later", lambda f: effects.from_second(f, 0.7), 23),
        ):  # fmt: skip
            yield Scene(f"{family}-{name}", "copies", _filmed(take, change=change), crf, family)
    again = replace(_solo(4, UPPER), actors=_one(4, moves=94))
    yield Scene("upper-again", "copies", _filmed(again))


def _small() -> Iterator[Scene]:
    """Two people, then one who is out of focus."""
    size, fps = (480, 270), 16.0
    pair = replace(_side_by_side(10, (-0.9, 0.9), 1.25), size=size, fps=fps)
    unsharp = functools.partial(effects.defocused, sigma=4.0, code="blurred", start=1.25)
    yield Scene("small", "cuts", _filmed(pair, _solo(2, UPPER, 1.125, size=size, fps=fps), change=unsharp))


def scenes(small: bool) -> list[Scene]:
    """small: one video of under three seconds that shows what takes seconds to check."""
    groups = (_small,) if small else (_people, _cuts, _camera, _picture, _sizes, _copies)
    return [replace(scene, family=scene.family or scene.name) for group in groups for scene in group()]


def make(
    folder: Path, small: bool = False, seed: int = SEED, workers: int = 1, every: int = 1
) -> list[tuple[Path, Labels]]:
    """Bring the folder up to date; returns the videos with their labels. every: takes each so-manieth scene only."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [scene.name for scene in scenes(small)][::every]
    one = functools.partial(_make_one, folder, small, seed)
    if workers == 1:
        paths = [one(name) for name in wanted]
    else:
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            paths = list(pool.map(one, wanted))
    return [(path, Labels.load(path.with_suffix(".npz"))) for path in paths]


def _make_one(folder: Path, small: bool, seed: int, name: str) -> Path:
    path = folder / f"{name}.{digest_of('labelled', _VERSION, seed, name)[:12]}.mp4"
    if not path.exists():
        pin_threads()
        scene = next(scene for scene in scenes(small) if scene.name == name)
        footage = scene.shoot(seed)
        Labels.of(footage, name, scene.factor, scene.family).save(path.with_suffix(".npz"))
        partial = path.with_suffix(".part")
        partial.write_bytes(encode_mp4(footage.frames, footage.fps, scene.crf))
        partial.replace(path)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--small", action="store_true")
    arguments = parser.parse_args()
    for path, labels in make(arguments.folder, arguments.small, workers=2):
        print(path, f"{len(labels.right) / labels.fps:.1f} s")


if __name__ == "__main__":
    main()
