"""A z-buffer rasteriser in torch: no GL, no driver, bit-identical wherever torch is. The fallback and the reference."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pipelines.synthesis.scene import (
    GAMMA,
    GLOSS,
    GLOSS_POWER,
    NEAR,
    Camera,
    Floats,
    Layers,
    Light,
    Scene,
    sample_places,
    sampling,
)


@dataclass(frozen=True)
class Fragments:
    """The nearest triangle of each covered pixel. pixels (N,) flat index, faces (N,), weights (N, 3) of its corners
    in the world (perspective-correct), depth (N,)."""

    pixels: torch.Tensor
    faces: torch.Tensor
    weights: torch.Tensor
    depth: torch.Tensor


def rasterise(vertices: Floats, faces: np.ndarray, camera: Camera) -> Fragments:
    """Nearest triangle at every pixel centre. vertices (V, 3) in the world, faces (F, 3); triangles that cross the
    near plane are left out."""
    size = camera.size
    space = torch.from_numpy(camera.to_camera(vertices))
    z = space[:, 2]
    inverse = 1.0 / z.clamp_min(1e-6)
    k = torch.from_numpy(camera.intrinsics)
    xy = (space @ k[:2].T) * inverse[:, None]

    triangles = torch.from_numpy(np.ascontiguousarray(faces)).long()
    corners = xy[triangles]
    low = (corners.amin(1) - 0.5).ceil().clamp(0, size).int()
    high = (corners.amax(1) - 0.5).floor().clamp(-1, size - 1).int()
    extent = (high - low + 1).clamp_min(0)
    a, b, c = corners.unbind(1)
    area = _cross(b - a, c - a)
    usable = (area.abs() > 1e-12) & (extent.prod(1) > 0) & (z[triangles].amin(1) > NEAR)
    index = usable.nonzero()[:, 0]

    width, count = extent[index, 0].long(), extent[index].prod(1).long()
    which = torch.repeat_interleave(torch.arange(len(index)), count)
    offset = torch.arange(len(which)) - (count.cumsum(0) - count)[which]
    column = low[index, 0].long()[which] + offset % width[which]
    row = low[index, 1].long()[which] + offset // width[which]
    face = index[which]
    point = torch.stack([column, row], 1) + 0.5

    ca, cb, cc = corners[face].unbind(1)
    screen = torch.stack([_cross(cc - cb, point - cb), _cross(ca - cc, point - cc), _cross(cb - ca, point - ca)], 1)
    screen /= area[face][:, None]
    inside = (screen >= 0).all(1)
    screen, face, pixel = screen[inside], face[inside], (row * size + column)[inside]

    perspective = screen * inverse[triangles[face]]
    total = perspective.sum(1)
    depth = 1.0 / total
    # Positive floats order like their bits, so one integer minimum finds the nearest face, ties by face number.
    key = (depth.view(torch.int32).long() << 32) | face
    nearest = torch.full((size * size,), torch.iinfo(torch.int64).max)
    nearest.scatter_reduce_(0, pixel, key, "amin")
    won = (nearest[pixel] == key).nonzero()[:, 0]
    return Fragments(pixel[won], face[won], perspective[won] / total[won, None], depth[won])


def _cross(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


class RasterEngine:
    """Engine `raster`."""

    name = "raster"

    def render(self, scene: Scene) -> Layers:
        surface, camera = scene.surface, scene.camera
        places = sample_places(camera.size)
        fine = sampling(camera)
        found = rasterise(surface.vertices, surface.faces, fine)
        normals = _facing_normals(scene, camera, found)
        colour, shape = torch.zeros(fine.size**2, 3), torch.zeros(fine.size**2, 4)
        part = torch.zeros(fine.size**2, dtype=torch.uint8)
        eight_bit = (_shade(scene.light, camera, normals, _texture(scene, found)) * 255).round()
        colour[found.pixels] = eight_bit
        shape[found.pixels] = torch.cat([normals @ torch.from_numpy(camera.rotation).T, found.depth[:, None]], 1)
        part[found.pixels] = torch.from_numpy(surface.parts)[found.faces]

        covered = (part.numpy() > 0)[places][..., None]
        samples = np.where(covered, colour.numpy()[places], scene.background)
        middle = shape.numpy()[places[0]]
        depth = middle[..., 3].copy()
        rgb = np.rint(samples.mean(0)).astype(np.uint8)
        return Layers(rgb, depth > 0, depth, middle[..., :3].copy(), part.numpy()[places[0]])

    def silhouette(self, vertices: Floats, faces: NDArray[np.int32], camera: Camera) -> Floats:
        fine = sampling(camera)
        covered = np.zeros(fine.size**2, np.float32)
        covered[rasterise(vertices, faces, fine).pixels.numpy()] = 1
        return np.asarray(covered[sample_places(camera.size)].mean(0), np.float32)


def _interpolate(values: Floats, scene: Scene, found: Fragments) -> torch.Tensor:
    corners = torch.from_numpy(scene.surface.faces).long()[found.faces]
    return (torch.from_numpy(values)[corners] * found.weights[..., None]).sum(1)


def _facing_normals(scene: Scene, camera: Camera, found: Fragments) -> torch.Tensor:
    """World normals turned towards the camera."""
    normals = torch.nn.functional.normalize(_interpolate(scene.surface.normals, scene, found), dim=1)
    to_camera = torch.from_numpy(camera.centre) - _interpolate(scene.surface.vertices, scene, found)
    return torch.where((normals * to_camera).sum(1, keepdim=True) < 0, -normals, normals)


def _texture(scene: Scene, found: Fragments) -> torch.Tensor:
    """Bilinear texture colours, linear light, (N, 3)."""
    texture = torch.from_numpy(scene.surface.texture)
    height, width = texture.shape[:2]
    uv = _interpolate(scene.surface.uv, scene, found)
    x = (uv[:, 0] * width - 0.5).clamp(0, width - 1)
    y = ((1 - uv[:, 1]) * height - 0.5).clamp(0, height - 1)
    left, top = x.floor().long(), y.floor().long()
    right, bottom = (left + 1).clamp_max(width - 1), (top + 1).clamp_max(height - 1)
    fx, fy = (x - left)[:, None], (y - top)[:, None]
    upper = texture[top, left] * (1 - fx) + texture[top, right] * fx
    lower = texture[bottom, left] * (1 - fx) + texture[bottom, right] * fx
    return ((upper * (1 - fy) + lower * fy) / 255) ** GAMMA


def _shade(light: Light, camera: Camera, normals: torch.Tensor, albedo: torch.Tensor) -> torch.Tensor:
    """Colours in [0, 1] with gamma, by the formula in `scene`."""
    direction, view = torch.from_numpy(light.direction), torch.from_numpy(-camera.rotation[2])
    sky, ground = torch.from_numpy(light.sky), torch.from_numpy(light.ground)
    key, fill = torch.from_numpy(light.key), torch.from_numpy(light.fill)
    upward = 0.5 + 0.5 * normals[:, 2:]
    diffuse = (normals @ direction).clamp_min(0)[:, None]
    half = torch.nn.functional.normalize(direction + view, dim=0)
    gloss = GLOSS * (normals @ half).clamp_min(0)[:, None] ** GLOSS_POWER
    facing = (normals @ view).clamp_min(0)[:, None]
    linear = albedo * (ground + (sky - ground) * upward + key * diffuse + fill * facing) + key * gloss
    return linear.clamp(0, 1) ** (1 / GAMMA)
