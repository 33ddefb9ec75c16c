"""Train one model or one cell of the sweep, to runs/."""

import argparse
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cssr.models.saved import DESCRIPTION, WEIGHTS, load_model, load_weights, save_model
from cssr.data.arrays import load_arrays
from cssr.device import choose_device, compute_deterministically, device_name
from cssr.files import locked, new_folder, write_whole
from cssr.models.dbpn import DBPN
from cssr.models.initial import initialise, start_from
from cssr.models.unet import UNet, load_imagenet
from cssr.models.pipeline import build_pipeline
from cssr.training.loop.parallel import launch
from cssr.params import LOSS_NAMES, Train
from cssr.training.checkpoints import Checkpoints, identify, key_of
from cssr.training.loop import fit
from stages.common import (
    FINISHED,
    STATE,
    code_files,
    files_in,
    forget_finished,
    plain,
    read_params,
    refuse_to_replace,
    run_stage,
    say,
    versions,
)
from stages.early_ends import ends_told
from stages.training_log import Progress, copy_files, live_log, write_logs

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


def main() -> None:
    """Train, or go on with a training that was interrupted, and write the model."""
    args = parse_args()
    refuse_to_replace(args.out, DESCRIPTION)
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
