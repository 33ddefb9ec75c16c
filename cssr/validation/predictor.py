"""A trained pipeline run over a set of images, batch by batch."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from cssr.data.arrays import Arrays, to_unit
from cssr.models.pipeline import Pipeline


class Prediction(NamedTuple):
    """What a pipeline makes of some images of a set.

    Attributes:
        chosen: which images of the set.
        sr: SR images clipped to [0, 1], (B, 3, H, W), or None.
        probs: crack probabilities in [0, 1], (B, 1, H, W), or None.
    """

    chosen: slice
    sr: Tensor | None
    probs: Tensor | None


class Predictor:
    """A pipeline with where and in which batches it runs.

    Args:
        pipeline: moved to `device`.
        device: where it runs.
        batch_size: images at a time.
    """

    def __init__(self, pipeline: Pipeline, *, device: torch.device, batch_size: int) -> None:
        self.pipeline = pipeline.to(device, memory_format=torch.channels_last)
        self.device = device
        self.batch_size = batch_size

    def batches(self, arrays: Arrays) -> Iterator[slice]:
        """The images of a set, some at a time."""
        for start in range(0, len(arrays.names), self.batch_size):
            yield slice(start, start + self.batch_size)

    @torch.inference_mode()
    def predict(self, arrays: Arrays, chosen: slice) -> Prediction:
        """The pipeline's results for some images of a set, HR or LR as its variant takes them."""
        images = arrays.hr if self.pipeline.variant.takes_hr else arrays.lr
        sr, probs = self.pipeline(to_unit(self.upload(images[chosen])))
        return Prediction(chosen, None if sr is None else sr.clamp(0, 1), probs)

    def upload(self, array: np.ndarray) -> Tensor:
        """A copy of a memory-mapped array on the device."""
        return torch.from_numpy(array.copy()).to(self.device)
