"""Which body identities have: Anny, or the user's SMPL-X file."""

from pipelines.names import path_of
from pipelines.synthesis.body.model import AnnyBody, BodyModel

DEFAULT = "anny"


def open_body(name: str) -> BodyModel:
    """name: `anny`, or the path of a SMPL-X model (.npz). Raises: UsageError where that is not one."""
    if name == DEFAULT:
        return AnnyBody()
    from pipelines.synthesis.body.smplx_body import SmplxBody

    return SmplxBody(path_of(name))
