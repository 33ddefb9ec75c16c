import numpy as np
import onnx
import pytest
import torch
from networks import pipeline

import cssr
from cssr.inspection.backends import TorchNetwork
from cssr.inspection.onnx_model import greatest_difference, load_onnx, to_onnx
from cssr.inspection.segmenter import Segmenter
from cssr.models.variants import VARIANTS
from cssr.paper import MODELS


def description(variant: str, network: torch.nn.Module) -> dict:
    sr = network.sr and network.sr.config
    return {
        "variant": variant,
        "scale": 4,
        "side": 64,
        "sr": sr,
        "ss": network.ss.config,
        "threshold": 0.25,
    }


@pytest.fixture(scope="module", params=MODELS)
def exported(request, tmp_path_factory):
    """A variant's name, its pipeline and its ONNX file."""
    file = tmp_path_factory.mktemp("onnx") / f"{request.param}.onnx"
    network = pipeline(request.param)
    file.write_bytes(to_onnx(network, description(request.param, network)))
    return request.param, network, file


def test_sizes_and_batches_of_any_number_give_pytorchs_probabilities(exported):
    _, network, file = exported
    assert greatest_difference(load_onnx(file)[0], network) < 1e-4


def test_an_exported_model_segments_a_photo_in_tiles_as_pytorch_does(exported):
    variant, network, file = exported
    image = np.random.default_rng(0).integers(0, 256, (101, 203, 3), np.uint8)
    ours = Segmenter(TorchNetwork(network, torch.device("cpu")), description(variant, network))
    theirs = cssr.load(file)
    assert theirs.threshold == 0.25
    tile = 100 if VARIANTS[variant].enlarges_image else None
    one, two = (model.segment(image, tile=tile) for model in (ours, theirs))
    np.testing.assert_allclose(one.probs, two.probs, atol=1e-4, rtol=0)
    assert (one.sr is None) == (two.sr is None)


def test_the_file_takes_an_image_and_names_what_it_gives(exported):
    variant, _, file = exported
    graph = onnx.load(file).graph
    sr = ["sr"] if VARIANTS[variant].enlarges_image else []
    assert [value.name for value in graph.input] == ["image"]
    assert [value.name for value in graph.output] == [*sr, "normalised", "probs"]


def test_another_onnx_file_is_refused(tmp_path):
    file = tmp_path / "other.onnx"
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    other = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([node], "g", [value], [other])
    opsets = [onnx.helper.make_opsetid("", 20)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10), file)
    with pytest.raises(ValueError, match=r"but not one of this version's `cssr export`"):
        cssr.load(file)


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    with pytest.raises(ValueError, match="not a readable ONNX file"):
        cssr.load(tmp_path / "bad.onnx")
