"""A person: an identity on the body, ready to be posed and turned into a surface to draw."""

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.synthesis.body.bodies import DEFAULT, open_body
from pipelines.synthesis.body.mesh import Normals, Smoothing
from pipelines.synthesis.body.model import PARTS, BodyModel, Pose, Posed
from pipelines.synthesis.body.parts import face_parts
from pipelines.synthesis.movement.grounding import stand
from pipelines.synthesis.movement.skeleton import Skeleton
from pipelines.synthesis.people.appearance import Outfit, dress
from pipelines.synthesis.people.atlas import Atlas, VertexFields, build_atlas, vertex_fields
from pipelines.synthesis.people.face_shape import FaceBasis
from pipelines.synthesis.people.identity import Identity
from pipelines.synthesis.people.patches import Anchors
from pipelines.synthesis.people.worn import Wardrobe
from pipelines.synthesis.scenes.scene import Floats, Surface

_SOLE = 0.006  # metres from the foot to the ground, as shoes are thick


@dataclass(frozen=True)
class Studio:
    """What is made once per process: body, texture atlas, skeleton, hulls for what is worn, and mesh tables."""

    body: BodyModel
    atlas: Atlas
    fields: VertexFields
    skeleton: Skeleton
    skin: NDArray[np.int64]
    parts: NDArray[np.uint8]
    wardrobe: Wardrobe
    anchors: Anchors
    smoothing: Smoothing
    head: FaceBasis
    head_points: FaceBasis

    @classmethod
    def open(cls, texture_size: int, body_name: str = DEFAULT) -> "Studio":
        """texture_size: texels in height. body_name: see `open_body`."""
        body = open_body(body_name)
        fields = vertex_fields(body)
        skin = np.unique(body.faces[body.face_part == PARTS.index("body")])
        return cls(
            body=body,
            atlas=build_atlas(body, fields, texture_size),
            fields=fields,
            skeleton=Skeleton.of(body.guide),
            skin=skin,
            parts=face_parts(body),
            wardrobe=Wardrobe.of(body.template, skin, fields),
            anchors=Anchors.of(body, skin),
            smoothing=Smoothing.of(body, fields),
            head=FaceBasis.of(body.template),
            head_points=FaceBasis.of(body.points_at_rest()),
        )

    def dress(self, identity: Identity) -> "Person":
        outfit = dress(self.body, self.fields, self.atlas, self.wardrobe, self.parts, identity)
        return Person(
            studio=self,
            identity=identity,
            outfit=outfit,
            normals=Normals.of(outfit.corner_point[outfit.faces], outfit.points),
            cloth_normals=tuple(
                Normals.of(cloth.shell.corner_point[cloth.shell.faces], len(cloth.shell.a)) for cloth in outfit.cloths
            ),
            head=self.head.displacement(identity.face),
            head_points=self.head_points.of_all(identity.face),
        )


@dataclass(frozen=True)
class Person:
    """A dressed identity. head (M, 3), head_points (88, 3): by how much the identity's face displaces the vertices of
    `Studio.head`, and the named points."""

    studio: Studio
    identity: Identity
    outfit: Outfit
    normals: Normals
    cloth_normals: tuple[Normals, ...]
    head: Floats
    head_points: Floats

    def pose(self, pose: Pose) -> Posed:
        """The bare body in T frames; it stands on the floor z = 0 in at least one of them."""
        studio = self.studio
        still = dataclasses.replace(pose, translation=np.zeros_like(pose.translation))
        made = studio.body.pose(self.identity.phenotypes, still)
        self._give_face(made)
        lowest = made.vertices[:, studio.skin, 2].min(1) - _SOLE
        offset = stand(studio.skeleton, pose, made, lowest)[:, None]
        return Posed(made.vertices + offset, made.points + offset)

    def _give_face(self, made: Posed) -> None:
        """Displace the head of posed bodies, in place: the displacement turns with the skull."""
        for vertices, points in zip(made.vertices, made.points, strict=True):
            turn = self.studio.anchors.fit_one("head", vertices)[:3]
            vertices[self.studio.head.moved] += self.head @ turn
            points[:] = points + self.head_points @ turn

    def surface(self, bare: Floats) -> Surface:
        """What is seen of one frame: the body (V, 3) with clothes, hair and what else is worn."""
        studio, outfit = self.studio, self.outfit
        points = [bare[outfit.skin]]
        for cloth, normals in zip(outfit.cloths, self.cloth_normals, strict=True):
            under = cloth.shell.values(studio.smoothing.of_cloth(bare, cloth.loose))
            points.append(under + cloth.offset[:, None] * normals.at(under)[cloth.shell.twin])
        maps = studio.anchors.fit(bare)
        points += [patch.at(maps) for patch in outfit.patches]
        whole = np.concatenate(points)
        corner = outfit.corner_point
        return Surface(
            whole[corner], self.normals.at(whole)[corner], outfit.uv, outfit.faces, outfit.texture, outfit.parts
        )
