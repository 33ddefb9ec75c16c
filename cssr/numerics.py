"""Trainings that go wrong in their numbers: losses that are not finite, and all-black answers."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

BLACK = 1e-3  # mean crack probability below which an answer shows no crack
BLACK_ROWS = 5  # logged rows in sequence for which it may be below


class NotFiniteError(ValueError):
    """A loss that is NaN or infinite.

    Attributes:
        iteration: the first with such a loss, from 1.
        means: the loss and its parts, means over that batch.
    """

    def __init__(self, iteration: int, means: Mapping[str, float]) -> None:
        self.iteration, self.means = iteration, dict(means)
        values = ", ".join(f"{name} {value:g}" for name, value in means.items())
        super().__init__(f"the loss is not finite at iteration {iteration}: {values}")


class FiniteWatch:
    """Remembers the first batch whose loss is not finite, without waiting for the device."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.first: Tensor | None = None  # iteration (0: none so far) and means

    def see(self, iteration: int, means: Mapping[str, Tensor]) -> None:
        """Look at the means of a batch.

        Args:
            iteration: from 1.
            means: of the loss and its parts, scalars on the device.
        """
        values = torch.stack(list(means.values())).double()
        row = torch.cat([torch.full_like(values[:1], iteration), values])
        if self.first is None:
            self.names, self.first = list(means), torch.zeros_like(row)
        fails = ~values.isfinite().all() & (self.first[0] == 0)
        self.first = torch.where(fails, row, self.first)

    def check(self) -> None:
        """Wait for the device and raise `NotFiniteError` if there was such a batch."""
        iteration, *values = [0] if self.first is None else self.first.tolist()
        if iteration:
            raise NotFiniteError(int(iteration), dict(zip(self.names, values, strict=True)))


def turned_black(rows: Sequence[Mapping[str, float]]) -> bool:
    """Whether the mean probability of a training's last rows is that of all-black answers.

    Args:
        rows: of the training log, each with the mean `probability` since the one before.
    """
    last = [row.get("probability", 1.0) for row in rows[-BLACK_ROWS:]]
    return len(last) == BLACK_ROWS and max(last) < BLACK
