"""Train one model, or one of the sweep, to runs/."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from cssr.data.arrays import Arrays, load_arrays
from cssr.device import choose_device, device_name
from cssr.files import files_in, locked, new_folder, write_whole
from cssr.models.building import build_pipeline
from cssr.models.pipeline import Pipeline
from cssr.models.saved import DESCRIPTION, WEIGHTS, save_model
from cssr.models.variants import VARIANTS
from cssr.paper import LOSSES
from cssr.params import Params
from cssr.training.checkpoints import Checkpoints, identify
from cssr.training.live import copy_files, live_log
from cssr.training.loop import Monitor, fit
from cssr.training.objective import TrainingLosses
from cssr.training.parallel import Processes, launch
from cssr.training.state import Row, write_logs
from cssr.training.step import compute_deterministically
from stages.common import (
    ARRAYS,
    FINISHED,
    STATE,
    code_files,
    forget_finished,
    read_params,
    refuse_to_replace,
    run_stage,
    say,
    versions,
)
from stages.monitor import Progress, early_ends

LESS_MEMORY = "train.micro_batch: 1, train.recompute: true or a smaller data.size"


def params_of(variant: str, *, sweep: bool = False) -> list[str]:
    """The parameters that a training reads, as dvc.yaml lists them."""
    record = VARIANTS[variant]
    keys = ["device", "data.downscale", "train"]
    keys += ["iterations.models" if record.segments else "iterations.sr"]
    if record.joint:
        keys += ["model", *([] if sweep else ["beta"])]
    else:
        keys += [f"model.{network}" for network in record.trained]
        keys += ["model.sr_init"] if "sr" in record.trained and record.segments else []
    if "ss" in record.trained:
        keys += ["objective", *([] if sweep else ["loss"])]
    return keys


def parse_args() -> argparse.Namespace:
    """The command line: a variant, where to write, and the trained models it starts from."""
    parser = argparse.ArgumentParser(prog="python -m stages.train", description=__doc__)
    parser.add_argument("variant", choices=VARIANTS)
    parser.add_argument("--seed", type=int, required=True, help="of weights and batches")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--sr", type=Path, help="trained SR model to start from")
    parser.add_argument("--ss", type=Path, help="trained SS model to keep, for ss_sr")
    parser.add_argument("--loss", choices=LOSSES, help="instead of the parameter (sweep)")
    parser.add_argument("--beta", type=float, help="instead of the parameter (sweep)")
    args = parser.parse_args()
    variant = VARIANTS[args.variant]
    if (args.loss is None) != (args.beta is None):
        parser.error("--loss and --beta go together")
    if args.beta is not None and not 0 <= args.beta <= 1:
        parser.error(f"--beta: {args.beta} is not in [0, 1]")
    if args.sr is None and "sr" in variant.steps and variant.segments:
        parser.error(f"{args.variant} needs --sr")
    if args.ss is None and "ss" in variant.steps and "ss" not in variant.trained:
        parser.error(f"{args.variant} needs --ss")
    return args


def settings_of(args: argparse.Namespace, params: Params) -> dict[str, Any]:
    """What is trained, by which loss, from which seed; the versions that results depend on."""
    variant = VARIANTS[args.variant]
    return {
        "variant": args.variant,
        "loss": (args.loss or params.loss) if "ss" in variant.trained else None,
        "beta": (params.beta if args.beta is None else args.beta) if variant.joint else None,
        "seed": args.seed,
        "versions": versions(),
    }


def title_of(args: argparse.Namespace) -> str:
    """The name of a training in what it shows: `seed-0/cssr`."""
    return "/".join(args.out.parts[1:])


def find_checkpoints(
    args: argparse.Namespace, params: Params, settings: dict[str, Any]
) -> Checkpoints:
    """The checkpoints of this very training: of the same settings, code and inputs."""
    models = [model / name for model in models_of(args) for name in (WEIGHTS, DESCRIPTION)]
    identity = identify(
        {**settings, **params.model_dump(), "out": title_of(args)},
        code=code_files(),
        inputs=[*files_in([ARRAYS / "train", ARRAYS / "val"]), *models],
    )
    return Checkpoints(STATE / identity)


def models_of(args: argparse.Namespace) -> list[Path]:
    """The trained models that it starts from."""
    return [model for model in (args.sr, args.ss) if model]


def build(args: argparse.Namespace, params: Params, scale: int) -> Pipeline:
    """The variant's pipeline with its initial weights."""
    sizes = params.model.model_dump()  # of what is trained
    random = sizes.pop("sr_init", None) == "random"
    return build_pipeline(
        args.variant,
        scale=scale,
        seed=args.seed,
        **sizes,
        sr_from=None if random else args.sr,
        ss_from=args.ss,
    )


def train(
    args: argparse.Namespace,
    params: Params,
    losses: TrainingLosses,
    sets: Sequence[Arrays],
    *,
    checkpoints: Checkpoints,
    processes: Processes,
) -> list[Row]:
    """Train on the first set, validate on the second; the rows of the log."""
    title = title_of(args)
    first = processes.global_rank == 0
    iterations = iterations_of(args, params)
    progress = Progress(title, iterations, params.train.batch_size, shown=first)
    ends = early_ends(title, sets[0], params, checkpoints, processes, seed=args.seed)
    with ends as stop_asked, live_log(checkpoints.folder / "live", wanted=first) as log:
        return fit(
            losses,
            *sets,
            train=params.train,
            iterations=iterations,
            seed=args.seed,
            checkpoints=checkpoints,
            processes=processes,
            monitor=Monitor(log, progress.show, stop_asked),
            kernel=params.data.downscale,
        )


def iterations_of(args: argparse.Namespace, params: Params) -> int:
    """How many the parameters give this variant."""
    return params.iterations.models if VARIANTS[args.variant].segments else params.iterations.sr


def main() -> None:
    """Train, or go on with a training that was interrupted, and write the model."""
    args = parse_args()
    refuse_to_replace(args.out, DESCRIPTION)
    params = read_params(*params_of(args.variant, sweep=args.loss is not None))
    settings = settings_of(args, params)
    if params.train.deterministic:
        compute_deterministically()
    processes = launch(params.train.devices, choose_device(params.device))
    training, validation = (load_arrays(ARRAYS / split) for split in ("train", "val"))
    side = training.hr.shape[1]
    scale = side // training.lr.shape[1]
    pipeline = build(args, params, scale)
    losses = TrainingLosses(
        pipeline,
        loss=settings["loss"],
        objective=params.objective if settings["loss"] else None,
        beta=settings["beta"],
        n_train=len(training.names),
        batch_size=params.train.batch_size,
    )
    checkpoints = find_checkpoints(args, params, settings)
    first = processes.global_rank == 0
    with in_use_alone(checkpoints, models_of(args)) if first else nullcontext():
        sets = training, validation
        rows = train(args, params, losses, sets, checkpoints=checkpoints, processes=processes)
        if not first:
            return
        facts = {
            **settings,
            "iterations": iterations_of(args, params),
            **params.train.model_dump(),
            "scale": scale,
            "side": side,
            "downscale": params.data.downscale,
            "device": device_name(processes.device),
            "images": {"train": len(training.names), "val": len(validation.names)},
            "threshold": rows[-1].get("val_threshold"),
        }
        with new_folder(args.out) as folder:
            save_model(folder, pipeline, facts)
            write_logs(folder, rows)
            copy_files(checkpoints.folder / "live", folder / "live")
        # the state stays until the model is read: DVC has recorded it then
        write_whole(checkpoints.folder / FINISHED, str(args.out).encode())


@contextmanager
def in_use_alone(checkpoints: Checkpoints, models: list[Path]) -> Iterator[None]:
    """Keep other processes from the same training; say whether it goes on with an earlier one."""
    state = checkpoints.folder
    with locked(state, f"{state} is in use: the same training runs already"):
        forget_finished(*models)
        if checkpoints.files():
            say(f"going on with the interrupted training in {state}", sys.stdout)
        yield


if __name__ == "__main__":
    run_stage(main, LESS_MEMORY)
