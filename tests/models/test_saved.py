import json
from pathlib import Path

import pytest
import torch
from networks import pipeline

from cssr.models.saved import load_model, save_model
from cssr.models.variants import VARIANTS


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_saved_model_is_rebuilt_with_the_same_results(variant, tmp_path):
    model = pipeline(variant)
    image = torch.rand(1, 3, 32, 32)
    save_model(tmp_path, model, {"variant": variant, "scale": 4})
    again, description = load_model(tmp_path)
    assert description["variant"] == variant
    for ours, theirs in zip(model(image), again(image), strict=True):
        assert ours is theirs is None or torch.equal(ours, theirs)


def test_a_model_that_an_earlier_version_saved_gives_what_it_gave_there():
    model, description = load_model(Path(__file__).parent / "earlier")
    assert description["threshold"] == 0.5
    sr, probs = model.eval()(torch.linspace(0, 1, 3 * 16 * 16).reshape(1, 3, 16, 16))
    assert sr[0, :, 5, 7].tolist() == pytest.approx([-0.01212, 0.10003, -0.0527], abs=1e-4)
    expected = [0.0, 1.0, 0.04131, 0.0, 0.04131, 1.0, 0.04131, 1.0]
    assert probs[0, 0, 20, ::8].tolist() == pytest.approx(expected, abs=1e-4)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is not a trained model"):
        load_model(tmp_path)


def test_a_folder_that_is_not_there_is_told_apart(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        load_model(tmp_path / "absent")


def test_weights_of_another_network_are_refused(tmp_path):
    save_model(tmp_path, pipeline("ss_hr"), {"variant": "ss_hr", "scale": 4})
    description = json.loads((tmp_path / "model.json").read_text())
    description["ss"]["decoder"] = 3
    (tmp_path / "model.json").write_text(json.dumps(description))
    with pytest.raises(ValueError, match="is not a trained model"):
        load_model(tmp_path)


def test_cut_off_weights_are_refused(tmp_path):
    save_model(tmp_path, pipeline("ss_hr"), {"variant": "ss_hr", "scale": 4})
    file = tmp_path / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ValueError, match="is not a trained model"):
        load_model(tmp_path)
