"""A model folder behind bytes in, bytes out: what the registered model serves."""

import os
import tempfile
from pathlib import Path

from pipelines.curation.clips import ClipsConfig
from pipelines.curation.people import PeopleConfig
from pipelines.curation.watch import Watcher
from pipelines.errors import DataError
from pipelines.params import PARAMS_FILE, Params
from pipelines.progress import Progress
from pipelines.workspace import Workspace
from training.animate import make
from training.export import load_animator
from training.painter import Painter
from training.reel import Outputs, Wish


class Server:
    """folder: of the model, see `training.export`.

    The networks that find people lie in the workspace that the environment names (`UNIMOTION_WORKSPACE`, else the
    folder `workspace`), and are fetched once; `UNIMOTION_PARAMS` names another params file: as on the command line.
    """

    def __init__(self, folder: Path) -> None:
        workspace = Workspace(os.environ.get("UNIMOTION_WORKSPACE", "workspace"))
        workspace.prepare()
        params = Params(Path(os.environ.get("UNIMOTION_PARAMS", PARAMS_FILE)))
        painter = Painter(load_animator(folder))
        self._painter = lambda: painter
        self._watcher = Watcher(workspace, params.section("people", PeopleConfig), params.section("clips", ClipsConfig))

    def animate(self, reference: bytes, driving: bytes) -> bytes:
        """An mp4 of the photo whose person moves as the driver does, with the driver's sound; see `animate`.

        reference: PNG or JPEG. driving: a video, or a photo.
        Raises: DataError for input that cannot be read or shows nobody.
        """
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            photo, video = folder / "reference", folder / "driving"
            photo.write_bytes(reference)
            video.write_bytes(driving)
            outputs = Outputs(folder / "out.mp4")
            try:
                make(self._painter, self._watcher, photo, video, outputs, Wish(), None, Progress("animate", quiet=True))
            except DataError as error:
                # Who sent bytes knows no folder.
                raise DataError(str(error).replace(f"{folder}{os.sep}", "")) from error
            return outputs.video.read_bytes()
