"""The training loop."""

import logging
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import torch

from cssr.data.arrays import Arrays
from cssr.models.pipeline import Pipeline
from cssr.params import Train
from cssr.training.batches import draw_batches, make_batch
from cssr.training.checkpoints import Checkpoints
from cssr.training.guards import (
    BLACK,
    BLACK_ROWS,
    FiniteWatch,
    NotFiniteError,
    check_weights,
    turned_black,
)
from cssr.training.objective import TrainingLosses
from cssr.training.parallel import Processes
from cssr.training.state import Row, State
from cssr.training.step import new_optimiser, prepare_networks, train_step
from cssr.validation.predictor import Predictor
from cssr.validation.scores import evaluate, summarise

VALIDATED = ("psnr", "aiu", "threshold")

log_to_user = logging.getLogger(__name__)


class StoppedError(Exception):
    """A training that was asked to stop and has saved its state."""


@dataclass
class Monitor:
    """How a training is followed, and stopped.

    Attributes:
        log: called with each row of the training log; again with those before a resumption.
        progress: called after each iteration with its number and its row, {} if it has none.
        stop_asked: asked after each iteration, where all processes must agree, and before each
            batch of a validation.
    """

    log: Callable[[Row], None] = lambda row: None
    progress: Callable[[int, Row], None] = lambda iteration, row: None
    stop_asked: Callable[[], bool] = lambda: False


def fit(
    losses: TrainingLosses,
    training: Arrays,
    validation: Arrays,
    *,
    train: Train,
    iterations: int,
    seed: int,
    checkpoints: Checkpoints,
    processes: Processes,
    monitor: Monitor,
    kernel: str = "bicubic",
) -> list[Row]:
    """Train a pipeline in place, going on from the newest checkpoint.

    Whatever is random in an iteration is drawn from a generator of the seed and the iteration's
    number, so that an interrupted training ends with the weights of an uninterrupted one.

    Args:
        losses: the pipeline and what it is trained on; what is trained of it requires gradients.
        training: training set.
        validation: validation set.
        train: batches, optimiser and intervals.
        iterations: how many.
        seed: of batches and augmentation.
        checkpoints: of this training.
        processes: those that share each batch; the first validates, logs and keeps the state.
        monitor: follows it, and may ask it to stop.
        kernel: by which LR images are made, see `downscale`.

    Returns:
        The rows: mean losses since the last, learning rate, images/s, validation's PSNR, AIU and
        best threshold.

    Raises:
        StoppedError: after saving a checkpoint, if it was asked to stop; what is left to do of the
            iteration, perhaps a validation, is done on resuming.
        NotFiniteError: if a loss, a weight or one of its moments is NaN or infinite; no checkpoint
            holds one.
    """
    pipeline = losses.pipeline
    device = processes.device
    pipeline.to(device, memory_format=torch.channels_last)
    optimiser = new_optimiser(pipeline, train)
    state = _resume(checkpoints, pipeline, optimiser)
    prepare_networks(pipeline, compile=train.compile, recompute=train.recompute)
    module, stepper = processes.setup(losses, optimiser)
    first = processes.global_rank == 0
    phi = losses.objective.phi if losses.objective else "pixels"
    finite = FiniteWatch()
    predictor = Predictor(pipeline, device=device, batch_size=train.micro_batch)

    def due(every: int) -> bool:
        return state.iteration == iterations or state.iteration % every == 0

    def finish() -> bool:
        """Validate, log and show the iteration, as is due; False if asked to stop before."""
        found: Row | None = {}
        if state.row and due(train.validate_every):
            found = _validate(predictor, validation, train, monitor.stop_asked)
        if found is None:
            return False
        row = state.end_row(found)
        if row:
            _warn_of_black(state)
            monitor.log(row)
        monitor.progress(state.iteration, row)
        return True

    for row in state.rows if first else []:
        monitor.log(row)
    if first and state.row and not finish():  # of the iteration at which it was stopped
        raise StoppedError(f"after iteration {state.iteration} of {iterations}")
    remaining = range(state.iteration, iterations)
    share = slice(processes.global_rank, None, processes.world_size)
    drawn_batches = draw_batches(
        training, remaining, batch_size=train.batch_size, seed=seed, device=device, share=share
    )
    started = time.perf_counter()  # of the first batch since the last row
    for iteration, drawn in zip(remaining, drawn_batches, strict=True):
        batch = make_batch(drawn, scale=pipeline.scale, kernel=kernel, phi=phi)
        parts = train_step(module, batch, iteration, stepper, train=train, processes=processes)
        means = {name: value.mean() for name, value in parts.items()}
        state.add(means)
        finite.see(state.iteration, means)
        stops = monitor.stop_asked()
        saves = stops or due(train.checkpoint_every)
        logs = due(train.validate_every) or state.iteration % train.log_every == 0
        if logs or saves:
            state.share_sums(processes)
            _check_finite(state, finite)
            check_weights(pipeline, optimiser, state.iteration, means)
        if logs:
            speed = state.since * train.batch_size / (time.perf_counter() - started)
            state.begin_row(learning_rate=train.learning_rate, images_per_second=speed)
        if not first:
            continue
        stops = stops or not finish()
        started = time.perf_counter() if logs else started
        if saves or stops:
            _save(checkpoints, state, pipeline, optimiser)
        if stops:
            raise StoppedError(f"after iteration {state.iteration} of {iterations}")
    return state.rows


def _resume(
    checkpoints: Checkpoints, pipeline: Pipeline, optimiser: torch.optim.Optimizer
) -> State:
    """The state to go on from, its weights and moments put in their places."""
    saved = checkpoints.load()
    if saved is None:
        return State()
    pipeline.load_state_dict(saved.pop("weights"))
    optimiser.load_state_dict(saved.pop("optimiser"))
    return State(**saved)


def _save(
    checkpoints: Checkpoints, state: State, pipeline: Pipeline, optimiser: torch.optim.Optimizer
) -> None:
    """Save what `_resume` reads."""
    weights, moments = pipeline.state_dict(), optimiser.state_dict()
    checkpoints.save({**vars(state), "weights": weights, "optimiser": moments})


def _warn_of_black(state: State) -> None:
    """Warn once of a network whose predictions are all black."""
    if not state.warned and turned_black(state.rows):
        state.warned = True
        log_to_user.warning(
            "warning: since iteration %d the mean crack probability is below %g: the network "
            "predicts all black; a lower train.learning_rate or another loss may help",
            state.rows[-BLACK_ROWS]["iteration"],
            BLACK,
        )


def _check_finite(state: State, finite: FiniteWatch) -> None:
    """Raise `NotFiniteError` in all processes if the loss of one is not finite."""
    means = state.means()
    if not all(map(math.isfinite, means.values())):
        finite.check()
        raise NotFiniteError("the loss of another process is", state.iteration, means)


def _validate(
    predictor: Predictor, validation: Arrays, train: Train, stop_asked: Callable[[], bool]
) -> Row | None:
    """The scores of the validation set; None if asked to stop before its last batch.

    Networks compiled for training are not compiled again for it.
    """
    eager = torch.compiler.set_stance("force_eager") if train.compile else nullcontext()
    with eager:
        scores = evaluate(predictor, validation, stop_asked=stop_asked)
    if scores is None:
        return None
    summary = summarise(scores, validation.mask)
    return {f"val_{name}": summary[name] for name in VALIDATED if name in summary}
