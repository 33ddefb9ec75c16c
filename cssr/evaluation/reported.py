"""The metrics that an evaluation reports of each image, SSIM among them; no training needs them."""

import torch
import torch.nn.functional as F
from torch import Tensor

from cssr.validation.metrics import check_same_shape, iou_curve, psnr
from cssr.validation.scores import Metric

SSIM_C1 = 0.01**2
SSIM_C2 = 0.03**2
SSIM_RADIUS = 5
SSIM_SIGMA = 1.5


def ssim(sr: Tensor, hr: Tensor) -> Tensor:
    """Structural similarity of each image after clipping to [0, 1] (Wang et al., 2004).

    Gaussian window 11 x 11 with sigma 1.5, zero padding, C1 = 1e-4, C2 = 9e-4, mean over pixels and
    channels.

    Args:
        sr: super-resolved images, clipped here, (B, C, H, W).
        hr: true images in [0, 1], (B, C, H, W).

    Returns:
        Similarity per image, (B,); 1 for equal images.

    Raises:
        ValueError: if the shapes differ.
    """
    check_same_shape(sr, hr)
    # image by image, so that its maps stay in a CPU's cache
    pairs = zip(sr.float().clamp(0, 1), hr.float().clamp(0, 1), strict=True)
    return torch.stack([_ssim_map(x, y).mean() for x, y in pairs])


def _ssim_map(x: Tensor, y: Tensor) -> Tensor:
    """Structural similarity at each pixel of one image, (C, H, W)."""
    maps = _gaussian_blur(torch.stack((x, y, x * x + y * y, x * y)))
    mean_x, mean_y, square_sum, product = maps
    mean_squares = mean_x.square() + mean_y.square()
    mean_product = mean_x * mean_y
    luminance = (2 * mean_product + SSIM_C1) / (mean_squares + SSIM_C1)
    variances, covariance = square_sum - mean_squares, product - mean_product
    return luminance * (2 * covariance + SSIM_C2) / (variances + SSIM_C2)


def _gaussian_blur(images: Tensor) -> Tensor:
    """Blur the last two dimensions with SSIM's window, zeros beyond the border.

    Note:
        Without cuDNN, which may use TF32 on a GPU: the variances, small differences of large
        means, would be lost.
    """
    offsets = torch.arange(-SSIM_RADIUS, SSIM_RADIUS + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (offsets / SSIM_SIGMA) ** 2)
    kernel = (weights / weights.sum()).to(images)
    planes = images.flatten(0, -3)[None].contiguous(memory_format=torch.channels_last)  # faster
    n = planes.shape[1]
    with torch.backends.cudnn.flags(enabled=False):
        rows = F.conv2d(planes, kernel.expand(n, 1, 1, -1), padding=(0, SSIM_RADIUS), groups=n)
        both = F.conv2d(rows, kernel.expand(n, 1, 1, -1).mT, padding=(SSIM_RADIUS, 0), groups=n)
    return both.contiguous().view_as(images)


# of each image, (B,), from SR and HR images (B, 3, H, W) in [0, 1]
SR_METRICS: dict[str, Metric] = {"psnr": psnr, "ssim": ssim}
# of each image, (B,) but for the curve, from probabilities in [0, 1] and masks, 0 or 1 in uint8,
# (B, 1, H, W)
SEGMENTATION_METRICS: dict[str, Metric] = {"curve": iou_curve}
REPORTED = {"sr_metrics": SR_METRICS, "segmentation_metrics": SEGMENTATION_METRICS}
