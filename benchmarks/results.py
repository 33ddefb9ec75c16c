"""The numbers of docs/results/PRESET/."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from benchmarks.collect_cells import METRICS
from benchmarks.paired import Scores
from benchmarks.workplaces import variations_of
from cssr.paper import LOSSES

FLAT = (0.1, 0.9)  # thresholds between which the IoU of a loss is called flat or not


class Results:
    """The numbers of docs/results/PRESET/.

    Args:
        folder: where they are.
    """

    def __init__(self, folder: Path) -> None:
        aiu, iou, psnr = (Scores.read(folder / f"{metric}.csv") for metric in METRICS)
        self.aiu, self.psnr = aiu, psnr
        self.measures = (aiu, aiu.with_crack(), iou, psnr)
        self.cells = pd.read_csv(folder / "cells.csv")
        self.curves = pd.read_csv(folder / "curves.csv", index_col="threshold")
        params = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
        self.betas, self.losses = sorted(params["sweep"]["betas"]), params["sweep"]["losses"]
        self.variations = variations_of(params)
        self.best = {
            loss: max(self.betas, key=lambda beta: self.mean(cell_of(loss, beta), "val_aiu"))
            for loss in LOSSES
            if loss in self.losses
        }

    def best_cell(self, loss: str) -> str:
        """The cell of a loss at the β that validation prefers in the mean over the seeds."""
        return cell_of(loss, self.best[loss])

    def mean(self, cell: str, column: str) -> float:
        """Mean over the seeds of a column of cells.csv."""
        chosen = self.cells["place"].str.startswith("seed-") & (self.cells["cell"] == cell)
        return self.cells.loc[chosen, column].mean()

    def spread(self, cell: str) -> float:
        """By how much a cell's IoU varies between the thresholds of FLAT, mean over the seeds."""
        columns = self.curves.filter(regex=rf"^seed-\d+/{re.escape(cell)}$").columns
        return np.ptp(self.curves.loc[slice(*FLAT), columns].to_numpy(), axis=0).mean()


def cell_of(loss: str, beta: float) -> str:
    """The name of a cell of the sweep."""
    return f"sweep/{loss}-{beta}"
