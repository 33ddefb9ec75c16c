import pytest
import torch
from torchvision.models import vgg16

from cssr.models.unet import UNet, copy_vgg16

SMALL = {"encoder": (2, 3, 4, 5, 6), "decoder": 2}


def test_the_papers_network_has_the_published_number_of_parameters():
    assert sum(parameter.numel() for parameter in UNet().parameters()) == 29_500_033


@pytest.mark.parametrize("size", [(16, 16), (32, 48)])
def test_logits_have_the_images_sides(size):
    assert UNet(**SMALL)(torch.rand(2, 3, *size)).shape == (2, 1, *size)


def test_every_parameter_gets_a_gradient():
    torch.manual_seed(0)
    unet = UNet(encoder=(8,) * 5, decoder=4)
    unet(torch.rand(1, 3, 64, 64)).sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in unet.parameters())


def test_a_side_that_is_no_multiple_of_sixteen_is_refused():
    with pytest.raises(ValueError, match="not multiples of 16"):
        UNet(**SMALL)(torch.rand(1, 3, 32, 40))


def test_the_encoder_computes_what_vgg16_computes():
    features = vgg16(weights=None).features.eval()
    unet = UNet().eval()
    copy_vgg16(features, unet)
    x = image = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        for block in unet.encoder:
            x = block(torch.nn.functional.max_pool2d(x, 2) if x is not image else x)
        expected = features[:30](image)  # up to the ReLU before the fifth pool
    assert torch.equal(x, expected)
