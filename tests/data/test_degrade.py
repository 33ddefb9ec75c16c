import pytest
import torch

from cssr.data.degrade import bicubic, downscale, lr_mask, lr_phi, upscale


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_downscaling_divides_the_sides_by_the_scale(scale):
    assert downscale(torch.rand(2, 3, 32, 64), scale).shape == (2, 3, 32 // scale, 64 // scale)


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_upscaling_multiplies_the_sides_by_the_scale(scale):
    assert upscale(torch.rand(2, 1, 5, 6), scale).shape == (2, 1, 5 * scale, 6 * scale)


@pytest.mark.parametrize("resample", [downscale, upscale])
def test_a_constant_image_stays_constant(resample):
    image = torch.full((1, 3, 16, 16), 0.3)
    assert (resample(image, 4) - 0.3).abs().max() < 1e-6


def test_enlarging_uses_the_cubic_kernel_with_a_of_minus_half():
    # one bright pixel: the weight at distance 1/4 is (a + 2)/64 − (a + 3)/16 + 1 with a = −1/2
    image = torch.zeros(1, 1, 9, 9, dtype=torch.float64)
    image[..., 4, 4] = 1
    near = 1.5 / 64 - 2.5 / 16 + 1
    assert upscale(image, 2)[0, 0, 8, 8] == pytest.approx(near**2)


def test_reducing_averages_away_a_pattern_finer_than_the_pixels():
    image = (torch.arange(64) % 2).double().expand(1, 1, 64, 64)
    inner = downscale(image, 4)[..., 2:-2, 2:-2]
    assert (inner - 0.5).abs().max() < 0.01


def test_bicubic_goes_to_any_size():
    assert bicubic(torch.rand(1, 3, 28, 28), (10, 13)).shape == (1, 3, 10, 13)


def test_bfloat16_images_are_resampled_as_float32():
    assert upscale(torch.rand(1, 1, 4, 4).bfloat16(), 2).dtype == torch.float32


def test_the_low_resolution_mask_is_the_share_of_crack():
    mask = torch.tensor([[1.0, 0, 1, 1], [0, 0, 1, 1]])[None, None]
    assert lr_mask(mask, 2).tolist() == [[[[0.25, 1.0]]]]


def test_the_low_resolution_phi_is_the_block_minimum_in_low_resolution_pixels():
    phi = torch.tensor([[3.0, 2, 4, 6], [2, -1, 5, 8]])[None, None]
    assert lr_phi(phi, 2).tolist() == [[[[-0.5, 2.0]]]]


@pytest.mark.parametrize("reduce", [downscale, lr_mask, lr_phi])
def test_sides_that_the_scale_does_not_divide_are_refused(reduce):
    with pytest.raises(ValueError, match="not multiples of the scale 4"):
        reduce(torch.rand(1, 1, 16, 18), 4)
