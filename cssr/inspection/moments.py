"""Statistics of an image that comes in pieces."""

import torch
from torch import Tensor

from cssr.models.pipeline import Statistics


class Moments:
    """Mean and variance of each channel of what SS sees of a photo."""

    def __init__(self) -> None:
        self.n = 0
        self.sums = torch.zeros(2, 3, dtype=torch.float64)

    def add(self, seen: Tensor) -> None:
        """Count what is kept of a tile, (3, h, w)."""
        values = seen.double().flatten(1)
        self.n += values.shape[1]
        self.sums += torch.stack([values.sum(1), values.square().sum(1)]).cpu()

    def statistics(self) -> Statistics:
        """Both, (1, 3, 1, 1) float32."""
        mean, square = self.sums / self.n
        variance = (square - mean.square()).clamp(min=0)
        return mean.float().view(1, 3, 1, 1), variance.float().view(1, 3, 1, 1)
