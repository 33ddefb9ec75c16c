"""Trained models in two halves, on PyTorch or on ONNX Runtime."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from cssr.device import choose_device, keep_freed_memory
from cssr.inspection.blocks import BlockDBPN
from cssr.models.pipeline import Pipeline
from cssr.models.saved import WEIGHTS, check_segments, load_model
from cssr.models.unet import Margins


class Network(Protocol):
    """A trained pipeline, whose halves are called one after the other on tiles of a photo.

    Attributes:
        threads: that may call it at a time.
    """

    threads: int

    def ss_input(self, images: Tensor) -> Tensor:
        """What SS sees of tiles (B, 3, h, w) in [0, 1]: the SR image, or the tiles themselves."""

    def probs(self, normalised: Tensor, margins: Margins) -> Tensor:
        """Crack probabilities (B, 1, H, W) of what SS sees, normalised, without its margins."""


class TorchNetwork:
    """A pipeline on a device; there it is changed to what is fastest, on a CPU DBPN in blocks."""

    def __init__(self, pipeline: Pipeline, device: torch.device) -> None:
        self.device = device
        self.pipeline = pipeline.to(device, memory_format=torch.channels_last).eval()
        self.threads = 1
        if device.type == "cpu":
            self.threads = torch.get_num_threads()
            if pipeline.sr is not None:
                self.pipeline.sr = BlockDBPN(pipeline.sr)

    @torch.inference_mode()
    def ss_input(self, images: Tensor) -> Tensor:
        """See `Network`."""
        return self.pipeline.ss_input(self._here(images))

    @torch.inference_mode()
    def probs(self, normalised: Tensor, margins: Margins) -> Tensor:
        """See `Network`."""
        return self.pipeline.probs(self._here(normalised), margins)

    def _here(self, images: Tensor) -> Tensor:
        return images.to(self.device, memory_format=torch.channels_last)


def load_network(path: Path, device: str) -> tuple[Network, Mapping[str, Any]]:
    """Load a trained model and its description; for arguments and errors see `cssr.load`."""
    torch_device = choose_device(device)
    if path.suffix == ".onnx":
        if device.startswith("cuda"):
            raise ValueError(f"{path}: ONNX models run on the CPU here, not on {device}")
        from cssr.inspection.onnx_model import load_onnx  # its packages may not be installed

        return load_onnx(path)
    pipeline, description = load_model(path)
    check_segments(path, description)
    keep_freed_memory()
    return TorchNetwork(pipeline, torch_device), description


def model_hash(model: Path) -> str:
    """SHA-256 of a model's weights: of the ONNX file, or of the folder's safetensors."""
    file = model if model.is_file() else model / WEIGHTS
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
