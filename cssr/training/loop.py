"""The training loop."""

import logging
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from cssr.data.arrays import Arrays
from cssr.training.loop.batches import draw_batches, make_batch
from cssr.evaluation.scores import evaluate, summarise
from cssr.training.loop.guards import (
    BLACK,
    BLACK_ROWS,
    FiniteWatch,
    NotFiniteError,
    check_weights,
    turned_black,
)
from cssr.training.loop.objective import Parts, TrainingLosses, ss_loss_at
from cssr.training.loop.parallel import Alone
from cssr.params import Objective, Train
from cssr.training.checkpoints import Checkpoints
from cssr.training.loop.step import new_optimiser, prepare_networks, train_step

if TYPE_CHECKING:
    from lightning_fabric import Fabric

VALIDATED = ("psnr", "aiu", "threshold")

Row = dict[str, float]
State = dict[str, Any]

log_to_user = logging.getLogger(__name__)


class StoppedError(Exception):
    """A training that was asked to stop and has saved its state."""


def fit(
    pipeline: nn.Module,
    variant: str,
    arrays: tuple[Arrays, Arrays],
    *,
    train: Train,
    objective: Objective | None,
    loss: str | None,
    beta: float | None,
    seed: int,
    checkpoints: Checkpoints,
    log: Callable[[int, Row], None],
    progress: Callable[[int, Row], None],
    processes: "Alone | Fabric",
    stop_asked: Callable[[], bool] = lambda: False,
) -> list[Row]:
    """Train a pipeline in place, going on from the newest checkpoint.

    Whatever is random in an iteration is drawn from a generator of the seed and the iteration's
    number, so that an interrupted training ends with the weights of an uninterrupted one.

    Args:
        pipeline: what is trained of it requires gradients.
        variant: `sr`, or one of the seven of Table 1.
        arrays: training and validation set.
        train: budget and optimiser.
        objective: coefficients of the losses; None where no segmentation is trained.
        loss: segmentation loss, one of (A)–(F); None likewise.
        beta: weight of the segmentation loss in Eq. 6; None where only one part is trained.
        seed: of batches and distortions.
        checkpoints: of this training.
        log: called with each logged iteration and its row; again for rows before a resumption.
        progress: called after each iteration, with its row where one is logged, else with {}.
        processes: those that share each batch; the first validates, logs and keeps the state.
        stop_asked: asked after each iteration, where the answer is the same in all processes, and
            before each batch of a validation.

    Returns:
        The rows: mean losses since the last, learning rate, images/s, validation's PSNR, AIU and
        best threshold.

    Raises:
        StoppedError: after saving a checkpoint, if `stop_asked` says so; what is left to do of the
            iteration, a validation perhaps, is done on resuming.
        NotFiniteError: if a loss, a weight or one of its moments is NaN or infinite; no checkpoint
            holds such a one.
    """
    (training, validation), device = arrays, processes.device
    pipeline.to(device, memory_format=torch.channels_last)
    optimiser = new_optimiser(pipeline, train)
    state = _resume(checkpoints, pipeline, optimiser)
    prepare_networks(pipeline, train)
    losses, stepper = processes.setup(TrainingLosses(variant, pipeline), optimiser)
    first = processes.global_rank == 0
    for row in state["rows"] if first else []:
        log(int(row["iteration"]), row)
    scale, n = training.hr.shape[1] // training.lr.shape[1], len(training.names)
    speed, finite = Speed(train.batch_size), FiniteWatch()

    def finish_iteration() -> bool:
        """Validate, log and show, as is due; False if asked to stop before."""
        row, done = state["row"], state["iteration"]
        if row and _validates(done, train):
            found = _validate(pipeline, variant, validation, train, device, stop_asked)
            if found is None:
                return False
            row = row | found
            speed.restart()
        state["row"] = {}
        if row:
            _keep(row, state)
            log(done, row)
        progress(done, row)
        return True

    if first and state["row"] and not finish_iteration():
        raise StoppedError(_where(state, train))
    iterations = range(state["iteration"], train.iterations)
    share = slice(processes.global_rank, None, processes.world_size)
    drawn_batches = draw_batches(
        training, iterations, batch_size=train.batch_size, seed=seed, device=device, share=share
    )
    for iteration, drawn in zip(iterations, drawn_batches, strict=True):
        parts = train_step(
            losses,
            make_batch(drawn, scale=scale, phi=objective.phi if objective else "pixels"),
            stepper,
            ss_loss=ss_loss_at(iteration, loss, objective, n_train=n, batch_size=train.batch_size),
            beta=beta,
            train=train,
            processes=processes,
        )
        speed.count()
        state["iteration"] = done = iteration + 1
        means = {name: value.mean() for name, value in parts.items()}
        finite.see(done, means)
        _accumulate(state, means)
        stops = stop_asked()
        saves = stops or done == train.iterations or done % train.checkpoint_every == 0
        logs = _validates(done, train) or done % train.log_every == 0
        if logs or saves:
            _share_sums(state, processes)
            _check_finite(state, finite)
            check_weights(pipeline, optimiser, done, means)
        if logs:
            state["row"] = _row(state, train.learning_rate, speed)
        if not first:
            continue
        stops = stops or not finish_iteration()
        if saves or stops:
            weights, moments = pipeline.state_dict(), optimiser.state_dict()
            checkpoints.save({**state, "weights": weights, "optimiser": moments})
        if stops:
            raise StoppedError(_where(state, train))
    return state["rows"]


def _validates(iteration: int, train: Train) -> bool:
    return iteration == train.iterations or iteration % train.validate_every == 0


def _where(state: State, train: Train) -> str:
    return f"after iteration {state['iteration']} of {train.iterations}"


class Speed:
    """Images per second since it was made, or since the last validation."""

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size
        self.restart()

    def restart(self) -> None:
        """Forget what was before."""
        self.batches, self.started = 0, time.perf_counter()

    def count(self) -> None:
        """Count one batch."""
        self.batches += 1

    def images_per_second(self) -> float:
        """The mean speed."""
        return self.batches * self.batch_size / (time.perf_counter() - self.started)


def _resume(
    checkpoints: Checkpoints, pipeline: nn.Module, optimiser: torch.optim.Optimizer
) -> State:
    """The state to go on from, its weights and moments put in their places.

    Its `row` is that of an iteration which was stopped before it was validated and logged.
    """
    state = checkpoints.load()
    if state is None:
        return {"iteration": 0, "sums": {}, "since": 0, "row": {}, "rows": [], "warned": False}
    pipeline.load_state_dict(state.pop("weights"))
    optimiser.load_state_dict(state.pop("optimiser"))
    return state


def _accumulate(state: State, means: Parts) -> None:
    """Add up the means of a batch; they stay on the device until a row asks for them."""
    sums = state["sums"]
    for name, value in means.items():
        sums[name] = sums.get(name, 0) + value
    state["since"] += 1


def _keep(row: Row, state: State) -> None:
    """Add a row to the state; warn once of a network that answers all black."""
    state["rows"].append(row)
    if not state["warned"] and turned_black(state["rows"]):
        state["warned"] = True
        log_to_user.warning(
            "warning: since iteration %d the mean crack probability is below %g: the network "
            "answers all black; a lower train.learning_rate or another loss may help",
            state["rows"][-BLACK_ROWS]["iteration"],
            BLACK,
        )


def _means(state: State) -> Row:
    """Mean losses since the last row; waits for the device."""
    return {name: float(value) / state["since"] for name, value in state["sums"].items()}


def _check_finite(state: State, finite: FiniteWatch) -> None:
    """Raise `NotFiniteError` in all processes if the loss of one is not finite."""
    means = _means(state)
    if not all(map(math.isfinite, means.values())):
        finite.check()
        raise NotFiniteError("the loss of another process is", state["iteration"], means)


def _share_sums(state: State, processes: "Alone | Fabric") -> None:
    """Replace the sums of each process by their mean over all."""
    state["sums"] = {name: processes.all_reduce(value) for name, value in state["sums"].items()}


def _row(state: State, learning_rate: float, speed: Speed) -> Row:
    """Mean losses since the last row, and what else is logged; starts the next mean."""
    means = _means(state)
    state["sums"], state["since"] = {}, 0
    return {
        "iteration": state["iteration"],
        **means,
        "learning_rate": learning_rate,
        "images_per_second": speed.images_per_second(),
    }


def _validate(
    pipeline: nn.Module,
    variant: str,
    arrays: Arrays,
    train: Train,
    device: torch.device,
    stop_asked: Callable[[], bool],
) -> Row | None:
    """The scores of the validation set; None if asked to stop before its last batch.

    Networks compiled for training are not compiled again for it.
    """
    eager = torch.compiler.set_stance("force_eager") if train.compile else nullcontext()

    def ask(*given: object) -> None:
        if stop_asked():
            raise StoppedError

    try:
        with eager, pipeline.register_forward_pre_hook(ask):
            scores = evaluate(
                pipeline,
                arrays,
                takes_hr=variant == "ss_hr",
                batch_size=train.micro_batch,
                device=device,
            )
    except StoppedError:
        return None
    summary = summarise(scores, arrays.mask)
    return {f"val_{name}": summary[name] for name in VALIDATED if name in summary}
