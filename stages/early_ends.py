"""Trainings that end early: on a signal, or on a loss that is not finite."""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType

from cssr.data.arrays import Arrays
from cssr.files import write_whole
from cssr.params import Params
from cssr.training.batches import batch_indices
from cssr.training.checkpoints import Checkpoints
from cssr.training.guards import NotFiniteError
from cssr.training.loop import StoppedError
from cssr.training.parallel import Processes
from stages.common import ending_signals, say


class StopRequest:
    """Notes the first SIGTERM, SIGHUP or Ctrl-C, so that a training can save its state.

    The second one ends it.

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
        if self.signal:
            sys.exit(128 + number)
        self.signal = number


@contextmanager
def ends_told(
    title: str,
    arrays: Arrays,
    params: Params,
    checkpoints: Checkpoints,
    processes: Processes,
) -> Iterator[Callable[[], bool]]:
    """Tell of a training that ends early; yields whether it is asked to."""
    alone = processes.world_size == 1  # several processes could not agree on the iteration
    with StopRequest() if alone else nullcontext() as stop:
        try:
            yield lambda: bool(stop and stop.signal)
        except NotFiniteError as error:
            if processes.global_rank:
                sys.exit(0)  # the first process tells; Fabric kills it if another one ends with 1
            raise ValueError(failure_line(error, title, arrays, params, checkpoints)) from None
        except StoppedError as error:
            say(f"stopped {error}; the same command goes on from there", sys.stderr)
            sys.exit(128 + stop.signal)


def failure_line(
    error: NotFiniteError, title: str, arrays: Arrays, params: Params, checkpoints: Checkpoints
) -> str:
    """Write the batch of a loss that is not finite to the state's folder; the error's line."""
    n, size = len(arrays.names), params.train.batch_size
    names = [arrays.names[k] for k in batch_indices(error.iteration - 1, n, size, params.seed)]
    facts = {"iteration": error.iteration, "means": error.means, "images": names}
    file = checkpoints.folder / "not_finite.json"
    write_whole(file, f"{json.dumps({'training': title, **facts}, indent=2)}\n".encode())
    kept = checkpoints.files()
    return (
        f"{title}: {error}; images {', '.join(names)} (written to {file}); "
        f"{f'the last good checkpoint is {kept[-1]}' if kept else 'there is no checkpoint yet'}; "
        "lower train.learning_rate, or use train.precision: float32"
    )
