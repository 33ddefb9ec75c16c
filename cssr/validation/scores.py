"""Scores of a pipeline over a set of images."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from cssr.data.arrays import Arrays, to_unit
from cssr.validation.metrics import (
    THRESHOLDS,
    aiu,
    best_threshold,
    constant_aiu,
    iou_curve,
    psnr,
)
from cssr.validation.predictor import Prediction, Predictor

Metric = Callable[[Tensor, Tensor], Tensor]
PSNR: dict[str, Metric] = {"psnr": psnr}
CURVE: dict[str, Metric] = {"curve": iou_curve}
Scores = dict[str, np.ndarray]  # of each image, by metric: (N,), and `curve` (N, 99)


def evaluate(
    predictor: Predictor,
    arrays: Arrays,
    *,
    sr_metrics: Mapping[str, Metric] = PSNR,
    segmentation_metrics: Mapping[str, Metric] = CURVE,
    observe: Callable[[Prediction], None] = lambda prediction: None,
    stop_asked: Callable[[], bool] = lambda: False,
) -> Scores | None:
    """Scores of each image of a set.

    Args:
        predictor: the pipeline.
        arrays: the set.
        sr_metrics: by name, of SR and HR images in [0, 1], (B, 3, H, W); one value per image, (B,).
        segmentation_metrics: by name, of crack probabilities in [0, 1] and masks, 0 or 1 in uint8,
            (B, 1, H, W); likewise, but for the `curve`, (B, 99).
        observe: called with the prediction of each batch.
        stop_asked: asked before each batch.

    Returns:
        The values of the metrics, those of SR where the pipeline gives an SR image, those of
        segmentation where it segments; None if asked to stop.

    Raises:
        ValueError: if a metric gives anything else.
    """
    scores: Scores = {}  # each made once, since small pieces would fragment the memory

    def keep(name: str, values: Tensor, chosen: slice) -> None:
        found = values.cpu().numpy()
        images = len(arrays.names[chosen])
        wanted = (images, len(THRESHOLDS)) if name == "curve" else (images,)
        if found.shape != wanted:
            raise ValueError(f"metric {name}: one value per image, {wanted}, not {found.shape}")
        if name not in scores:
            scores[name] = np.empty((len(arrays.names), *found.shape[1:]), found.dtype)
        scores[name][chosen] = found

    for chosen in predictor.batches(arrays):
        if stop_asked():
            return None
        prediction = predictor.predict(arrays, chosen)
        if prediction.probs is not None:
            mask = predictor.upload(arrays.mask[chosen, None])
            for name, metric in segmentation_metrics.items():
                keep(name, metric(prediction.probs, mask), chosen)
        if prediction.sr is not None:
            hr = to_unit(predictor.upload(arrays.hr[chosen]))
            for name, metric in sr_metrics.items():
                keep(name, metric(prediction.sr, hr), chosen)
        observe(prediction)
    return scores


def summarise(scores: Scores, masks: np.ndarray) -> dict[str, float]:
    """Means over the images, and over the crack images alone.

    Args:
        scores: of N images.
        masks: their masks, 0 or 1, (N, H, W).

    Returns:
        The mean of each metric; of a `curve` instead `aiu`, `iou_max` and its `threshold`;
        `aiu_crack` and `iou_max_crack` over crack images; `aiu_constant_crack`, the AIU over crack
        images of the best constant prediction.
    """
    summary = {name: float(values.mean()) for name, values in scores.items() if name != "curve"}
    if "curve" in scores:
        summary |= _summarise_curve(scores["curve"], masks)
    return summary


def _summarise_curve(curve: np.ndarray, masks: np.ndarray) -> dict[str, float]:
    iou_max, threshold = best_threshold(torch.from_numpy(curve.mean(axis=0)))
    summary = {"aiu": _mean_aiu(curve), "iou_max": iou_max, "threshold": threshold}
    crack = crack_pixels(masks)
    cracked = crack > 0
    if cracked.any():
        summary["aiu_crack"] = _mean_aiu(curve[cracked])
        summary["iou_max_crack"] = float(curve[cracked].mean(axis=0).max())
        summary["aiu_constant_crack"] = constant_aiu(crack[cracked], masks[0].size)
    return summary


def _mean_aiu(curve: np.ndarray) -> float:
    return float(aiu(torch.from_numpy(curve)).mean())


def crack_pixels(masks: np.ndarray) -> np.ndarray:
    """Crack pixels of each of the masks, 0 or 1, (N, H, W); read one by one, (N,)."""
    return np.array([np.count_nonzero(mask) for mask in masks])
