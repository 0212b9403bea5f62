"""What a registered model takes along, so that it runs where this repository is not: our code, and what to install."""

import re
import shutil
from importlib.metadata import version as installed_version
from pathlib import Path

# All that serving imports.
_REQUIREMENTS = (
    *("torch", "diffusers", "transformers", "peft", "huggingface-hub", "safetensors", "ai-edge-litert"),
    *("numpy", "scipy", "pandas", "pyarrow", "opencv-python-headless", "pillow", "simplejpeg", "av", "decord"),
    *("pydantic", "pyyaml", "fsspec", "filelock", "tqdm"),
)
_PACKAGES = ("pipelines", "training")
_LEFT_OUT = ("__pycache__", "assets", "templates")  # the model that the package comes with, and pages


def requirements() -> list[str]:
    """As an index has them: a build for some machine (2.13.0+cpu) is not there."""
    return [f"{name}=={re.sub(r'[+].*', '', installed_version(name))}" for name in _REQUIREMENTS]


def copy_code(folder: Path) -> list[Path]:
    """Copy our packages into a folder, and give where each of them is there."""
    root, copies = Path(__file__).parents[1], []
    for name in _PACKAGES:
        copies.append(folder / name)
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    return copies
