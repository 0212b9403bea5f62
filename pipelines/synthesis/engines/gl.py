"""OpenGL 3.3 without a window (EGL) through moderngl: on a GPU, or on the CPU by Mesa's llvmpipe.

Two passes over the same buffers: colours at twice the size, for antialiasing; normals and depth at pixel centres.
"""

import importlib
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.synthesis.scene import GAMMA, GLOSS, GLOSS_POWER, Camera, Floats, Layers, Scene, composite, coverage

_VERTEX = """
#version 330
uniform mat4 clip;
uniform vec3 forward;
uniform float distance_offset;
in vec3 in_position; in vec3 in_normal; in vec2 in_uv;
out vec3 position; out vec3 normal; out vec2 uv; out float depth;
void main() {
    position = in_position; normal = in_normal; uv = in_uv;
    depth = dot(forward, in_position) + distance_offset;
    gl_Position = clip * vec4(in_position, 1.0);
}
"""
_FACING = """
#version 330
uniform vec3 eye;
in vec3 position; in vec3 normal; in vec2 uv; in float depth;
vec3 facing() {
    vec3 n = normalize(normal);
    return dot(n, eye - position) < 0.0 ? -n : n;
}
"""
_GEOMETRY = (
    _FACING
    + """
uniform mat3 rotation;
uniform usampler2D parts;
layout(location = 0) out vec4 geometry;
layout(location = 1) out uint part;
void main() {
    geometry = vec4(rotation * facing(), depth);
    int width = textureSize(parts, 0).x;
    part = texelFetch(parts, ivec2(gl_PrimitiveID % width, gl_PrimitiveID / width), 0).r;
}
"""
)
_COLOUR = (
    _FACING
    + f"""
uniform sampler2D image;
uniform vec3 direction; uniform vec3 view; uniform vec3 key; uniform vec3 fill; uniform vec3 sky; uniform vec3 ground;
out vec4 colour;
void main() {{
    vec3 n = facing();
    vec3 albedo = pow(texture(image, uv).rgb, vec3({GAMMA}));
    float diffuse = max(0.0, dot(n, direction));
    float gloss = {GLOSS} * pow(max(0.0, dot(n, normalize(direction + view))), {GLOSS_POWER});
    vec3 ambient = mix(ground, sky, 0.5 + 0.5 * n.z);
    vec3 linear = albedo * (ambient + key * diffuse + fill * max(0.0, dot(n, view))) + key * gloss;
    colour = vec4(pow(clamp(linear, 0.0, 1.0), vec3(1.0 / {GAMMA})), 1.0);
}}
"""
)
_OUTLINE = """
#version 330
uniform mat4 clip;
in vec3 in_position;
void main() { gl_Position = clip * vec4(in_position, 1.0); }
"""
_FILL = """
#version 330
out vec4 colour;
void main() { colour = vec4(1.0); }
"""
_TABLE_WIDTH = 1024  # of the texture that holds a value per face


@dataclass(frozen=True)
class _Targets:
    colour: Any
    geometry: Any


class GlEngine:
    """Engine `gl`. Raises: whatever moderngl raises where there is no usable EGL."""

    name = "gl"

    def __init__(self) -> None:
        # Mesa would otherwise write compiled shaders into the home directory.
        os.environ.setdefault("MESA_SHADER_CACHE_DISABLE", "true")
        moderngl: Any = importlib.import_module("moderngl")
        self._moderngl = moderngl
        self._context = moderngl.create_context(
            standalone=True, backend="egl", require=330, libgl="libGL.so.1", libegl="libEGL.so.1"
        )
        self._context.enable(moderngl.DEPTH_TEST)
        self._colour = self._context.program(vertex_shader=_VERTEX, fragment_shader=_COLOUR)
        self._geometry = self._context.program(vertex_shader=_VERTEX, fragment_shader=_GEOMETRY)
        self._outline = self._context.program(vertex_shader=_OUTLINE, fragment_shader=_FILL)
        self._targets: dict[int, _Targets] = {}

    def _target(self, size: int) -> _Targets:
        if size not in self._targets:
            context, fine = self._context, 2 * size
            self._targets[size] = _Targets(
                context.framebuffer(context.renderbuffer((fine, fine), 4), context.depth_renderbuffer((fine, fine))),
                context.framebuffer(
                    [
                        context.renderbuffer((size, size), 4, dtype="f4"),
                        context.renderbuffer((size, size), 1, dtype="u1"),
                    ],
                    context.depth_renderbuffer((size, size)),
                ),
            )
        return self._targets[size]

    def render(self, scene: Scene) -> Layers:
        with self._context:  # another engine's context may be the current one
            return self._render(scene)

    def _render(self, scene: Scene) -> Layers:
        surface, camera, light = scene.surface, scene.camera, scene.light
        size, targets = camera.size, self._target(camera.size)
        buffer = self._context.buffer(
            np.concatenate([surface.vertices, surface.normals, surface.uv], 1).astype(np.float32).tobytes()
        )
        index = self._context.buffer(surface.faces.astype(np.int32).tobytes())
        height, width = surface.texture.shape[:2]
        texture = self._context.texture((width, height), 3, surface.texture[::-1].tobytes(), alignment=1)
        texture.filter = (self._moderngl.LINEAR, self._moderngl.LINEAR)
        texture.repeat_x = texture.repeat_y = False
        padded = np.zeros(-len(surface.parts) % _TABLE_WIDTH + len(surface.parts), np.uint8)
        padded[: len(surface.parts)] = surface.parts
        table = self._context.texture((_TABLE_WIDTH, len(padded) // _TABLE_WIDTH), 1, padded.tobytes(), dtype="u1")
        view = -camera.rotation[2]
        values = {
            "clip": camera.clip_matrix().T,
            "eye": camera.centre,
            "forward": camera.rotation[2],
            "distance_offset": camera.translation[2],
            "rotation": camera.rotation.T,
            "direction": light.direction,
            "view": view,
            **{name: getattr(light, name) for name in ("key", "fill", "sky", "ground")},
        }
        made = {}
        for program, target in ((self._colour, targets.colour), (self._geometry, targets.geometry)):
            for name, value in values.items():
                if name in program:
                    program[name].write(np.ascontiguousarray(value, np.float32).tobytes())
            layout = "3f 3f 2f" if program is self._colour else "3f 3f 8x"
            inputs = ("in_position", "in_normal", "in_uv") if program is self._colour else ("in_position", "in_normal")
            array = self._context.vertex_array(program, [(buffer, layout, *inputs)], index)
            target.use()
            target.clear()
            (texture if program is self._colour else table).use()
            array.render()
            made[program] = target.read(components=4, dtype="f1" if program is self._colour else "f4")
            if program is self._geometry:
                part = np.frombuffer(target.read(components=1, attachment=1, dtype="u1"), np.uint8)
            array.release()
        for resource in (buffer, index, texture, table):
            resource.release()
        samples = np.frombuffer(made[self._colour], np.uint8).reshape(2 * size, 2 * size, 4)
        geometry = np.frombuffer(made[self._geometry], np.float32).reshape(size, size, 4)
        depth = geometry[..., 3].copy()
        return Layers(
            composite(samples, scene.background), depth > 0, depth, geometry[..., :3].copy(), part.reshape(size, size)
        )

    def silhouette(self, vertices: Floats, faces: NDArray[np.int32], camera: Camera) -> Floats:
        fine = 2 * camera.size
        with self._context:
            buffer = self._context.buffer(vertices.astype(np.float32).tobytes())
            index = self._context.buffer(faces.astype(np.int32).tobytes())
            self._outline["clip"].write(np.ascontiguousarray(camera.clip_matrix().T))
            array = self._context.vertex_array(self._outline, [(buffer, "3f", "in_position")], index)
            target = self._target(camera.size).colour
            target.use()
            target.clear()
            array.render()
            covered = np.frombuffer(target.read(components=4), np.uint8).reshape(fine, fine, 4)
            for resource in (array, buffer, index):
                resource.release()
        return coverage(covered[..., 3].astype(np.float32) / 255)
