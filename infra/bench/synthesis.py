"""How fast and how smooth pictures of people are made, against pyrender as most people use it."""

import functools
import io
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from infra.bench.results import Result
from infra.bench.workers import Worker

SIZE, TEXTURE = 512, 512
_PEOPLE, _ROUNDS = 6, 5
_SMALL, _LONG, _WARM = 64, 5000, 500  # memory: pixels per side, frames, frames before the first look
_GROUPS, _SCALING_ROUNDS = 12, 3
_STORED = ("depth", "normals", "part")
_FINE, _TILE = 8, 512  # edges: pixels of the reference per pixel and side, and how many of them at once


def run() -> Iterator[Result]:
    with Worker(functools.partial(_drawing, "gl")) as ours, Worker(functools.partial(_drawing, "pyrender")) as usual:
        rounds = [(ours.ask("time"), usual.ask("time")) for _ in range(_ROUNDS)]
        errors = [_edge_errors(ours, usual, seed) for seed in range(_PEOPLE)]
    drawn = f"RGB {SIZE} px, depth, normals and 88 joints with body model and surface, one thread"
    yield Result(
        "synthesis.speedup_vs_pyrender_default",
        statistics.median(usual["total"] / ours["total"] for ours, usual in rounds),
        "ratio",
        f"frames per CPU-second of gl over pyrender's OffscreenRenderer with defaults and a second pass for normals: "
        f"{drawn}; median of {_ROUNDS} rounds in turn",
        "higher",
        3.0,
    )
    yield Result(
        "synthesis.edge_error_vs_pyrender",
        statistics.median(ours / usual for ours, usual in errors),
        "ratio",
        f"mean error of the coverage of edge pixels at {SIZE} px, gl over pyrender's default multisampling; the truth "
        f"has {5 * _FINE**2} samples per pixel; median of {_PEOPLE} people",
        "lower",
        1.0,
    )
    for name, unit in (("total", "CPU-ms"), ("body", "CPU-ms"), ("surface", "CPU-ms"), ("raster", "CPU-ms")):
        for side, which in (("", 0), ("pyrender_", 1)):
            value = statistics.median(one[which][name] for one in rounds) * 1000
            yield Result(f"synthesis.{side}{name}_per_frame", value, unit, drawn, "lower")
    yield from _shares()
    yield from _memory()
    yield from _scaling()


def _edge_errors(ours: Worker, usual: Worker, seed: int) -> tuple[float, float]:
    """Mean errors of the coverage of the pixels that an outline crosses."""
    truth = ours.ask("truth", seed)
    edge = (truth > 0) & (truth < 1)
    return tuple(float(np.abs(side.ask("outline", seed) - truth)[edge].mean()) for side in (ours, usual))


def _shares() -> Iterator[Result]:
    with Worker(_whole_path) as worker:
        spent = worker.ask()
    total = sum(spent.values())
    for name, seconds in spent.items():
        said = f"of the CPU time of a frame at {SIZE} px with 8 frames per person, {total * 1000:.0f} ms in all"
        yield Result(f"synthesis.share_{name}", seconds / total, "share", said, "lower")


def _memory() -> Iterator[Result]:
    with Worker(_long_run) as worker:
        before, after = worker.ask()
    said = f"resident memory after {_LONG} frames over after {_WARM}, {after / 1e6:.0f} MB in the end, {_SMALL} px"
    yield Result("synthesis.memory_growth", after / before, "ratio", said, "lower", 1.05)


def _scaling() -> Iterator[Result]:
    with Worker(_groups) as one, Worker(_groups) as two:
        ratios = []
        for worker in (one, two):
            worker.ask(0, 1)
        for first in range(1, 1 + _SCALING_ROUNDS * _GROUPS, _GROUPS):
            began = time.perf_counter()
            one.ask(first, _GROUPS)
            alone = time.perf_counter() - began
            began = time.perf_counter()
            one.start(first, _GROUPS)
            two.ask(first, _GROUPS)
            one.wait()
            ratios.append(2 * alone / (time.perf_counter() - began))
    said = f"groups per second of two processes over one, {_GROUPS} groups each with all files of a sample"
    yield Result("synthesis.scaling_2_processes", statistics.median(ratios), "ratio", said, "higher", 1.8)


def _drawing(name: str) -> Callable[..., Any]:
    """A process that draws people with one renderer: `time` gives CPU-seconds per frame, `outline` the coverage of
    pixels by a person, `truth` the same from many samples (not by pyrender)."""
    from infra.bench.people import FRAMES, casts
    from infra.bench.usual_pyrender import UsualPyrender
    from pipelines.synthesis.people.person import Studio
    from pipelines.synthesis.scenes.engines import choose_engine
    from pipelines.synthesis.scenes.scene import Scene

    studio = Studio.open(TEXTURE)
    renderer: Any = UsualPyrender(SIZE) if name == "pyrender" else choose_engine(name)[0]
    background = np.full((SIZE, SIZE, 3), 90, np.uint8)
    people = list(casts(studio, _PEOPLE))

    def timed() -> dict[str, float]:
        spent = dict.fromkeys(("body", "surface", "raster"), 0.0)
        for one in people:
            clock = _Clock(spent)
            posed = one.person.pose(one.pose)
            camera = one.camera(posed.points, SIZE)
            clock.stop("body")
            for vertices, points in zip(posed.vertices, posed.points, strict=True):
                surface = one.person.surface(vertices)
                clock.stop("surface")
                renderer.render(Scene(surface, camera, one.light, background))
                camera.project(points)
                clock.stop("raster")
        frames = len(people) * FRAMES
        return {name: value / frames for name, value in spent.items()} | {"total": sum(spent.values()) / frames}

    def outline(seed: int) -> Any:
        surface, camera, light = shown(seed)
        if name == "pyrender":
            return renderer.silhouette(Scene(surface, camera, light, background))
        return renderer.silhouette(surface.vertices, surface.faces, camera)

    def truth(seed: int) -> Any:
        surface, camera, _ = shown(seed)
        return _coverage(renderer, surface, camera)

    def shown(seed: int) -> tuple[Any, Any, Any]:
        one = people[seed]
        posed = one.person.pose(one.pose)
        return one.person.surface(posed.vertices[0]), one.camera(posed.points, SIZE), one.light

    calls: dict[str, Callable[..., Any]] = {"time": timed, "outline": outline, "truth": truth}
    return lambda what, *arguments: calls[what](*arguments)


class _Clock:
    def __init__(self, spent: dict[str, float]) -> None:
        self._spent, self._last = spent, time.process_time()

    def stop(self, name: str) -> None:
        """Book the time since the last stop."""
        now = time.process_time()
        self._spent[name] += now - self._last
        self._last = now


def _coverage(engine: Any, surface: Any, camera: Any) -> Any:
    """The share of each pixel that a surface covers, from 5 x `_FINE`^2 samples, by tiles."""
    from pipelines.synthesis.scenes.scene import Camera

    fine = camera.scaled(_FINE)
    whole = np.zeros((fine.size, fine.size), np.float32)
    for top in range(0, fine.size, _TILE):
        for left in range(0, fine.size, _TILE):
            moved = fine.intrinsics.copy()
            moved[:2, 2] -= left, top
            tile = Camera(fine.rotation, fine.translation, moved, _TILE)
            whole[top : top + _TILE, left : left + _TILE] = engine.silhouette(surface.vertices, surface.faces, tile)
    return whole.reshape(camera.size, _FINE, camera.size, _FINE).mean((1, 3))


def _whole_path() -> Callable[[], dict[str, float]]:
    """A process that does all that a stored frame takes and gives CPU-seconds per frame, by what for."""
    import simplejpeg

    from infra.bench.people import FRAMES, cast
    from pipelines.synthesis.people.person import Studio
    from pipelines.synthesis.scenes import effects, shadow
    from pipelines.synthesis.scenes.backdrop import draw_backdrop, sample_backdrop
    from pipelines.synthesis.scenes.engines import choose_engine
    from pipelines.synthesis.scenes.scene import Scene

    studio, (engine, _) = Studio.open(TEXTURE), choose_engine("auto")

    def measure() -> dict[str, float]:
        spent = dict.fromkeys(("paint", "body", "surface", "backdrop", "raster", "effects", "encode"), 0.0)
        for seed in range(_PEOPLE):
            rng = np.random.default_rng(seed)
            clock = _Clock(spent)
            one = cast(studio, seed)
            clock.stop("paint")
            posed = one.person.pose(one.pose)
            camera = one.camera(posed.points, SIZE)
            clock.stop("body")
            plate = draw_backdrop(sample_backdrop(rng), camera, one.light)
            clock.stop("backdrop")
            layers = []
            for vertices in posed.vertices:
                surface = one.person.surface(vertices)
                clock.stop("surface")
                behind = plate.shaded(shadow.cast(surface, one.light))
                clock.stop("backdrop")
                layers.append(engine.render(Scene(surface, camera, one.light, behind)))
                clock.stop("raster")
            rgb, mask = np.stack([drawn.rgb for drawn in layers]), np.stack([drawn.mask for drawn in layers])
            filmed = effects.apply(effects.sample_effects(rng, 0.25), rgb, mask, camera.project(posed.points), 8.0, rng)
            clock.stop("effects")
            for picture in filmed:
                simplejpeg.encode_jpeg(np.ascontiguousarray(picture), 92, "RGB", "444", fastdct=False)
            depth, normals, part = (np.stack([getattr(drawn, of) for drawn in layers]) for of in _STORED)
            labels = {"depth": depth.astype(np.float16), "normals": normals.astype(np.float16), "part": part}
            np.savez_compressed(io.BytesIO(), mask=mask, **labels)
            clock.stop("encode")
        return {name: value / (_PEOPLE * FRAMES) for name, value in spent.items()}

    return measure


def _long_run() -> Callable[[], tuple[int, int]]:
    """A process that draws many frames and gives its resident bytes early and late."""
    from infra.bench.people import cast
    from pipelines.synthesis.people.person import Studio
    from pipelines.synthesis.scenes.engines import choose_engine
    from pipelines.synthesis.scenes.scene import Scene

    studio, (engine, _) = Studio.open(128), choose_engine("auto")
    background = np.full((_SMALL, _SMALL, 3), 90, np.uint8)

    def measure() -> tuple[int, int]:
        frames, seed, early = 0, 0, 0
        while frames < _LONG:
            one = cast(studio, seed)
            seed += 1
            posed = one.person.pose(one.pose)
            camera = one.camera(posed.points, _SMALL)
            for vertices in posed.vertices:
                engine.render(Scene(one.person.surface(vertices), camera, one.light, background))
                frames += 1
                if frames == _WARM:
                    early = _resident()
        return early, _resident()

    return measure


def _resident() -> int:
    """Bytes of memory in use by this process (Linux)."""
    import resource
    from pathlib import Path

    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _groups() -> Callable[[int, int], None]:
    """A process that makes groups, as the stage `pairs` does."""
    from pipelines.synthesis.groups import Recipe, render_group
    from pipelines.synthesis.people.person import Studio
    from pipelines.synthesis.sample import members
    from pipelines.synthesis.scenes.engines import choose_engine

    studio, (engine, _) = Studio.open(256), choose_engine("auto")
    recipe = Recipe(identities=3, frames=4, fps=1.5, size=256)

    def make(first: int, count: int) -> None:
        for index in range(first, first + count):
            for _ in members(render_group(studio, engine, 0, "train", index, recipe)):
                pass

    return make
