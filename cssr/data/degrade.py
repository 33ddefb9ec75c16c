"""Low-resolution copies of images, masks and signed distance maps."""

import torch.nn.functional as F
from torch import Tensor


def bicubic(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Bicubic resampling, antialiased where it reduces.

    The kernel is Keys' with a = −0.5 (Keys 1981, "Cubic convolution interpolation for digital
    image processing"), widened by the factor of a reduction.

    Args:
        image: (B, C, H, W), any range.
        size: height and width of the result.

    Returns:
        (B, C, *size). It can leave the range of `image` at sharp edges. float32 for the 16-bit
        types, which PyTorch does not resample on every device.
    """
    if image.dtype.itemsize < 4:
        image = image.float()
    return F.interpolate(image, size=size, mode="bicubic", antialias=True, align_corners=False)


def downscale(image: Tensor, scale: int, kernel: str = "bicubic") -> Tensor:
    """Antialiased reduction of (B, C, H, W) to (B, C, H/scale, W/scale), unclipped.

    Args:
        image: any range.
        scale: H / h.
        kernel: `bicubic`, as in the paper, or `bilinear`.

    Raises:
        ValueError: if the sides are not multiples of the scale.
    """
    _check_divisible(image, scale)
    height, width = image.shape[-2:]
    size = (height // scale, width // scale)
    if kernel == "bicubic":
        return bicubic(image, size)
    return F.interpolate(image, size=size, mode=kernel, antialias=True, align_corners=False)


def upscale(image: Tensor, scale: int) -> Tensor:
    """Bicubic enlargement of (B, C, h, w) to (B, C, scale·h, scale·w), unclipped."""
    height, width = image.shape[-2:]
    return bicubic(image, (height * scale, width * scale))


def lr_mask(mask: Tensor, scale: int) -> Tensor:
    """Share of crack in each LR pixel: the area average of a mask.

    Args:
        mask: 0 or 1, (B, 1, H, W).
        scale: H / h.

    Returns:
        In [0, 1], (B, 1, h, w).

    Raises:
        ValueError: if the sides are not multiples of the scale.
    """
    _check_divisible(mask, scale)
    return F.avg_pool2d(mask, scale)


def lr_phi(phi: Tensor, scale: int) -> Tensor:
    """Signed distance map at low resolution: the block minimum of φ, divided by the scale.

    It is ≤ 0 wherever the block holds crack.

    Args:
        phi: HR px, negative inside, (B, 1, H, W).
        scale: H / h.

    Returns:
        LR px, (B, 1, h, w).

    Raises:
        ValueError: if the sides are not multiples of the scale.
    """
    _check_divisible(phi, scale)
    return -F.max_pool2d(-phi, scale) / scale


def _check_divisible(image: Tensor, scale: int) -> None:
    height, width = image.shape[-2:]
    if height % scale or width % scale:
        raise ValueError(f"sides {height}×{width} are not multiples of the scale {scale}")
