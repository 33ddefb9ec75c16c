"""The training log as DVC shows it while a training runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dvclive import Live

from cssr.files import files_in, naming
from cssr.training.state import Row


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
