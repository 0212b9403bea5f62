"""OpenGL 3.3 without a window (EGL) through moderngl: on a GPU, or on the CPU by Mesa's llvmpipe.

One pass draws colours, normals, depth and parts at the five samples of each pixel, another makes pixels of them; both
only where the person is. What a person's frames share stays with the driver.
"""

import importlib
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.errors import WorkError
from pipelines.synthesis.scenes.engines import glsl
from pipelines.synthesis.scenes.engines.box import Box
from pipelines.synthesis.scenes.scene import (
    PART_LABELS,
    SAMPLES_PER_SIDE,
    Camera,
    Floats,
    Layers,
    Scene,
    Surface,
    sampling,
)


@dataclass(frozen=True)
class _Targets:
    """Frame buffers of one picture size, and the textures they draw on. outline: `samples` without the geometry, which
    need not be cleared, as nothing reads it where there is no colour. faces: a number per pixel."""

    samples: Any
    outline: Any
    sample_colour: Any
    sample_geometry: Any
    pixels: Any
    faces: Any
    background: Any


@dataclass(frozen=True)
class _Mesh:
    """A person with the driver. surface: whose vertices and normals change from frame to frame, and nothing else; rows:
    the vertices that are drawn, once for each part that they belong to; array, numbered: for colours, for faces."""

    surface: Surface
    rows: NDArray[np.int64]
    vertices: Any
    array: Any
    numbered: Any
    image: Any
    buffers: tuple[Any, ...]

    def fits(self, surface: Surface) -> bool:
        old = self.surface
        return (
            old.faces is surface.faces
            and old.uv is surface.uv
            and old.texture is surface.texture
            and old.parts is surface.parts
        )

    def release(self) -> None:
        for resource in (self.array, self.numbered, self.image, *self.buffers):
            resource.release()


class GlEngine:
    """Engine `gl`. Raises: whatever moderngl raises where there is no usable EGL; when drawing, WorkError where the
    driver refuses what a picture needs."""

    name = "gl"

    def __init__(self) -> None:
        # Mesa would otherwise write compiled shaders into the home directory.
        os.environ.setdefault("MESA_SHADER_CACHE_DISABLE", "true")
        moderngl: Any = importlib.import_module("moderngl")
        self._moderngl = moderngl
        self._context = moderngl.create_context(
            standalone=True, backend="egl", require=330, libgl="libGL.so.1", libegl="libEGL.so.1"
        )
        make = self._context.program
        self._samples = make(vertex_shader=glsl.VERTEX, fragment_shader=glsl.SAMPLES)
        self._pixels = make(vertex_shader=glsl.CORNERS, fragment_shader=glsl.PIXELS)
        self._outline = make(vertex_shader=glsl.OUTLINE, fragment_shader=glsl.FILL)
        self._coverage = make(vertex_shader=glsl.CORNERS, fragment_shader=glsl.COVERAGE)
        self._faces = make(vertex_shader=glsl.OUTLINE, fragment_shader=glsl.FACES)
        _units(self._samples, image=0)
        _units(self._pixels, samples=0, shapes=1, background=2)
        _units(self._coverage, samples=0)
        corners = self._context.buffer(np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]], np.float32).tobytes())
        self._whole = {
            program: self._context.vertex_array(program, [(corners, "2f", "in_corner")])
            for program in (self._pixels, self._coverage)
        }
        self._targets: dict[int, _Targets] = {}
        self._mesh: _Mesh | None = None
        self._shown: Surface | None = None

    def render(self, scene: Scene) -> Layers:
        with self._context:  # another engine's context may be the current one
            return self._render(scene)

    def silhouette(self, vertices: Floats, faces: NDArray[np.int32], camera: Camera) -> Floats:
        with self._context:
            box, targets = Box.of(vertices, camera), self._target(camera.size)
            buffer = self._context.buffer(np.ascontiguousarray(vertices, np.float32).tobytes())
            index = self._context.buffer(np.ascontiguousarray(faces, np.int32).tobytes())
            array = self._context.vertex_array(self._outline, [(buffer, "3f", "in_position")], index)
            self._draw(self._outline, array, camera, box)
            self._resolve(self._coverage, box, targets, camera.size)
            eight_bit = np.frombuffer(targets.pixels.read((0, 0, box.width, box.height), components=1), np.uint8)
            for resource in (array, buffer, index):
                resource.release()
        share = np.zeros((camera.size, camera.size), np.float32)
        share[box.rows_columns] = eight_bit.reshape(box.height, box.width) / np.float32(255)
        return share

    def _render(self, scene: Scene) -> Layers:
        surface, camera, light, size = scene.surface, scene.camera, scene.light, scene.camera.size
        box, targets = Box.of(surface.vertices, camera), self._target(size)
        mesh = self._show(surface)
        rotation, view = camera.rotation, np.eye(4)
        view[:3, :3], view[:3, 3] = rotation, camera.translation
        halfway = light.direction - rotation[2]
        _write(
            self._samples,
            camera=view.T,
            direction=rotation @ light.direction,
            halfway=rotation @ halfway / np.linalg.norm(halfway),
            up=rotation[:, 2],
            **{name: getattr(light, name) for name in ("key", "fill", "sky", "ground")},
        )
        mesh.image.use(0)
        self._draw(self._samples, mesh.array, camera, box)

        behind = np.ascontiguousarray(scene.background[box.rows_columns])
        targets.background.write(behind.tobytes(), viewport=(0, 0, box.width, box.height), alignment=1)
        targets.background.use(2)
        self._resolve(self._pixels, box, targets, size)
        shape, area = (box.height, box.width, 4), (0, 0, box.width, box.height)
        colour = np.frombuffer(targets.pixels.read(area, components=4), np.uint8).reshape(shape)
        geometry = np.frombuffer(targets.pixels.read(area, components=4, attachment=1, dtype="f4"), np.float32)

        rgb, part = scene.background.copy(), np.zeros((size, size), np.uint8)
        depth, normals = np.zeros((size, size), np.float32), np.zeros((size, size, 3), np.float32)
        rgb[box.rows_columns], part[box.rows_columns] = colour[..., :3], colour[..., 3]
        normals[box.rows_columns] = geometry.reshape(shape)[..., :3]
        depth[box.rows_columns] = geometry.reshape(shape)[..., 3]
        return Layers(rgb, depth > 0, depth, normals, part)

    def faces(self, surface: Surface, camera: Camera) -> NDArray[np.int32]:
        nearest = np.full((camera.size, camera.size), -1, np.int32)
        with self._context:
            box, target = Box.of(surface.vertices, camera), self._target(camera.size).faces
            mesh = self._show(surface)
            _write(self._faces, clip=camera.clip_matrix().T)
            target.use()
            target.scissor = (0, 0, box.width, box.height)
            target.clear()
            self._context.viewport = (-box.left, -box.top, camera.size, camera.size)
            self._context.enable_only(self._moderngl.DEPTH_TEST)
            mesh.numbered.render()
            found = target.read((0, 0, box.width, box.height), components=1, dtype="f4")
        numbers = np.frombuffer(found, np.float32).reshape(box.height, box.width)
        nearest[box.rows_columns] = numbers.astype(np.int32) - 1
        return nearest

    def _draw(self, program: Any, array: Any, camera: Camera, box: Box) -> None:
        """Draw the samples of the pixels in the box."""
        targets, at = self._target(camera.size), box.samples(camera.size)
        side = SAMPLES_PER_SIDE * camera.size
        _write(program, clip=sampling(camera).clip_matrix().T)
        targets.outline.use()
        targets.outline.scissor = targets.samples.scissor = (0, 0, at.width, at.height)
        targets.outline.clear()
        if program is self._samples:
            targets.samples.use()
        self._context.viewport = (-at.left, -at.top, side, side)
        self._context.enable_only(self._moderngl.DEPTH_TEST)
        array.render()

    def _resolve(self, program: Any, box: Box, targets: _Targets, size: int) -> None:
        """Make pixels of the samples, those of the box from the frame buffer's corner on."""
        at = box.samples(size)
        program["size"].value, program["origin"].value = size, (box.left, box.top)
        program["first"].value = (at.left, at.top)
        targets.sample_colour.use(0)
        targets.sample_geometry.use(1)
        targets.pixels.use()
        targets.pixels.scissor = (0, 0, box.width, box.height)
        self._context.enable_only(self._moderngl.NOTHING)
        self._whole[program].render(self._moderngl.TRIANGLE_STRIP)

    def _show(self, surface: Surface) -> _Mesh:
        """The surface's buffers with its vertices in place."""
        mesh = self._hold(surface)
        if self._shown is not surface:
            moving = np.concatenate([surface.vertices, surface.normals], 1)[mesh.rows]
            mesh.vertices.write(moving.astype(np.float32, copy=False))
            self._shown = surface
        return mesh

    def _hold(self, surface: Surface) -> _Mesh:
        """The surface's buffers, made again where another person comes."""
        if self._mesh is not None and self._mesh.fits(surface):
            return self._mesh
        if self._mesh is not None:
            self._mesh.release()
        context, moderngl = self._context, self._moderngl
        height, width = surface.texture.shape[:2]
        image = context.texture((width, height), 3, surface.texture[::-1].tobytes(), alignment=1)
        image.filter = (moderngl.LINEAR, moderngl.LINEAR)
        image.repeat_x = image.repeat_y = False
        used = np.zeros((len(surface.vertices), len(PART_LABELS)), bool)
        used[surface.faces, surface.parts[:, None]] = True
        rows, part = used.nonzero()
        number = np.zeros(used.shape, np.int32)
        number[rows, part] = np.arange(len(rows))
        with_part = surface.uv[rows] + np.stack([2 * part + 0.5, np.zeros(len(part))], 1)
        vertices = context.buffer(reserve=24 * len(rows), dynamic=True)
        uv = context.buffer(with_part.astype(np.float32).tobytes())
        index = context.buffer(number[surface.faces, surface.parts[:, None]].tobytes())
        content = [(vertices, "3f 3f", "in_position", "in_normal"), (uv, "2f", "in_uv")]
        self._mesh = _Mesh(
            surface=surface,
            rows=rows,
            vertices=vertices,
            array=context.vertex_array(self._samples, content, index),
            numbered=context.vertex_array(self._faces, [(vertices, "3f 12x", "in_position")], index),
            image=image,
            buffers=(vertices, uv, index),
        )
        return self._mesh

    def _target(self, size: int) -> _Targets:
        if size not in self._targets:
            try:
                self._targets[size] = self._make_target(size)
            except self._moderngl.Error as error:
                raise WorkError(
                    f"engine gl: the driver refuses frame buffers for pictures of {size} px ({error}); "
                    "choose a smaller size, or engine raster"
                ) from error
        return self._targets[size]

    def _make_target(self, size: int) -> _Targets:
        context, fine, whole = self._context, (SAMPLES_PER_SIDE * size,) * 2, (size, size)
        colour, geometry = context.texture(fine, 4), context.texture(fine, 4, dtype="f4")
        depth = context.depth_renderbuffer(fine)
        return _Targets(
            samples=context.framebuffer([colour, geometry], depth),
            outline=context.framebuffer([colour], depth),
            sample_colour=colour,
            sample_geometry=geometry,
            pixels=context.framebuffer([context.renderbuffer(whole, 4), context.renderbuffer(whole, 4, dtype="f4")]),
            faces=context.framebuffer([context.renderbuffer(whole, 1, dtype="f4")], context.depth_renderbuffer(whole)),
            background=context.texture(whole, 3, alignment=1),
        )


def _write(program: Any, **values: Any) -> None:
    for name, value in values.items():
        program[name].write(np.ascontiguousarray(value, np.float32).tobytes())


def _units(program: Any, **textures: int) -> None:
    for name, unit in textures.items():
        program[name].value = unit
