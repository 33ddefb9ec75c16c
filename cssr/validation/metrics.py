"""Metrics of Sec. 4: PSNR of SR images, IoU and AIU of segmentations."""

import numpy as np
import torch
from torch import Tensor

IOU_EPSILON = 1e-5

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
