"""Trained models as ONNX files: written, read and run."""

import io
import json
import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from cssr.files import write_whole
from cssr.models.pipeline import Pipeline, Statistics
from cssr.models.receptive_field import receptive_field
from cssr.models.saved import check_segments, load_model
from cssr.models.variants import VARIANTS

KEY = "cssr"  # of the description in the file's metadata
DESCRIBED = ("variant", "scale", "sr", "ss", "threshold")
TOLERANCE = 1e-4  # of a probability, between ONNX and PyTorch
OWN = -1.0  # variance that stands for the image's own statistics


class OnnxNetwork:
    """An exported pipeline on ONNX Runtime's CPU provider; takes the content of its file."""

    def __init__(self, content: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors; it warns of inputs with initial values
        providers = ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(content, options, providers=providers)
        self.description = json.loads(self.session.get_modelmeta().custom_metadata_map[KEY])
        self.has_sr = VARIANTS[self.description["variant"]].has_sr
        self.run_options = onnxruntime.RunOptions()
        self.run_options.only_execute_path_to_fetches = True

    def ss_input(self, images: Tensor) -> Tensor:
        """See `cssr.inspection.backends.Network`."""
        return self._run("sr", {"image": images}) if self.has_sr else images

    def probs(self, images: Tensor, ss_input: Tensor, statistics: Statistics) -> Tensor:
        """See `cssr.inspection.backends.Network`."""
        mean, variance = statistics
        return self._run("probs", {"image": images, "mean": mean, "variance": variance})

    def _run(self, output: str, inputs: Mapping[str, Tensor]) -> Tensor:
        arrays = {name: np.ascontiguousarray(value) for name, value in inputs.items()}
        return torch.from_numpy(self.session.run([output], arrays, self.run_options)[0])


def load_onnx(file: Path) -> tuple[OnnxNetwork, dict[str, Any]]:
    """Load an exported model, and its description.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if `export_model` has not written it.
    """
    content = file.read_bytes()
    try:
        network = OnnxNetwork(content)
    except KeyError:
        raise ValueError(f"{file}: an ONNX file, but not one of `cssr export`") from None
    except Exception as error:  # those of onnxruntime have no base class of their own
        raise ValueError(f"{file}: not a readable ONNX file ({error})") from None
    return network, network.description


def export_model(model: Path, file: Path) -> float:
    """Write a trained model as an ONNX file, once it gives the same probabilities.

    Returns:
        The greatest difference in probability between the two.

    Raises:
        FileNotFoundError: if there is no such model.
        ValueError: if it does not segment, the two differ, or the file cannot be written.
    """
    if file.suffix != ".onnx":
        raise ValueError(f"{file}: the name must end in .onnx")
    if not file.parent.is_dir():
        raise ValueError(f"--onnx: {file.parent}: no such folder")
    pipeline, description = load_model(model)
    check_segments(model, description)
    content = to_onnx(pipeline, description)
    difference = greatest_difference(OnnxNetwork(content), pipeline)
    if difference > TOLERANCE:
        raise ValueError(f"differs from {model} by {difference:.1e}, above {TOLERANCE:g}")
    try:
        write_whole(file, content)
    except OSError as error:
        raise ValueError(f"--onnx: {file}: {error.strerror}") from None
    return difference


def to_onnx(pipeline: Pipeline, description: Mapping[str, Any]) -> bytes:
    """Convert a pipeline to ONNX, with dynamic batch and size.

    The inputs are `image`, (B, 3, h, w) in [0, 1], whose sides are multiples of the model's stride,
    and, optionally, `mean` and `variance`, (1, 3, 1, 1), with which SS normalises its input; by
    default they are the image's own. The outputs are `sr`, not clipped, where the model has one,
    and `probs`. The description, as in model.json, is stored in the metadata.
    """
    has_sr = pipeline.variant.has_sr
    stride = _stride(description)
    image = torch.rand(2, 3, 2 * stride, 3 * stride)
    defaults = {"mean": torch.zeros(1, 3, 1, 1), "variance": torch.full((1, 3, 1, 1), OWN)}
    batch, rows, columns = map(torch.export.Dim, ("batch", "rows", "columns"))
    with warnings.catch_warnings(action="ignore"), redirect_stdout(io.StringIO()):
        program = torch.onnx.export(
            _Exported(pipeline).eval(),
            (image, *defaults.values()),
            dynamo=True,
            verbose=False,
            input_names=["image", *defaults],
            output_names=["sr", "probs"] if has_sr else ["probs"],
            dynamic_shapes=({0: batch, 2: stride * rows, 3: stride * columns}, None, None),
        )
    model = program.model_proto
    for name, value in defaults.items():  # an input with an initial value is optional
        model.graph.initializer.append(onnx.numpy_helper.from_array(value.numpy(), name))
    described = {key: description.get(key) for key in DESCRIBED}
    onnx.helper.set_model_props(model, {KEY: json.dumps(described)})
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def greatest_difference(network: OnnxNetwork, pipeline: Pipeline) -> float:
    """Greatest difference in probability of an export from its pipeline, on random images."""
    stride = _stride(network.description)
    generator = torch.Generator().manual_seed(0)
    own = torch.zeros(1, 3, 1, 1), torch.full((1, 3, 1, 1), OWN)
    differences = []
    for batch, rows, columns in ((1, 3, 3), (2, 4, 2), (3, 2, 5)):
        image = torch.rand(batch, 3, rows * stride, columns * stride, generator=generator)
        with torch.inference_mode():
            expected = pipeline(image)[1]
        probs = network.probs(image, image, own)
        differences.append(float((probs - expected).abs().max()))
    return max(differences)


class _Exported(nn.Module):
    """A pipeline that takes the statistics of the whole image, of which it may see a tile."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__()
        self.pipeline = pipeline

    def forward(self, image: Tensor, mean: Tensor, variance: Tensor) -> tuple[Tensor, ...]:
        ss_input = self.pipeline.ss_input(image)
        own_mean = ss_input.mean((2, 3), keepdim=True)
        own_variance = (ss_input - own_mean).square().mean((2, 3), keepdim=True)
        mean = torch.where(variance < 0, own_mean, mean)
        variance = torch.where(variance < 0, own_variance, variance)
        probs = self.pipeline.probs(ss_input, (mean, variance))
        return (ss_input, probs) if self.pipeline.variant.has_sr else (probs,)


def _stride(description: Mapping[str, Any]) -> int:
    """Sides of the model's images are multiples of it, px."""
    sr = description["sr"]
    return receptive_field(
        description["variant"], scale=description["scale"], stages=sr and sr["stages"]
    )[0]
