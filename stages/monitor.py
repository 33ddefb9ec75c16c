"""What a training shows while it runs: a progress bar or lines, and live logs."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dvclive import Live
from tqdm import tqdm

from cssr.files import files_in, naming
from cssr.training.state import Row
from stages.common import say


class Progress:
    """Shows the rows of the training log: in a progress bar or, off a terminal, as lines."""

    def __init__(self, title: str, iterations: int, batch_size: int, *, shown: bool) -> None:
        self.title = title
        self.iterations = iterations
        self.batch_size = batch_size
        terminal = shown and sys.stderr.isatty()
        self.bar = tqdm(total=iterations, desc=title, unit="it") if terminal else None

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
        images = (self.iterations - iteration) * self.batch_size
        minutes, seconds = divmod(round(images / row["images_per_second"]), 60)
        done = f"{self.title} {iteration}/{self.iterations}"
        say(f"{done}  {values}  {minutes}:{seconds:02} left", sys.stdout)

    def close(self) -> None:
        """End the progress bar."""
        if self.bar is not None:
            self.bar.close()


@contextmanager
def live_log(folder: Path, *, wanted: bool) -> Iterator[Callable[[Row], None]]:
    """A function that logs a row with dvclive, if that is wanted."""
    if not wanted:
        yield lambda row: None
        return
    with naming(folder):
        live = Live(str(folder), save_dvc_exp=False, dvcyaml=None)

    def log(row: Row) -> None:
        with naming(folder):
            live.step = int(row["iteration"])
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
