"""What a training shows while it runs, and how it ends early."""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType

from tqdm import tqdm

from cssr.data.arrays import Arrays
from cssr.files import write_whole
from cssr.params import Params
from cssr.training.batches import batch_indices
from cssr.training.checkpoints import Checkpoints
from cssr.training.guards import NotFiniteError
from cssr.training.loop import StoppedError
from cssr.training.parallel import Processes
from cssr.training.state import Row
from stages.common import ending_signals, say


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


class StopRequest:
    """Notes the first SIGTERM, SIGHUP or Ctrl-C, so that a training can save its state.

    A second Ctrl-C ends it. SIGTERM may come several times: from a cluster that signals every
    process, and by the death of the one that started this.

    Attributes:
        signal: that was noted; 0 before.
    """

    def __init__(self) -> None:
        self.signal = 0

    def __enter__(self) -> "StopRequest":
        numbers = (signal.SIGINT, *ending_signals())
        self.before = {number: signal.signal(number, self._note) for number in numbers}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal and number == signal.SIGINT:
            sys.exit(128 + number)
        self.signal = self.signal or number


@contextmanager
def early_ends(
    title: str,
    arrays: Arrays,
    params: Params,
    checkpoints: Checkpoints,
    processes: Processes,
    *,
    seed: int,
) -> Iterator[Callable[[], bool]]:
    """Say why a training ends early; yields a function that says whether it is asked to."""
    alone = processes.world_size == 1  # several processes could not agree on the iteration
    with StopRequest() if alone else nullcontext() as stop:
        try:
            yield lambda: bool(stop and stop.signal)
        except NotFiniteError as error:
            if processes.global_rank:
                sys.exit(0)  # the first process tells; Fabric kills it if another one ends with 1
            line = failure_line(error, title, arrays, params, checkpoints, seed)
            raise ValueError(line) from None
        except StoppedError as error:
            say(f"stopped {error}; the same command goes on from there", sys.stderr)
            sys.exit(128 + stop.signal)


def failure_line(
    error: NotFiniteError,
    title: str,
    arrays: Arrays,
    params: Params,
    checkpoints: Checkpoints,
    seed: int,
) -> str:
    """Write the batch of a loss that is not finite to the state's folder; the error's line."""
    n = len(arrays.names)
    size = params.train.batch_size
    names = [arrays.names[k] for k in batch_indices(error.iteration - 1, n, size, seed)]
    facts = {"iteration": error.iteration, "means": error.means, "images": names}
    file = checkpoints.folder / "not_finite.json"
    write_whole(file, f"{json.dumps({'training': title, **facts}, indent=2)}\n".encode())
    kept = checkpoints.files()
    return (
        f"{title}: {error}; images {', '.join(names)} (written to {file}); "
        f"{f'the last good checkpoint is {kept[-1]}' if kept else 'there is no checkpoint yet'}; "
        "lower train.learning_rate, or use train.precision: float32"
    )
