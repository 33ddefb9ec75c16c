"""Trainings that go wrong in their numbers: losses that are not finite, and all-black answers."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

BLACK = 1e-3  # mean crack probability below which an answer shows no crack
BLACK_ROWS = 5  # logged rows in sequence for which it may be below


class NotFiniteError(ValueError):
    """A loss, a weight or one of its moments that is NaN or infinite.

    Attributes:
        iteration: the first with such a loss, from 1; or that before which a weight was found.
        means: the loss and its parts, means over that batch.
    """

    def __init__(self, what: str, iteration: int, means: Mapping[str, float]) -> None:
        self.iteration = iteration
        self.means = dict(means)
        values = ", ".join(f"{name} {value:g}" for name, value in means.items())
        super().__init__(f"{what} not finite at iteration {iteration}: {values}")


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
            self.names = list(means)
            self.first = torch.zeros_like(row)
        fails = ~values.isfinite().all() & (self.first[0] == 0)
        self.first = torch.where(fails, row, self.first)

    def check(self) -> None:
        """Wait for the device and raise `NotFiniteError` if there was such a batch."""
        iteration, *values = [0] if self.first is None else self.first.tolist()
        if iteration:
            means = dict(zip(self.names, values, strict=True))
            raise NotFiniteError("the loss is", int(iteration), means)


def check_weights(
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    iteration: int,
    means: Mapping[str, Tensor],
) -> None:
    """Raise `NotFiniteError` if a step has left a weight or a moment that is NaN or infinite.

    Args:
        module: after the step.
        optimiser: that made it.
        iteration: number of the step, from 1.
        means: of the loss and its parts in that iteration, scalars.
    """
    moments = [value for state in optimiser.state.values() for value in state.values()]
    weights = module.state_dict().values()
    for what, values in (("the weights are", weights), ("the optimiser's moments are", moments)):
        finite = torch.stack([value.isfinite().all() for value in values])  # waited for once
        if not finite.all():
            raise NotFiniteError(
                what, iteration, {name: float(value) for name, value in means.items()}
            )


def turned_black(rows: Sequence[Mapping[str, float]]) -> bool:
    """Whether the mean probability of a training's last rows is that of all-black answers.

    Args:
        rows: of the training log, each with the mean `probability` since the one before.
    """
    last = [row.get("probability", 1.0) for row in rows[-BLACK_ROWS:]]
    return len(last) == BLACK_ROWS and max(last) < BLACK
