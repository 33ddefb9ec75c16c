"""Metrics of Sec. 4: PSNR and SSIM of SR images, IoU and AIU of segmentations."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

IOU_EPSILON = 1e-5
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2
SSIM_RADIUS, SSIM_SIGMA = 5, 1.5

# As published: i * 0.01 in double precision, rounded to float32 (not float32(i) * float32(0.01)).
THRESHOLDS = np.array([i * 0.01 for i in range(1, 100)], np.float32)


def check_same_shape(first: Tensor, second: Tensor) -> None:
    """Refuse tensors that would broadcast.

    Raises:
        ValueError: if the shapes differ; the message holds both.
    """
    if first.shape != second.shape:
        shapes = f"{tuple(first.shape)} and {tuple(second.shape)}"
        raise ValueError(f"shapes must be equal, got {shapes}")


def psnr(sr: Tensor, hr: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image, 10 log10(1 / MSE), after clipping to [0, 1].

    Args:
        sr: super-resolved images, clipped here, (B, C, H, W).
        hr: true images in [0, 1], (B, C, H, W).

    Returns:
        Decibels per image, (B,); infinite for equal images.

    Raises:
        ValueError: if the shapes differ.
    """
    check_same_shape(sr, hr)
    error = sr.float().clamp(0, 1) - hr.float().clamp(0, 1)
    return -10 * error.square().flatten(1).mean(dim=1).log10()


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


def iou_curve(probs: Tensor, mask: Tensor) -> Tensor:
    """Intersection over union of each image at each threshold (Sec. 4), for AIU and Figs. 5 and 6.

    A pixel is predicted as crack where its probability is at least the threshold, compared in
    float32. IoU = (intersection + 1e-5) / (union + 1e-5), so that empty against empty is 1.

    Args:
        probs: crack probabilities in [0, 1], (B, 1, H, W).
        mask: crack masks, 0 or 1, (B, 1, H, W).

    Returns:
        IoU of each image at each of `THRESHOLDS`, (B, 99) float64.

    Raises:
        ValueError: if the shapes differ, or a probability is NaN or outside [0, 1].

    Note:
        The paper says that epsilon is in the denominator; its published code has it in both, and
        so have we.
    """
    check_same_shape(probs, mask)
    counts = _counts_by_level(probs.float().flatten(1), mask.flatten(1) != 0)
    predicted = counts.flip(-1).cumsum(-1).flip(-1)[..., 1:]
    background, intersection = predicted.unbind(1)
    union = background + counts[:, 1].sum(-1, keepdim=True)
    return (intersection.double() + IOU_EPSILON) / (union.double() + IOU_EPSILON)


def _counts_by_level(probs: Tensor, crack: Tensor) -> Tensor:
    """Count pixels by true class and by the number of thresholds that their probability reaches.

    Args:
        probs: crack probabilities in [0, 1], (B, N) float32.
        crack: true class, (B, N) bool.

    Returns:
        (B, 2, 100) int64: background and crack; 0 to 99 thresholds reached.

    Raises:
        ValueError: if a probability is NaN or outside [0, 1].
    """
    low, high = probs.aminmax()
    if not (low >= 0 and high <= 1):
        raise ValueError(
            f"probs must be in [0, 1] and not NaN, got {low:g} to {high:g}; did it diverge?"
        )
    edges = torch.from_numpy(np.pad(THRESHOLDS, 1, constant_values=(-np.inf, np.inf)))
    # The nearest threshold, then one fewer where the pixel falls short of it. Rounding errors of
    # the product do not matter: half-way between two thresholds both lead to the same count.
    level = (probs * 100 + 0.5).to(torch.int32)
    level -= (probs < edges.to(probs.device)[level]).to(torch.int32)
    images = torch.arange(len(probs), dtype=torch.int32, device=probs.device)[:, None]
    bins = level + 100 * crack.to(torch.int32) + 200 * images
    return torch.bincount(bins.flatten(), minlength=200 * len(probs)).view(-1, 2, 100)


def aiu(curve: Tensor) -> Tensor:
    """Average IoU over all thresholds of each image (Yang et al., 2019).

    Args:
        curve: IoU by threshold, (B, 99).

    Returns:
        One value per image, (B,); the paper's AIU is their mean.
    """
    return curve.mean(dim=1)


def best_threshold(mean_curve: Tensor) -> tuple[float, float]:
    """Find the best point of a curve, IoU_max.

    Args:
        mean_curve: IoU by threshold, mean over images, (99,).

    Returns:
        The IoU and its threshold, rounded to 0.01; the lowest threshold of several equal ones.
    """
    best = int(mean_curve.argmax())
    return float(mean_curve[best]), (best + 1) / 100


def constant_aiu(crack: np.ndarray, pixels: int) -> float:
    """AIU of the best constant prediction, the floor that a model has to beat.

    A constant map is all crack at the thresholds that it reaches and empty at the others, so one
    of these two alone is best. Over images with cracks that is all crack, and its AIU is the mean
    share of crack pixels.

    Args:
        crack: crack pixels of each image, (N,).
        pixels: of an image.

    Returns:
        The AIU, in (0, 1].
    """
    all_crack = (crack + IOU_EPSILON) / (pixels + IOU_EPSILON)
    empty = IOU_EPSILON / (crack + IOU_EPSILON)
    return float(max(all_crack.mean(), empty.mean()))


Metric = Callable[[Tensor, Tensor], Tensor]
# of each image, (B,), from SR and HR images (B, 3, H, W) in [0, 1]
SR_METRICS: dict[str, Metric] = {"psnr": psnr, "ssim": ssim}
# of each image, (B,) but for the curve, from probabilities in [0, 1] and masks (B, 1, H, W)
SEGMENTATION_METRICS: dict[str, Metric] = {"curve": iou_curve}
