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
import onnx.utils
import onnxruntime
import torch
from torch import Tensor, nn

from cssr.files import write_whole
from cssr.models.pipeline import EPSILON, Pipeline, normalise
from cssr.models.saved import check_segments, load_model
from cssr.models.unet import NONE, Margins, without
from cssr.models.variants import VARIANTS
from cssr.paper import STRIDE

KEY = "cssr"  # of the description in the file's metadata
DESCRIBED = ("variant", "scale", "side", "sr", "ss", "threshold")
TOLERANCE = 1e-4  # of a probability, between ONNX and PyTorch


class OnnxNetwork:
    """An exported pipeline in two halves, on ONNX Runtime's CPU provider.

    Args:
        content: of the file.
    """

    threads = 1  # ONNX Runtime has its own

    def __init__(self, content: bytes) -> None:
        model = onnx.load_from_string(content)
        described = {entry.key: entry.value for entry in model.metadata_props}
        self.description = json.loads(described[KEY])
        halves = onnx.utils.Extractor(model)
        enlarges = VARIANTS[self.description["variant"]].enlarges_image
        self._sr = _session(halves.extract_model(["image"], ["sr"])) if enlarges else None
        shaped = [] if enlarges else ["image"]  # of which the sides are read
        self._ss = _session(halves.extract_model([*shaped, "normalised"], ["probs"]))

    def ss_input(self, images: Tensor) -> Tensor:
        """See `cssr.inspection.backends.Network`."""
        return _run(self._sr, images) if self._sr else images

    def probs(self, normalised: Tensor, margins: Margins = NONE) -> Tensor:
        """See `cssr.inspection.backends.Network`."""
        probs = _run(self._ss, normalised)
        enlarged = probs.shape[-1] // normalised.shape[-1]
        return without(probs, [enlarged * margin for margin in margins])


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
        raise ValueError(
            f"{file}: an ONNX file, but not one of this version's `cssr export`"
        ) from None
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

    The input is `image`, (B, 3, h, w) in [0, 1], whose sides are multiples of the model's stride.
    The outputs are `sr`, not clipped, where the model has one; `normalised`, what SS sees, by each
    image's own mean and variance; and `probs`, which depends on `normalised` alone. The
    description, as in model.json, is stored in the metadata.
    """
    enlarges = pipeline.variant.enlarges_image
    stride = _stride(description)
    image = torch.rand(2, 3, 2 * stride, 3 * stride)
    batch, rows, columns = map(torch.export.Dim, ("batch", "rows", "columns"))
    with warnings.catch_warnings(action="ignore"), redirect_stdout(io.StringIO()):
        program = torch.onnx.export(
            _Exported(pipeline).eval(),
            (image,),
            dynamo=True,
            verbose=False,
            input_names=["image"],
            output_names=[*(["sr"] if enlarges else []), "normalised", "probs"],
            dynamic_shapes=({0: batch, 2: stride * rows, 3: stride * columns},),
        )
    model = program.model_proto
    described = {key: description[key] for key in DESCRIBED if key in description}
    onnx.helper.set_model_props(model, {KEY: json.dumps(described)})
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def greatest_difference(network: OnnxNetwork, pipeline: Pipeline) -> float:
    """Greatest difference in probability of an export from its pipeline, on random images."""
    stride = _stride(network.description)
    generator = torch.Generator().manual_seed(0)
    differences = []
    for batch, rows, columns in ((1, 3, 3), (2, 4, 2), (3, 2, 5)):
        image = torch.rand(batch, 3, rows * stride, columns * stride, generator=generator)
        with torch.inference_mode():
            expected = pipeline(image)[1]
        probs = network.probs(normalise(network.ss_input(image)))
        differences.append(float((probs - expected).abs().max()))
    return max(differences)


class _Exported(nn.Module):
    """A pipeline with what is between its halves; its statistics as ONNX computes them."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__()
        self.pipeline = pipeline

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        seen = self.pipeline.ss_input(image)
        centred = seen - seen.mean((2, 3), keepdim=True)
        variance = centred.square().mean((2, 3), keepdim=True)
        normalised = centred * (variance + EPSILON).rsqrt()
        probs = self.pipeline.probs(normalised)
        enlarges = self.pipeline.variant.enlarges_image
        return (seen, normalised, probs) if enlarges else (normalised, probs)


def _session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    content = model.SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _run(session: onnxruntime.InferenceSession, values: Tensor) -> Tensor:
    """The output for values, which all inputs are given."""
    array = np.ascontiguousarray(values)
    inputs = {node.name: array for node in session.get_inputs()}
    return torch.from_numpy(session.run(None, inputs)[0])


def _stride(description: Mapping[str, Any]) -> int:
    """Sides of the model's images are multiples of it, px."""
    enlarges = VARIANTS[description["variant"]].enlarges_image
    return STRIDE // description["scale"] if enlarges else STRIDE
