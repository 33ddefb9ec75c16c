"""The training log as files."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cssr.training.state import Row


def write_logs(folder: Path, rows: Sequence[Row]) -> None:
    """The rows as log.csv and, of the validations, validation.csv.

    The speed is left out: the same training gives the same files.
    """
    table = pd.DataFrame(rows).drop(columns="images_per_second")
    validated = [name for name in table if name.startswith("val_")]
    table.drop(columns=validated).to_csv(folder / "log.csv", index=False)
    validation = table[["iteration", *validated]].dropna()
    validation.to_csv(folder / "validation.csv", index=False)
