"""The scores of a model as tables: by threshold and by image."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from cssr.data.arrays import Arrays
from cssr.evaluation.reported import SEGMENTATION_METRICS, SR_METRICS
from cssr.validation.metrics import THRESHOLDS, aiu
from cssr.validation.scores import Scores


def iou_at(threshold: float, scores: Scores) -> np.ndarray:
    """IoU of each image at one of `THRESHOLDS`, (N,)."""
    return scores["curve"][:, int(np.argmin(np.abs(THRESHOLDS - threshold)))]


def write_curve(file: Path, test: Scores, val: Scores, cracked: np.ndarray) -> None:
    """Mean IoU at each threshold: all test images, those with crack, validation."""
    curve = test["curve"]
    curves = {"iou": curve, "iou_crack": curve[cracked], "iou_val": val["curve"]}
    means = {name: each.mean(axis=0) for name, each in curves.items()}
    thresholds = [f"{value:.2f}" for value in THRESHOLDS]
    pd.DataFrame({"threshold": thresholds, **means}).to_csv(file, index=False)


def write_per_image(
    file: Path, test: Scores, arrays: Arrays, cracked: np.ndarray, threshold: float
) -> None:
    """Scores of each test image; IoU at the threshold that validation prefers."""
    columns = {
        "name": arrays.names,
        "crack": cracked.astype(int),
        "aiu": aiu(torch.from_numpy(test["curve"])).numpy(),
        "iou_at_val_threshold": iou_at(threshold, test),
    }
    others = [name for name in (*SEGMENTATION_METRICS, *SR_METRICS) if name != "curve"]
    columns |= {name: test[name] for name in others if name in test}
    pd.DataFrame(columns).to_csv(file, index=False)
