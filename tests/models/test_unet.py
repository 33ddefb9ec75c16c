import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from networks import pipeline
from torchvision.models import VGG16_Weights, vgg16

from cssr.models.unet import (
    UNet,
    copy_vgg16,
    load_imagenet,
    shuffle_in_channels_last,
    without,
)
from cssr.paper import VGG16_WIDTHS


def papers_unet() -> UNet:
    return UNet(encoder=VGG16_WIDTHS, decoder=32)


SMALL = {"encoder": (2, 3, 4, 5, 6), "decoder": 2}


def test_the_papers_network_has_the_published_number_of_parameters():
    assert sum(parameter.numel() for parameter in papers_unet().parameters()) == 29_500_033


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
    unet = papers_unet().eval()
    copy_vgg16(features, unet)
    x = image = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        for block in unet.encoder:
            x = block(torch.nn.functional.max_pool2d(x, 2) if x is not image else x)
        expected = features[:30](image)  # up to the ReLU before the fifth pool
    assert torch.equal(x, expected)


@pytest.fixture
def cached(tmp_path, monkeypatch) -> Path:
    """Where PyTorch looks for the weights; nothing answers on the network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    folder = tmp_path / "hub/checkpoints"
    folder.mkdir(parents=True)
    return folder / Path(VGG16_Weights.IMAGENET1K_V1.url).name


def save_constants(file: Path) -> None:
    """Weights of VGG-16 that are all 0.25, in a small file."""
    with torch.device("meta"):
        weights = vgg16().state_dict()
    torch.save({name: torch.tensor(0.25).expand(w.shape) for name, w in weights.items()}, file)


class Evil:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


def test_imagenet_weights_are_taken_from_pytorchs_cache(cached):
    save_constants(cached)
    unet = papers_unet()
    load_imagenet(unet)
    assert all(bool((weights == 0.25).all()) for weights in unet.encoder.parameters())


def test_a_pickle_among_the_imagenet_weights_is_not_run(cached, tmp_path, tried):
    torch.save({"evil": Evil(tmp_path / "owned")}, cached)
    with pytest.raises(
        ValueError, match=rf"could not be loaded from {cached} \(.*pretrained: false$"
    ):
        load_imagenet(papers_unet())
    assert not (tmp_path / "owned").exists()
    tried("pickle in the cached ImageNet weights", 1, "not run; one line with the file")


@pytest.mark.parametrize("size", [0, 10, 5000])
def test_truncated_imagenet_weights_are_refused_with_the_files_name(cached, size, tried):
    save_constants(cached)
    cached.write_bytes(cached.read_bytes()[:size])
    with pytest.raises(ValueError, match=rf"\A[^\n]* from {cached} \([^\n]*\Z"):
        load_imagenet(papers_unet())
    tried("truncated ImageNet weights", 1, "one line with the file")


def test_imagenet_weights_without_a_network_name_the_url_and_the_other_way(cached, tried):
    url = VGG16_Weights.IMAGENET1K_V1.url
    with pytest.raises(ValueError, match=re.escape(f"by hand as {cached}, or set")) as error:
        load_imagenet(papers_unet())
    assert f"could not be loaded from {url} (<urlopen error" in str(error.value)
    tried("ImageNet weights without a network", 1, "one line with the URL and the other ways")


def test_a_pixel_shuffle_in_channels_last_is_pytorchs():
    maps = torch.arange(2 * 12 * 3 * 5.0).view(2, 12, 3, 5)
    ours = shuffle_in_channels_last(maps, 2)
    assert torch.equal(ours, F.pixel_shuffle(maps, 2))
    assert ours.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("margins", [(128, 128, 128, 128), (16, 128, 0, 32)])
def test_margins_change_nothing_within(margins):
    model = pipeline("ss_hr").ss
    image = torch.rand(1, 3, 320, 352, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = without(model(image), margins)
        torch.testing.assert_close(model(image, margins), expected, atol=1e-6, rtol=0)
