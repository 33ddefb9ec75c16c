import pytest
import torch
import torch.nn.functional as F
from networks import SEGMENTING, pipeline

from cssr.data.degrade import upscale
from cssr.models.pipeline import Pipeline, normalise
from cssr.models.variants import VARIANTS
from cssr.paper import MODELS


def image(side: int = 16) -> torch.Tensor:
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("variant", SEGMENTING)
def test_probabilities_are_of_the_hr_size_in_the_unit_interval(variant):
    record = VARIANTS[variant]
    sr, probs = pipeline(variant)(image(64 if record.takes_hr else 16))
    assert probs.shape == (2, 1, 64, 64)
    assert 0 <= probs.min() <= probs.max() <= 1
    assert (sr is not None) == record.enlarges_image
    assert sr is None or sr.shape == (2, 3, 64, 64)


def test_super_resolution_alone_gives_no_probabilities():
    sr, probs = pipeline("sr")(image())
    assert sr.shape == (2, 3, 64, 64)
    assert probs is None


def test_bicubic_ss_segments_the_enlarged_image():
    model = pipeline("bicubic_ss")
    sr, probs = model(image())
    assert torch.equal(sr, upscale(image(), 4))
    assert torch.equal(probs, model.segment(normalise(sr)))


def test_ss_bicubic_enlarges_and_clips_the_probabilities():
    model = pipeline("ss_bicubic")
    expected = upscale(model.segment(normalise(image())), 4).clamp(0, 1)
    assert torch.equal(model(image())[1], expected)


def test_cssr_segments_its_unclipped_sr_image():
    model = pipeline("cssr")
    sr, probs = model(image())
    assert sr.max() > 1 or sr.min() < 0
    assert torch.equal(probs, model.segment(normalise(sr)))


def test_inverse_clips_the_enlarged_probabilities():
    model = pipeline("inverse")
    raw = model.sr(model.segment(normalise(image())))
    assert torch.equal(model(image())[1], raw.clamp(0, 1))


def test_segmentation_does_not_change_with_brightness_and_contrast():
    model = pipeline("ss_hr")
    one, other = (model(each)[1] for each in (image(32), 0.5 * image(32) + 0.2))
    torch.testing.assert_close(one, other, atol=2e-3, rtol=0)


def test_the_image_is_normalised_over_its_pixels():
    model = pipeline("ss_hr")
    expected = torch.sigmoid(model.ss(F.instance_norm(image(32), eps=1e-5)))
    assert torch.equal(model(image(32))[1], expected)


@pytest.mark.parametrize("images", [1, 2])
def test_the_gradient_does_not_depend_on_the_order_of_numbers_in_memory(images):
    found = []
    for order in (torch.contiguous_format, torch.channels_last):
        model = pipeline("ss_hr").to(memory_format=order)
        seen = image(32)[:images].to(memory_format=order).requires_grad_()
        model(seen)[1].sum().backward()
        found.append(seen.grad)
    assert found[0].abs().max() > 1e-3
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-6)


def test_an_unknown_variant_is_refused():
    with pytest.raises(ValueError, match="variant 'x' is not one of sr, ss_hr"):
        Pipeline("x", sr=None, ss=None, scale=4)


def test_the_paper_has_a_title_for_each_model_and_each_of_them_is_a_variant():
    assert list(MODELS) == SEGMENTING


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_networks_of_a_variant_are_those_of_its_steps(variant):
    model = pipeline(variant)
    networks = {name for name in ("sr", "ss") if getattr(model, name) is not None}
    assert networks == set(VARIANTS[variant].steps) - {"bicubic"}
    assert set(VARIANTS[variant].trained) <= networks
