"""Low-resolution copies of images, masks and signed distance maps."""

import torch.nn.functional as F
from torch import Tensor


def downscale(image: Tensor, scale: int) -> Tensor:
    """Bicubic (a = −0.5), antialiased reduction of (B, C, H, W) to (B, C, H/scale, W/scale)."""
    return _bicubic(image, 1 / scale)


def upscale(image: Tensor, scale: int) -> Tensor:
    """Bicubic (a = −0.5) enlargement of (B, C, h, w) to (B, C, scale·h, scale·w)."""
    return _bicubic(image, scale)


def _bicubic(image: Tensor, factor: float) -> Tensor:
    size = [round(side * factor) for side in image.shape[-2:]]
    return F.interpolate(image, size=size, mode="bicubic", antialias=True, align_corners=False)


def lr_mask(mask: Tensor, scale: int) -> Tensor:
    """Share of crack in each LR pixel, in [0, 1]: the area average of a mask (B, 1, H, W)."""
    return F.avg_pool2d(mask, scale)


def lr_phi(phi: Tensor, scale: int) -> Tensor:
    """Signed distance map in LR pixels: block minimum of φ (B, 1, H, W), divided by the scale."""
    return -F.max_pool2d(-phi, scale) / scale
