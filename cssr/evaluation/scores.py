"""Scores of a pipeline over a set of images."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from cssr.data.arrays import Arrays, to_unit
from cssr.evaluation.metrics import aiu, best_threshold, constant_aiu, iou_curve, psnr, ssim


class Scores(NamedTuple):
    """Per image; an entry is None where the pipeline has no such result.

    Attributes:
        curve: IoU at each threshold, (N, 99).
        psnr: dB, (N,).
        ssim: (N,).
    """

    curve: np.ndarray | None
    psnr: np.ndarray | None
    ssim: np.ndarray | None


def predict(
    pipeline: nn.Module, images: np.ndarray, *, batch_size: int, device: torch.device
) -> Iterator[tuple[Tensor | None, Tensor | None]]:
    """Results of a pipeline batch by batch, in inference mode.

    Args:
        pipeline: on `device`.
        images: what the pipeline takes, uint8 (N, H, W, 3).
        batch_size: images per batch.
        device: where the pipeline is.

    Yields:
        The SR images clipped to [0, 1], (B, 3, H, W), and the probabilities, (B, 1, H, W).
    """
    for start in range(0, len(images), batch_size):
        with torch.inference_mode():
            batch = _on_device(images[start : start + batch_size], device)
            sr, probs = pipeline(to_unit(batch))
            yield (None if sr is None else sr.clamp(0, 1)), probs


def evaluate(
    pipeline: nn.Module, arrays: Arrays, *, takes_hr: bool, batch_size: int, device: torch.device
) -> Scores:
    """Scores of each image of a set.

    Args:
        pipeline: on `device`.
        arrays: the set.
        takes_hr: whether the pipeline segments HR images; else it gets the LR ones.
        batch_size: images per batch.
        device: where the pipeline is.
    """
    images = arrays.hr if takes_hr else arrays.lr
    collected: dict[str, np.ndarray] = {}  # made once, since small pieces would fragment the memory

    def keep(name: str, values: Tensor, start: int) -> None:
        found = values.cpu().numpy()
        if name not in collected:
            collected[name] = np.empty((len(images), *found.shape[1:]), found.dtype)
        collected[name][start : start + len(found)] = found

    results = predict(pipeline, images, batch_size=batch_size, device=device)
    for start, (sr, probs) in zip(range(0, len(images), batch_size), results, strict=True):
        chosen = slice(start, start + batch_size)
        if probs is not None:
            keep("curve", iou_curve(probs, _on_device(arrays.mask[chosen, None], device)), start)
        if sr is not None:
            hr = to_unit(_on_device(arrays.hr[chosen], device))
            keep("psnr", psnr(sr, hr), start)
            keep("ssim", ssim(sr, hr), start)
    return Scores(**{name: collected.get(name) for name in Scores._fields})


def _on_device(array: np.ndarray, device: torch.device) -> Tensor:
    """A copy of a memory-mapped array."""
    return torch.from_numpy(array.copy()).to(device)


def summarise(scores: Scores, masks: np.ndarray) -> dict[str, float]:
    """Means over the images, and over the crack images alone.

    Args:
        scores: of N images.
        masks: their masks, 0 or 1, (N, H, W).

    Returns:
        `psnr` and `ssim` where there is an SR image; `aiu`, `iou_max` and its `threshold`;
        `aiu_crack` and `iou_max_crack` over crack images; `aiu_constant_crack`, the AIU over crack
        images of the best constant answer.
    """
    summary = {}
    if scores.psnr is not None:
        summary = {"psnr": float(scores.psnr.mean()), "ssim": float(scores.ssim.mean())}
    if scores.curve is None:
        return summary
    curve = scores.curve.mean(axis=0)
    summary["aiu"] = _mean_aiu(scores.curve)
    summary["iou_max"], summary["threshold"] = best_threshold(torch.from_numpy(curve))
    crack = crack_pixels(masks)
    cracked = crack > 0
    if cracked.any():
        summary["aiu_crack"] = _mean_aiu(scores.curve[cracked])
        summary["iou_max_crack"] = float(scores.curve[cracked].mean(axis=0).max())
        summary["aiu_constant_crack"] = constant_aiu(crack[cracked], masks[0].size)
    return summary


def _mean_aiu(curve: np.ndarray) -> float:
    return float(aiu(torch.from_numpy(curve)).mean())


def crack_pixels(masks: np.ndarray) -> np.ndarray:
    """Crack pixels of each of the masks, 0 or 1, (N, H, W); read one by one, (N,)."""
    return np.array([np.count_nonzero(mask) for mask in masks])
