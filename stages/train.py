"""Train one model or one cell of the sweep, to runs/."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from torch import nn
from tqdm import tqdm

from cssr.checkpoint import DESCRIPTION, WEIGHTS, load_model, load_weights, save_model
from cssr.data.arrays import Arrays, load_arrays
from cssr.data.batches import batch_indices
from cssr.device import choose_device, compute_deterministically, device_name
from cssr.files import locked, naming, new_folder, write_whole
from cssr.models.dbpn import DBPN
from cssr.models.initial import initialise, start_from
from cssr.models.unet import UNet, load_imagenet
from cssr.models.variants import build_pipeline
from cssr.numerics import NotFiniteError
from cssr.parallel import Alone, launch
from cssr.params import LOSS_NAMES, Train
from cssr.state import Checkpoints, identify, key_of
from cssr.training import Row, StoppedError, fit
from stages.common import (
    FINISHED,
    STATE,
    code_files,
    ending_signals,
    files_in,
    forget_finished,
    plain,
    read_params,
    run_stage,
    say,
    versions,
)

if TYPE_CHECKING:
    from lightning_fabric import Fabric

try:
    from dvclive import Live
except ImportError:  # a machine without DVC still trains
    Live = None

ARRAYS = Path("data/arrays")
LESS_MEMORY = "train.micro_batch: 1, train.recompute: true or a smaller data.size"

BASE = ("seed", "device", "train")
SR_TRAIN = tuple(f"train.{name}" for name in Train.model_fields if name != "iterations")
SR_SIZE = ("model.sr.stages", "model.sr.features", "model.sr.width")
SEGMENTATION = (*BASE, "loss", "objective", "model.ss")
JOINT = (*BASE, "objective", "model")
PARAMS = {
    "sr": ("seed", "device", *SR_TRAIN, "train_sr.iterations", *SR_SIZE),
    "ss_hr": SEGMENTATION,
    "bicubic_ss": SEGMENTATION,
    "ss_bicubic": SEGMENTATION,
    "sr_ss": SEGMENTATION,
    "ss_sr": (*BASE, "model.sr"),
    "cssr": (*JOINT, "loss", "beta"),
    "inverse": (*JOINT, "loss", "beta"),
    "sweep": JOINT,
}


def parse_args() -> argparse.Namespace:
    """The command line: a variant, where to write, and the trained models it starts from."""
    parser = argparse.ArgumentParser(prog="python -m stages.train", description=__doc__)
    parser.add_argument("variant", choices=[name for name in PARAMS if name != "sweep"])
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--sr", type=Path, help="trained SR model to start from")
    parser.add_argument("--ss", type=Path, help="trained SS model to keep, for ss_sr")
    parser.add_argument("--loss", choices=LOSS_NAMES, help="instead of the parameter (sweep)")
    parser.add_argument("--beta", type=float, help="instead of the parameter (sweep)")
    args = parser.parse_args()
    if (args.loss is None) != (args.beta is None):
        parser.error("--loss and --beta go together")
    if args.beta is not None and not 0 <= args.beta <= 1:
        parser.error(f"--beta: {args.beta} is not in [0, 1]")
    if args.sr is None and args.variant in ("sr_ss", "ss_sr", "cssr", "inverse"):
        parser.error(f"{args.variant} needs --sr")
    if args.ss is None and args.variant == "ss_sr":
        parser.error("ss_sr needs --ss")
    return args


def build(args: argparse.Namespace, params: Any, scale: int) -> nn.Module:
    """The variant's pipeline with its initial weights; what is not trained is frozen.

    Each network has a generator of its own, so that all variants start from the same SS network.
    """
    variant, sr, ss = args.variant, None, None
    if variant == "sr_ss":
        sr = trained(args.sr, "sr").requires_grad_(False)
    elif variant in ("sr", "ss_sr", "cssr", "inverse"):
        channels = 1 if variant in ("ss_sr", "inverse") else 3
        sr = new_sr(params.model.sr, args.sr, channels=channels, scale=scale, seed=params.seed)
    if variant == "ss_sr":
        ss = trained(args.ss, "ss").requires_grad_(False)
    elif variant != "sr":
        ss = new_ss(params.model.ss, params.seed)
    return build_pipeline(variant, sr=sr, ss=ss, scale=scale)


def trained(folder: Path, network: str) -> nn.Module:
    """One network, `sr` or `ss`, of a trained model."""
    pipeline, description = load_model(folder)
    if not hasattr(pipeline, network):
        raise ValueError(f"{folder}: {description['variant']} has no {network.upper()} network")
    return getattr(pipeline, network)


def new_sr(size: Any, start: Path | None, *, channels: int, scale: int, seed: int) -> DBPN:
    """An SR network: from `train_sr`, from a file, or random, as `model.sr.init` says."""
    sr = DBPN(
        channels=channels,
        scale=scale,
        stages=size.stages,
        features=size.features,
        width=size.width,
    )
    initialise(sr, torch.Generator().manual_seed(seed))
    if start is None or size.init == "random":
        return sr
    if size.init == "train_sr":
        start_from(sr, trained(start, "sr").state_dict())
    else:
        weights = load_weights(init_file(size))
        start_from(sr, {name.removeprefix("sr."): value for name, value in weights.items()})
    return sr


def init_file(size: Any) -> Path:
    """The file of `model.sr.init`; a relative path is taken from the repo's root."""
    return Path(os.environ.get("DVC_ROOT", "."), size.init)


def inputs_of(args: argparse.Namespace, params: Any) -> list[Path]:
    """Files that the training reads: images, trained models, initial weights."""
    models = [path for path in (args.sr, args.ss) if path]
    files = files_in([ARRAYS / "train", ARRAYS / "val"])
    files += [model / name for model in models for name in (WEIGHTS, DESCRIPTION)]
    sr = getattr(getattr(params, "model", None), "sr", None)
    if getattr(sr, "init", "random") not in ("train_sr", "random"):
        files.append(init_file(sr))
    return files


def new_ss(size: Any, seed: int) -> UNet:
    """An SS network, its encoder with ImageNet weights if `model.ss.pretrained` says so."""
    ss = UNet(encoder=size.encoder, decoder=size.decoder)
    initialise(ss, torch.Generator().manual_seed(seed))
    if size.pretrained:
        load_imagenet(ss)
    return ss


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
    params: Any,
    checkpoints: Checkpoints,
    processes: "Alone | Fabric",
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
    error: NotFiniteError, title: str, arrays: Arrays, params: Any, checkpoints: Checkpoints
) -> str:
    """Write the batch of a loss that is not finite to the state's folder; the error's line."""
    n, size = len(arrays.names), params.train.batch_size
    names = [arrays.names[k] for k in batch_indices(error.iteration - 1, n, size, params.seed)]
    facts = {"iteration": error.iteration, "means": error.means, "images": names}
    file = checkpoints.folder / "not_finite.json"
    write_whole(file, f"{json.dumps({'cell': title, **facts}, indent=2)}\n".encode())
    kept = checkpoints.files()
    return (
        f"{title}: {error}; images {', '.join(names)} (written to {file}); "
        f"{f'the last good checkpoint is {kept[-1]}' if kept else 'there is no checkpoint yet'}; "
        "lower train.learning_rate, or use train.precision: float32"
    )


def main() -> None:
    """Train, or go on with a training that was interrupted, and write the model."""
    args = parse_args()
    params = read_params(*PARAMS["sweep" if args.loss else args.variant])
    loss = args.loss or getattr(params, "loss", None)
    beta = getattr(params, "beta", None) if args.beta is None else args.beta
    if args.variant == "sr":
        params.train = Train(**plain(params.train), **plain(params.train_sr))
    if params.train.deterministic:
        compute_deterministically()
    processes = launch(params.train.devices, choose_device(params.device))
    first = processes.global_rank == 0
    train, val = load_arrays(ARRAYS / "train"), load_arrays(ARRAYS / "val")
    scale = train.hr.shape[1] // train.lr.shape[1]
    pipeline = build(args, params, scale)

    title = "/".join(args.out.parts[1:])
    settings = {"variant": args.variant, "loss": loss, "beta": beta, "versions": versions()}
    identity = identify(
        {**settings, **plain(params), "out": title},
        code=code_files(),
        inputs=inputs_of(args, params),
    )
    state = STATE / key_of(identity)
    checkpoints = Checkpoints(state, identity)
    progress = Progress(title, params.train, shown=first)
    in_use = f"{state} is in use: the same training runs already"
    with locked(state, in_use) if first else nullcontext():
        if first:
            forget_finished(*(model for model in (args.sr, args.ss) if model))
        if first and checkpoints.files():
            say(f"going on with the interrupted training in {state}", sys.stdout)
        with (
            ends_told(title, train, params, checkpoints, processes) as stop_asked,
            live_log(state / "live", wanted=first) as log,
        ):
            rows = fit(
                pipeline,
                args.variant,
                (train, val),
                train=params.train,
                objective=getattr(params, "objective", None),
                loss=loss,
                beta=beta,
                seed=params.seed,
                checkpoints=checkpoints,
                log=log,
                progress=progress.show,
                processes=processes,
                stop_asked=stop_asked,
            )
        progress.close()
        if not first:
            return
        training = {
            **settings,
            **params.train.model_dump(),
            "scale": scale,
            "seed": params.seed,
            "device": device_name(processes.device),
            "images": {"train": len(train.names), "val": len(val.names)},
            "threshold": rows[-1].get("val_threshold"),
        }
        with new_folder(args.out) as folder:
            save_model(folder, pipeline, training)
            write_logs(folder, rows)
            copy_files(state / "live", folder / "live")
        # the state stays until the model is read: DVC has recorded it then
        write_whole(state / FINISHED, str(args.out).encode())


if __name__ == "__main__":
    run_stage(main, LESS_MEMORY)
