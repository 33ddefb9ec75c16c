"""Where a training stands, and its log."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from cssr.training.objective import Parts
from cssr.training.parallel import Processes

Row = dict[str, float]  # of the training log


@dataclass
class State:
    """Progress of a training: what a checkpoint holds beside weights and moments.

    Attributes:
        iteration: how many are done.
        sums: of the means of each batch since the last row; they stay on the device until a row
            asks for them.
        since: how many batches these are.
        row: what `begin_row` has begun and `end_row` has not ended; {} if there is none. In a
            checkpoint: of an iteration at which the training was stopped before its validation.
        rows: the training log: the rows that are ended.
        warned: whether the user was told of all-black predictions.
    """

    iteration: int = 0
    sums: Parts = field(default_factory=dict)
    since: int = 0
    row: Row = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    warned: bool = False

    def add(self, means: Parts) -> None:
        """Count an iteration.

        Args:
            means: of the losses over its batch, scalars.
        """
        for name, value in means.items():
            self.sums[name] = self.sums.get(name, 0) + value
        self.since += 1
        self.iteration += 1

    def share_sums(self, processes: Processes) -> None:
        """Replace the sums of each process by their mean over all."""
        self.sums = {name: processes.all_reduce(value) for name, value in self.sums.items()}

    def means(self) -> Row:
        """Mean losses since the last row; waits for the device."""
        return {name: float(value) / self.since for name, value in self.sums.items()}

    def begin_row(self, **also: float) -> None:
        """Begin the row of this iteration: mean losses, and what else is logged."""
        self.row = {"iteration": self.iteration, **self.means(), **also}
        self.sums = {}
        self.since = 0

    def end_row(self, validated: Row) -> Row:
        """Move the row that is begun to the log, with what its validation found.

        Returns:
            The row; {} if none was begun.
        """
        row = {**self.row, **validated} if self.row else {}
        if row:
            self.rows.append(row)
        self.row = {}
        return row


def write_logs(folder: Path, rows: Sequence[Row]) -> None:
    """The rows as log.csv and, of the validations, validation.csv.

    The speed is left out: the same training gives the same files.
    """
    table = pd.DataFrame(rows).drop(columns="images_per_second")
    validated = [name for name in table if name.startswith("val_")]
    table.drop(columns=validated).to_csv(folder / "log.csv", index=False)
    validation = table[["iteration", *validated]].dropna()
    validation.to_csv(folder / "validation.csv", index=False)
