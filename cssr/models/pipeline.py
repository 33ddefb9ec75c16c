"""A model of Table 1: super-resolution and segmentation, one after the other."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cssr.data.degrade import upscale
from cssr.models.dbpn import DBPN
from cssr.models.unet import NONE, Margins, UNet, without
from cssr.models.variants import VARIANTS

EPSILON = 1e-5  # of the variance


class Pipeline(nn.Module):
    """The networks of a variant, applied in its order.

    Called on images in [0, 1], it returns `(sr or None, probs or None)`: the super-resolved image
    (B, 3, H, W), not clipped, and crack probabilities (B, 1, H, W) in [0, 1]. For an image in
    tiles, the two halves can be called one by one: `ss_input` gives what SS is to see of a tile,
    and `probs` goes on from there, once that has been normalised.

    Args:
        variant: a key of `VARIANTS`.
        sr: SR network of the variant's channels; None where it has none.
        ss: SS network; None where it has none.
        scale: HR side / LR side.

    Attributes:
        variant: the record of the variant.

    Raises:
        ValueError: if the variant is unknown.
    """

    def __init__(self, variant: str, *, sr: DBPN | None, ss: UNet | None, scale: int) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise ValueError(f"variant {variant!r} is not one of {', '.join(VARIANTS)}")
        self.variant = VARIANTS[variant]
        self.sr = sr
        self.ss = ss
        self.scale = scale

    def forward(self, image: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Super-resolve and segment (B, 3, H, W), or (B, 3, h, w) for what takes LR images."""
        seen = self.ss_input(image)
        sr = seen if self.variant.enlarges_image else None
        return sr, self.probs(normalise(seen)) if self.variant.segments else None

    def ss_input(self, image: Tensor) -> Tensor:
        """What SS sees, before it is normalised: the SR image, or the image itself."""
        return self.enlarge(image) if self.variant.enlarges_image else image

    def probs(self, normalised: Tensor, margins: Margins = NONE) -> Tensor:
        """Crack probabilities (B, 1, H, W) of what SS sees, enlarged where that is the LR image.

        Args:
            normalised: what SS sees.
            margins: of it, that are left out.
        """
        if not self.variant.enlarges_probs:
            return self.segment(normalised, margins)
        probs = self.enlarge(self.segment(normalised)).clamp(0, 1)
        return without(probs, [self.scale * margin for margin in margins])

    def enlarge(self, maps: Tensor) -> Tensor:
        """An image or probabilities (B, C, h, w) at `scale` times the side, not clipped."""
        return self.sr(maps).float() if self.sr is not None else upscale(maps, self.scale)

    def segment(self, normalised: Tensor, margins: Margins = NONE) -> Tensor:
        """Crack probabilities at the resolution of what SS sees, (B, 1, H, W) of (B, 3, H, W)."""
        return torch.sigmoid(self.ss(normalised, margins).float())


def normalise(image: Tensor) -> Tensor:
    """Zero mean and unit variance of each channel of each image, (B, 3, H, W).

    Note:
        On a CPU PyTorch's gradient (2.11 to 2.15) is wrong where that of a single image comes as
        channels_last, so it is put in order first.
    """
    normalised = F.instance_norm(image, eps=EPSILON)
    if normalised.requires_grad:
        normalised.register_hook(Tensor.contiguous)
    return normalised
