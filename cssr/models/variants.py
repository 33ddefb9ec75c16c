"""The seven pipelines of Table 1, built from an SR and an SS network.

Each takes a batch of images in [0, 1] and returns `(sr or None, probs)`: the super-resolved image
(B, 3, H, W), not clipped, and crack probabilities (B, 1, H, W) in [0, 1]. For an image in tiles,
the two halves can be called one by one: `ss_input` gives what SS is to see of a tile, and `probs`
goes on from there with the statistics of the whole image.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cssr.data.degrade import upscale
from cssr.models.dbpn import DBPN
from cssr.models.unet import UNet

Result = tuple[Tensor | None, Tensor | None]
Statistics = tuple[Tensor, Tensor]  # mean and variance of each channel, (B, 3, 1, 1) each

EPSILON = 1e-5  # of the variance


def segment(ss: UNet, image: Tensor, statistics: Statistics | None = None) -> Tensor:
    """Crack probabilities of an image whose channels are normalised over the image.

    Args:
        ss: segmentation network.
        image: (B, 3, H, W).
        statistics: of the channels; those of `image` itself by default.
    """
    if statistics is None:
        normalised = _instance_norm(image)
    else:
        mean, variance = statistics
        normalised = (image - mean) * (variance + EPSILON).rsqrt()
    return torch.sigmoid(ss(normalised).float())


def _instance_norm(image: Tensor) -> Tensor:
    """Zero mean and unit variance of each channel of each image, (B, 3, H, W).

    Note:
        On a CPU PyTorch's gradient (2.11 to 2.15) is wrong where that of a single image comes as
        channels_last, so it is put in order first.
    """
    normalised = F.instance_norm(image, eps=EPSILON)
    if normalised.requires_grad:
        normalised.register_hook(Tensor.contiguous)
    return normalised


class SR(nn.Module):
    """Super-resolution alone: the first half of (d) and the start of the other SR networks."""

    def __init__(self, sr: DBPN) -> None:
        super().__init__()
        self.sr = sr

    def forward(self, lr: Tensor) -> Result:
        """Super-resolve (B, 3, h, w)."""
        return self.sr(lr).float(), None


class SS(nn.Module):
    """(a) Segmentation of the HR image."""

    def __init__(self, ss: UNet) -> None:
        super().__init__()
        self.ss = ss

    def ss_input(self, hr: Tensor) -> Tensor:
        """The image itself."""
        return hr

    def probs(self, seen: Tensor, statistics: Statistics | None = None) -> Tensor:
        """Crack probabilities of what SS sees."""
        return segment(self.ss, seen, statistics)

    def forward(self, hr: Tensor) -> Result:
        """Segment (B, 3, H, W)."""
        return None, self.probs(hr)


class BicubicSS(nn.Module):
    """(b) Bicubic enlargement, then segmentation."""

    def __init__(self, ss: UNet, scale: int) -> None:
        super().__init__()
        self.ss, self.scale = ss, scale

    def ss_input(self, lr: Tensor) -> Tensor:
        """The enlarged image."""
        return upscale(lr, self.scale)

    def probs(self, seen: Tensor, statistics: Statistics | None = None) -> Tensor:
        """Crack probabilities of what SS sees."""
        return segment(self.ss, seen, statistics)

    def forward(self, lr: Tensor) -> Result:
        """Enlarge and segment (B, 3, h, w)."""
        sr = self.ss_input(lr)
        return sr, self.probs(sr)


class SSBicubic(nn.Module):
    """(c) Segmentation at low resolution, then bicubic enlargement of the probabilities."""

    def __init__(self, ss: UNet, scale: int) -> None:
        super().__init__()
        self.ss, self.scale = ss, scale

    def ss_input(self, lr: Tensor) -> Tensor:
        """The image itself."""
        return lr

    def probs(self, seen: Tensor, statistics: Statistics | None = None) -> Tensor:
        """Crack probabilities of what SS sees, enlarged."""
        return upscale(segment(self.ss, seen, statistics), self.scale).clamp(0, 1)

    def forward(self, lr: Tensor) -> Result:
        """Segment (B, 3, h, w) and enlarge the result."""
        return None, self.probs(lr)


class SRSS(nn.Module):
    """(d), (f) Super-resolution, then segmentation (Fig. 2)."""

    def __init__(self, sr: DBPN, ss: UNet) -> None:
        super().__init__()
        self.sr, self.ss = sr, ss

    def ss_input(self, lr: Tensor) -> Tensor:
        """The super-resolved image."""
        return self.sr(lr).float()

    def probs(self, seen: Tensor, statistics: Statistics | None = None) -> Tensor:
        """Crack probabilities of what SS sees."""
        return segment(self.ss, seen, statistics)

    def forward(self, lr: Tensor) -> Result:
        """Super-resolve and segment (B, 3, h, w)."""
        sr = self.ss_input(lr)
        return sr, self.probs(sr)


class SSSR(nn.Module):
    """(e), (g) Segmentation at low resolution, then super-resolution of the probabilities."""

    def __init__(self, sr: DBPN, ss: UNet) -> None:
        super().__init__()
        self.sr, self.ss = sr, ss

    def ss_input(self, lr: Tensor) -> Tensor:
        """The image itself."""
        return lr

    def probs(self, seen: Tensor, statistics: Statistics | None = None) -> Tensor:
        """Crack probabilities of what SS sees, super-resolved."""
        return self.sr(segment(self.ss, seen, statistics)).float().clamp(0, 1)

    def forward(self, lr: Tensor) -> Result:
        """Segment (B, 3, h, w) and super-resolve the result."""
        return None, self.probs(lr)


def build_pipeline(variant: str, *, sr: DBPN | None, ss: UNet | None, scale: int) -> nn.Module:
    """The pipeline of a variant around its networks.

    Args:
        variant: `sr`, or one of the seven of Table 1.
        sr: SR network, with one channel for `ss_sr` and `inverse`; None where there is none.
        ss: SS network; None for `sr`.
        scale: HR side / LR side.

    Raises:
        ValueError: if the variant is unknown.
    """
    builders = {
        "sr": lambda: SR(sr),
        "ss_hr": lambda: SS(ss),
        "bicubic_ss": lambda: BicubicSS(ss, scale),
        "ss_bicubic": lambda: SSBicubic(ss, scale),
        "sr_ss": lambda: SRSS(sr, ss),
        "ss_sr": lambda: SSSR(sr, ss),
        "cssr": lambda: SRSS(sr, ss),
        "inverse": lambda: SSSR(sr, ss),
    }
    if variant not in builders:
        raise ValueError(f"variant {variant!r} is not one of {', '.join(builders)}")
    return builders[variant]()
