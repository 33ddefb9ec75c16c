"""What a training tells while it runs, and the logs that it leaves."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from cssr.files import naming
from cssr.params import Train
from cssr.training.loop import Row
from stages.common import files_in, say

try:
    from dvclive import Live
except ImportError:  # a machine without DVC still trains
    Live = None


class Progress:
    """Shows the rows of the training log: in a progress bar or, off a terminal, as lines."""

    def __init__(self, title: str, train: Train, *, shown: bool) -> None:
        self.title, self.train = title, train
        terminal = shown and sys.stderr.isatty()
        self.bar = tqdm(total=train.iterations, desc=title, unit="it") if terminal else None

    def show(self, iteration: int, row: Row) -> None:
        """Show that an iteration is done, and its row if it has one."""
        if self.bar is not None:
            if self.bar.n == 0:  # not the first one where an interrupted training goes on
                self.bar.n = self.bar.initial = iteration - 1
            self.bar.update()
        if not row:
            return
        names = [name for name in ("loss", "l1", "ss", "val_psnr", "val_aiu") if name in row]
        values = "  ".join(f"{name} {row[name]:.4f}" for name in names)
        if self.bar is not None:
            self.bar.set_postfix_str(values)
            return
        images = (self.train.iterations - iteration) * self.train.batch_size
        minutes, seconds = divmod(round(images / row["images_per_second"]), 60)
        done = f"{self.title} {iteration}/{self.train.iterations}"
        say(f"{done}  {values}  {minutes}:{seconds:02} left", sys.stdout)

    def close(self) -> None:
        """End the progress bar."""
        if self.bar is not None:
            self.bar.close()


@contextmanager
def live_log(folder: Path, *, wanted: bool) -> Iterator[Callable[[int, Row], None]]:
    """A function that logs a row with dvclive; without dvclive it does nothing."""
    if Live is None or not wanted:
        yield lambda iteration, row: None
        return
    with naming(folder):
        live = Live(str(folder), save_dvc_exp=False, dvcyaml=None)

    def log(iteration: int, row: Row) -> None:
        with naming(folder):
            live.step = iteration
            for name, value in row.items():
                if name != "iteration":  # it is the step
                    live.log_metric(name, value)
            live.make_summary()

    try:
        yield log
    finally:
        with naming(folder):
            live.end()


def copy_files(source: Path, target: Path) -> None:
    """Copy the files of a folder, if it is there; on a full disk, unlike shutil, name one file."""
    for file in files_in([source]):
        copied = target / file.relative_to(source)
        copied.parent.mkdir(parents=True, exist_ok=True)
        with naming(copied):
            copied.write_bytes(file.read_bytes())


def write_logs(folder: Path, rows: Sequence[Row]) -> None:
    """The rows as log.csv and, of the validations, validation.csv.

    The speed is left out: the same training gives the same files.
    """
    table = pd.DataFrame(rows).drop(columns="images_per_second")
    validated = [name for name in table if name.startswith("val_")]
    table.drop(columns=validated).to_csv(folder / "log.csv", index=False)
    validation = table[["iteration", *validated]].dropna()
    validation.to_csv(folder / "validation.csv", index=False)
