"""New pipelines: what they start from, and what of them is frozen."""

import pytest
import torch

from cssr.models.building import build_pipeline
from cssr.models.saved import load_model, save_model
from cssr.models.variants import VARIANTS

SIZES = {
    "sr": {"stages": 2, "features": 4, "width": 4},
    "ss": {"encoder": [4] * 5, "decoder": 2, "pretrained": False},
}


def build(variant, folder):
    starts = {"sr_from": folder / "sr", "ss_from": folder / "ss_bicubic"}
    given = {} if variant in ("sr", "ss_bicubic") else starts
    return build_pipeline(variant, scale=4, seed=0, **SIZES, **given)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a "trained" SR network and model (c)."""
    folder = tmp_path_factory.mktemp("runs")
    for name in ("sr", "ss_bicubic"):
        model = build(name, folder)
        with torch.no_grad():
            for weight in model.parameters():
                weight.mul_(1.5)
        (folder / name).mkdir()
        save_model(folder / name, model, {"variant": name, "scale": 4})
    return folder


@pytest.mark.parametrize("variant", VARIANTS)
def test_exactly_what_a_variant_trains_requires_gradients(variant, trained):
    weights = build(variant, trained).named_parameters()
    assert {name[:2] for name, weight in weights if weight.requires_grad} == set(
        VARIANTS[variant].trained
    )


@pytest.mark.parametrize("variant", ["sr_ss", "cssr"])
def test_sr_starts_from_the_trained_sr_network(variant, trained):
    ours, theirs = (model.sr.state_dict() for model in pair(variant, trained))
    assert all(torch.equal(ours[name], value) for name, value in theirs.items())


@pytest.mark.parametrize("variant", ["ss_sr", "inverse"])
def test_sr_of_probabilities_starts_from_it_but_for_its_ends(variant, trained):
    ours, theirs = (model.sr.state_dict() for model in pair(variant, trained))
    differ = {n.split(".")[0] for n, value in theirs.items() if not same(ours[n], value)}
    assert differ == {"features", "reconstruct"}


def pair(variant, trained):
    return build(variant, trained), load_model(trained / "sr")[0]


def same(one, other):
    return one.shape == other.shape and torch.equal(one, other)


def test_all_variants_start_from_the_same_ss_network(trained):
    first, *others = (
        build(name, trained).ss.state_dict()
        for name, variant in VARIANTS.items()
        if "ss" in variant.trained
    )
    for other in others:
        assert all(torch.equal(value, other[name]) for name, value in first.items())


def test_a_model_without_the_wanted_network_is_refused(trained):
    with pytest.raises(ValueError, match="ss_bicubic has no SR network"):
        build_pipeline("sr_ss", scale=4, seed=0, **SIZES, sr_from=trained / "ss_bicubic")
