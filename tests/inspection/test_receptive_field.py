import pytest
import torch
from networks import SEGMENTING, pipeline

from cssr.inspection.receptive_field import bicubic_field, dbpn_field, receptive_field, unet_field
from cssr.models.dbpn import DBPN
from cssr.models.unet import UNet
from cssr.models.variants import VARIANTS


def seen(network: torch.nn.Module, side: int, first: int, last: int) -> tuple[int, int]:
    """First and last input row on which output rows first … last depend, by their gradient."""
    with torch.no_grad():
        for weight in network.parameters():
            weight.abs_()  # so that no ReLU is closed
    image = torch.rand(1, 3, side, side, requires_grad=True)
    network(image)[:, :, first : last + 1].sum().backward()
    rows = image.grad.abs().sum((0, 1, 3)).nonzero()
    return int(rows.min()), int(rows.max())


@pytest.mark.parametrize("stages", [1, 2, 4])
@pytest.mark.parametrize("scale", [2, 4, 8])
def test_the_field_of_dbpn_is_that_of_its_gradient(scale, stages):
    network = DBPN(scale=scale, stages=stages, features=2, width=2)
    first, last = 24 * scale, 25 * scale - 1
    assert seen(network, 48, first, last) == dbpn_field(first, last, scale=scale, stages=stages)


def test_the_field_of_the_unet_holds_that_of_its_gradient():
    first, last = unet_field(160, 175)
    found = seen(UNet(encoder=[2] * 5, decoder=1), 336, 160, 175)
    assert first <= found[0] < first + 32  # pooling passes a gradient to one of two rows
    assert last - 32 < found[1] <= last


def test_bicubic_pixels_depend_on_two_neighbours_on_either_side():
    assert bicubic_field(40, 43, scale=4) == (8, 12)


@pytest.mark.parametrize("variant", SEGMENTING)
def test_nothing_beyond_the_receptive_field_changes_a_tile(variant):
    steps = VARIANTS[variant].steps
    for half in {steps, steps[:1], steps[1:]} - {()}:
        stride, overlap = receptive_field(half, scale=4, stages=2)
        scale = 1 if half == ("ss",) else 4
        generator = torch.Generator().manual_seed(0)
        image = torch.rand(1, 3, 2 * overlap + 3 * stride, stride * 2, generator=generator)
        other = image.clone()
        other[:, :, :stride] = 0
        other[:, :, -stride:] = 1
        kept = slice((stride + overlap) * scale, (2 * stride + overlap) * scale)
        with torch.inference_mode():
            one, two = (run(variant, half, each)[:, :, kept] for each in (image, other))
        torch.testing.assert_close(one, two, atol=1e-6, rtol=0)


def run(variant: str, steps: tuple[str, ...], maps: torch.Tensor) -> torch.Tensor:
    """Some steps of a pipeline, one after the other, without normalising."""
    network = pipeline(variant)
    for step in steps:
        if step == "ss":
            maps = network.segment(maps.expand(-1, 3, -1, -1))
        else:
            maps = network.enlarge(maps[:, : network.variant.sr_channels])
    return maps


def test_tiles_are_aligned_to_the_unets_pooling():
    assert receptive_field(["ss", "sr"], scale=4, stages=2)[0] == 16
    assert receptive_field(["sr"], scale=4, stages=2)[0] == 1
