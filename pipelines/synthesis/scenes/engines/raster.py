"""A z-buffer rasteriser in torch: no GL, no driver, bit-identical wherever torch is. The fallback and the reference."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pipelines.synthesis.scenes.engines.box import Box
from pipelines.synthesis.scenes.scene import (
    GAMMA,
    GLOSS,
    GLOSS_POWER,
    NEAR,
    Camera,
    Floats,
    Layers,
    Light,
    Scene,
    Surface,
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
        surface, camera, size = scene.surface, scene.camera, scene.camera.size
        box, fine = Box.of(surface.vertices, camera), sampling(camera)
        found = rasterise(surface.vertices, surface.faces, fine)
        normals = _facing_normals(scene, camera, found)
        colours = (_shade(scene.light, camera, normals, _texture(scene, found)) * 255).round().numpy()

        which = _which(found, fine.size, size, box)
        rgb, part = scene.background.copy(), np.zeros((size, size), np.uint8)
        depth, normal_map = np.zeros((size, size), np.float32), np.zeros((size, size, 3), np.float32)
        # One more colour, which -1 takes, stands for the background.
        samples = np.concatenate([colours, np.zeros((1, 3), np.float32)])[which].sum(0)
        samples += (which < 0).sum(0)[..., None] * rgb[box.rows_columns].astype(np.float32)
        rgb[box.rows_columns] = np.rint(samples / len(which))
        mask = np.zeros((size, size), bool)
        mask[box.rows_columns] = which[0] >= 0
        middle = which[0][which[0] >= 0]
        part[mask] = surface.parts[found.faces.numpy()[middle]]
        depth[mask] = found.depth.numpy()[middle]
        normal_map[mask] = normals.numpy()[middle] @ camera.rotation.T
        return Layers(rgb, mask, depth, normal_map, part)

    def silhouette(self, vertices: Floats, faces: NDArray[np.int32], camera: Camera) -> Floats:
        box, fine = Box.of(vertices, camera), sampling(camera)
        share = np.zeros((camera.size, camera.size), np.float32)
        which = _which(rasterise(vertices, faces, fine), fine.size, camera.size, box)
        share[box.rows_columns] = (which >= 0).mean(0)
        return share

    def faces(self, surface: Surface, camera: Camera) -> NDArray[np.int32]:
        found = rasterise(surface.vertices, surface.faces, camera)
        nearest = np.full(camera.size**2, -1, np.int32)
        nearest[found.pixels.numpy()] = found.faces.numpy()
        return nearest.reshape(camera.size, camera.size)


def _which(found: Fragments, side: int, size: int, box: Box) -> NDArray[np.int32]:
    """Which fragment is at each sample of the box's pixels, -1 for none, (5, height, width)."""
    numbers = np.full(side * side, -1, np.int32)
    numbers[found.pixels.numpy()] = np.arange(len(found.pixels))
    return np.asarray(numbers[sample_places(size)[:, *box.rows_columns]])


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
