"""Trained models as ONNX files."""

import io
import json
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from cssr.files import write_whole
from cssr.models.pipeline import Statistics
from cssr.models.receptive_field import receptive_field
from cssr.models.variants import VARIANTS

KEY = "cssr"  # of the description among the file's metadata
TOLERANCE = 1e-4  # of a probability, between ONNX and PyTorch
OWN = -1.0  # variance that stands for the statistics of the image itself


class _Exported(nn.Module):
    """A pipeline whose statistics can be given, as an image in tiles needs."""

    def __init__(self, pipeline: nn.Module, *, has_sr: bool) -> None:
        super().__init__()
        self.pipeline, self.has_sr = pipeline, has_sr

    def forward(self, image: Tensor, mean: Tensor, variance: Tensor) -> tuple[Tensor, ...]:
        seen = self.pipeline.ss_input(image)
        own = seen.mean((2, 3), keepdim=True)
        own_variance = (seen - own).square().mean((2, 3), keepdim=True)
        mean = torch.where(variance < 0, own, mean)
        probs = self.pipeline.probs(seen, (mean, torch.where(variance < 0, own_variance, variance)))
        return (seen, probs) if self.has_sr else (probs,)


def export_onnx(file: Path, pipeline: nn.Module, description: dict[str, Any]) -> None:
    """Write a pipeline as an ONNX file of dynamic batch and size.

    Inputs are `image`, (B, 3, h, w) in [0, 1], its sides multiples of the model's stride, and,
    optional, `mean` and `variance`, (1, 3, 1, 1), with which SS normalises what it sees; without
    them those of the image. Outputs are `sr` where the model has one, not clipped, and `probs`.

    Args:
        file: to write.
        pipeline: one of the seven of Table 1, on the CPU.
        description: as in model.json.
    """
    has_sr, stride = VARIANTS[description["variant"]].has_sr, _stride(description)
    image = torch.rand(2, 3, 2 * stride, 3 * stride)
    own = {"mean": torch.zeros(1, 3, 1, 1), "variance": torch.full((1, 3, 1, 1), OWN)}
    batch, rows, columns = map(torch.export.Dim, ("batch", "rows", "columns"))
    with warnings.catch_warnings(action="ignore"), redirect_stdout(io.StringIO()):
        program = torch.onnx.export(
            _Exported(pipeline, has_sr=has_sr).eval(),
            (image, *own.values()),
            dynamo=True,
            verbose=False,
            input_names=["image", *own],
            output_names=["sr", "probs"] if has_sr else ["probs"],
            dynamic_shapes=({0: batch, 2: stride * rows, 3: stride * columns}, None, None),
        )
    model = program.model_proto
    for name, value in own.items():  # an input with an initial value may be left out
        model.graph.initializer.append(onnx.numpy_helper.from_array(value.numpy(), name))
    kept = {key: description.get(key) for key in ("variant", "scale", "sr", "ss", "threshold")}
    onnx.helper.set_model_props(model, {KEY: json.dumps(kept)})
    onnx.checker.check_model(model, full_check=True)
    write_whole(file, model.SerializeToString())


def greatest_difference(file: Path, pipeline: nn.Module, description: dict[str, Any]) -> float:
    """Between the probabilities of an exported pipeline and its own, on random images.

    Args:
        file: that `export_onnx` wrote.
        pipeline: what was exported.
        description: as in model.json.
    """
    stride = _stride(description)
    generator = torch.Generator().manual_seed(0)
    network, _ = load_onnx(file)
    differences = []
    for batch, rows, columns in ((1, 3, 3), (2, 4, 2), (3, 2, 5)):
        image = torch.rand(batch, 3, rows * stride, columns * stride, generator=generator)
        own = torch.zeros(1, 3, 1, 1), torch.full((1, 3, 1, 1), OWN)
        with torch.inference_mode():
            expected = pipeline(image)[1]
        found = network.probs(image, image, own)
        differences.append(float((found - expected).abs().max()))
    return max(differences)


def _stride(description: dict[str, Any]) -> int:
    variant, scale, sr = description["variant"], description["scale"], description["sr"]
    return receptive_field(variant, scale=scale, stages=sr and sr["stages"])[0]


class OnnxNetwork:
    """An exported pipeline, on onnxruntime's CPU provider."""

    def __init__(self, session: onnxruntime.InferenceSession, *, has_sr: bool) -> None:
        self.session, self.has_sr = session, has_sr
        self.only_what_is_asked = onnxruntime.RunOptions()
        self.only_what_is_asked.only_execute_path_to_fetches = True

    def ss_input(self, images: Tensor) -> Tensor:
        """What SS sees of tiles (B, 3, h, w); the SR image where there is one."""
        return self._run("sr", {"image": images}) if self.has_sr else images

    def probs(self, images: Tensor, seen: Tensor, statistics: Statistics) -> Tensor:
        """Crack probabilities (B, 1, H, W) of tiles."""
        mean, variance = statistics
        return self._run("probs", {"image": images, "mean": mean, "variance": variance})

    def _run(self, output: str, inputs: dict[str, Tensor]) -> Tensor:
        arrays = {name: np.ascontiguousarray(value) for name, value in inputs.items()}
        return torch.from_numpy(self.session.run([output], arrays, self.only_what_is_asked)[0])


def load_onnx(file: Path) -> tuple[OnnxNetwork, dict[str, Any]]:
    """Read a file that `export_onnx` wrote, and its description.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not such a file.
    """
    content = file.read_bytes()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; it warns of inputs with initial values
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        description = json.loads(session.get_modelmeta().custom_metadata_map[KEY])
        has_sr = VARIANTS[description["variant"]].has_sr
        description["sr"], description["ss"]["encoder"]  # what a segmenter asks for
    except (KeyError, TypeError):
        raise ValueError(f"{file}: an ONNX file, but not one of `cssr export`") from None
    except Exception as error:  # onnxruntime's have no common base of their own
        raise ValueError(f"{file}: not a readable ONNX file ({error})") from None
    return OnnxNetwork(session, has_sr=has_sr), description
