"""U-Net on VGG-16's convolutions with pixel-shuffle decoding, the paper's segmentation network."""

import pickle
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cssr.models.recompute import run_block
from cssr.paper import STRIDE

CONVS_PER_BLOCK = (2, 2, 3, 3, 3)
KEPT = 2  # px about its result that a decoder block needs
Margins = tuple[int, int, int, int]  # left, right, top, bottom, px
NONE: Margins = (0, 0, 0, 0)


class UNet(nn.Module):
    """Crack logits of an image.

    Args:
        encoder: channels of the five blocks; VGG-16 has 64, 128, 256, 512, 512.
        decoder: channels f of the last decoder block; the others have 8f, 8f, 4f and 2f.
    """

    def __init__(self, *, encoder: Sequence[int], decoder: int) -> None:
        super().__init__()
        self.config = {"encoder": list(encoder), "decoder": decoder}
        f = decoder
        c1, c2, c3, c4, c5 = encoder
        inputs = (3, *encoder[:-1])
        self.encoder = nn.ModuleList(
            _convs(start, width, n)
            for start, width, n in zip(inputs, encoder, CONVS_PER_BLOCK, strict=True)
        )
        self.decoder = nn.ModuleList(
            [
                _upsample(c5, 32 * f),
                _upsample(c4 + 8 * f, 32 * f),
                _upsample(c3 + 8 * f, 16 * f),
                _upsample(c2 + 4 * f, 8 * f),
            ]
        )
        self.last = nn.Sequential(
            nn.Conv2d(c1 + 2 * f, f, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(f, 1, 1)
        )
        self.recompute = False  # activations, in the backward pass: less memory, more time

    def forward(self, image: Tensor, margins: Margins = NONE) -> Tensor:
        """Logits (B, 1, H, W) of (B, 3, H, W); H and W are multiples of 16.

        Args:
            image: normalised.
            margins: of the image, of which no logits are wanted; multiples of 16.

        Raises:
            ValueError: if a side is not a multiple of 16.
        """
        if image.shape[-2] % STRIDE or image.shape[-1] % STRIDE:
            raise ValueError(f"sides {tuple(image.shape[-2:])} are not multiples of {STRIDE}")
        run = partial(run_block, recompute=self.recompute)
        x = image
        taps: list[Tensor] = []
        for block in self.encoder:
            x = run(block, [F.max_pool2d(x, 2) if taps else x])
            taps.append(x)
        maps: list[Tensor] = []
        about: list[int] = []  # px of `maps` that are left of the margins
        for block in (*self.decoder, self.last):
            here = [margin // 2 ** (len(taps) - 1) for margin in margins]
            kept = [min(margin, KEPT) for margin in here]
            maps = [without(each, about, kept) for each in maps]
            maps = [run(block, [without(taps.pop(), here, kept), *maps])]
            about = [2 * margin for margin in kept]
        return without(maps[0], kept)


def without(maps: Tensor, margins: Sequence[int], kept: Sequence[int] = NONE) -> Tensor:
    """Maps (B, C, H, W) without margins but for some px of them that are kept."""
    if not any(margins):
        return maps
    left, right, top, bottom = (m - k for m, k in zip(margins, kept, strict=True))
    return maps[..., top : maps.shape[-2] - bottom, left : maps.shape[-1] - right]


def _convs(inputs: int, width: int, n: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for k in range(n):
        layers += [nn.Conv2d(width if k else inputs, width, 3, padding=1), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class PixelShuffle(nn.PixelShuffle):
    """A pixel shuffle that keeps channels_last on a GPU, where PyTorch's does not."""

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, r·H, r·W) of (B, r²·C, H, W), r being the factor."""
        if not maps.is_cuda:
            return super().forward(maps)
        return shuffle_in_channels_last(maps, self.upscale_factor)


def shuffle_in_channels_last(maps: Tensor, factor: int) -> Tensor:
    """`F.pixel_shuffle`, its result in channels_last."""
    blocks = maps.movedim(1, -1).unflatten(-1, (-1, factor, factor))  # (B, H, W, C, r, r)
    rows = blocks.permute(0, 1, 4, 2, 5, 3)  # (B, H, r, W, r, C)
    return rows.flatten(3, 4).flatten(1, 2).movedim(-1, 1)


def _upsample(inputs: int, width: int) -> nn.Sequential:
    """3×3, ReLU, PixelShuffle: width/4 channels at twice the side."""
    return nn.Sequential(
        nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU(inplace=True), PixelShuffle(2)
    )


def load_imagenet(unet: UNet) -> None:
    """Set the encoder to torchvision's ImageNet weights of VGG-16, downloading them if needed.

    Args:
        unet: a U-Net with VGG-16's widths.

    Raises:
        ValueError: with the file or the URL, if they cannot be downloaded or read.
    """
    from torchvision.models import VGG16_Weights, vgg16  # slow to import, seldom needed

    published = VGG16_Weights.IMAGENET1K_V1
    file = Path(torch.hub.get_dir(), "checkpoints", PurePosixPath(published.url).name)
    where = file if file.exists() else published.url
    try:
        weights = published.get_state_dict(progress=True, check_hash=True, weights_only=True)
        with torch.device("meta"):  # no 138 million random numbers
            model = vgg16()
        model.load_state_dict(weights, assign=True)
    except (OSError, RuntimeError, EOFError, TypeError, pickle.UnpicklingError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ValueError(
            f"VGG-16's ImageNet weights could not be loaded from {where} ({reason}); download "
            f"{published.url} by hand as {file}, or set model.ss.pretrained: false"
        ) from None
    copy_vgg16(model.features, unet)


def copy_vgg16(features: nn.Module, unet: UNet) -> None:
    """Copy the 13 convolutions of torchvision's `vgg16().features` into the encoder."""
    ours = [module for module in unet.encoder.modules() if isinstance(module, nn.Conv2d)]
    theirs = [module for module in features.modules() if isinstance(module, nn.Conv2d)]
    for target, source in zip(ours, theirs, strict=True):
        target.load_state_dict(source.state_dict())
