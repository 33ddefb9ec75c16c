"""Time one training iteration of each variant, as a whole and by part, on random images."""

import argparse
import statistics
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import Clock, MemoryWatch, Row, floors, parser_of, prepare, report
from cssr.data.arrays import Arrays
from cssr.data.batches import Batch, draw_batches, make_batch
from cssr.losses import LOSSES
from cssr.models.variants import build_pipeline
from cssr.objectives import OBJECTIVES, TrainingLosses
from cssr.parallel import Alone
from cssr.params import Params, Train
from cssr.training import new_optimiser, prepare_networks, train_step
from stages.common import load_params, run_stage
from stages.train import new_sr, new_ss

VARIANTS = tuple(OBJECTIVES)
IMAGES = 48
PARTS = ("data and augmentation", "SR forward", "SS forward", "loss", "backward", "optimiser")

Mark = Callable[[str], None]


class Marked(nn.Module):
    """A network that marks the end of its forward pass, and of what came before it."""

    def __init__(self, network: nn.Module, part: str, mark: Mark) -> None:
        super().__init__()
        self.network, self.part, self.mark = network, part, mark

    def forward(self, image: Tensor) -> Tensor:
        """The network's output."""
        self.mark("loss")
        output = self.network(image)
        self.mark(self.part)
        return output


class MarkedProcess(Alone):
    """A single process that marks the end of the losses and of the backward pass."""

    def __init__(self, device: torch.device, mark: Mark) -> None:
        super().__init__(device)
        self.mark = mark

    def backward(self, loss: Tensor) -> None:
        """Compute gradients."""
        self.mark("loss")
        super().backward(loss)
        self.mark("backward")


def random_arrays(size: int, scale: int) -> Arrays:
    """Images of noise, each with a few vertical cracks."""
    rng = np.random.default_rng(0)
    hr = rng.integers(0, 256, (IMAGES, size, size, 3), np.uint8)
    mask = np.zeros((IMAGES, size, size), np.uint8)
    mask[:, :, :: size // 4] = 1
    phi = rng.uniform(0, size / 8, (IMAGES, size, size)).astype(np.float16)
    return Arrays(hr, hr[:, ::scale, ::scale].copy(), mask, phi, [str(k) for k in range(IMAGES)])


def build(variant: str, params: Params) -> nn.Module:
    """A variant's pipeline with the preset's networks and random weights."""
    channels = 1 if variant in ("ss_sr", "inverse") else 3
    sr = new_sr(params.model.sr, None, channels=channels, scale=params.data.scale, seed=0)
    ss = new_ss(params.model.ss.model_copy(update={"pretrained": False}), seed=0)
    sr.requires_grad_(variant != "sr_ss")
    ss.requires_grad_(variant != "ss_sr")
    return build_pipeline(variant, sr=sr, ss=ss, scale=params.data.scale)


def tera_flop(variant: str, params: Params) -> float:
    """Floating-point operations of forward and backward of a batch, counted without computing."""
    side, scale, images = params.data.size, params.data.scale, params.train.batch_size
    low = side // scale
    losses = TrainingLosses(variant, build(variant, params).to("meta"))
    high = torch.empty(images, 3, side, side, device="meta")
    small = torch.empty(images, 3, low, low, device="meta")
    batch = Batch(high, high[:, :1], high[:, :1], small, small[:, :1], small[:, :1])
    with FlopCounterMode(display=False) as counter:
        parts = losses(batch, ss_loss_of(params))
        sum(part.sum() for part in parts.values()).backward()
    return counter.get_total_flops() / 1e12


def ss_loss_of(params: Params) -> Callable[..., Tensor]:
    """The preset's segmentation loss at half of its boundary weight."""
    return partial(LOSSES[params.loss], alpha=0.5, gamma=params.objective.gamma)


def time_variant(
    variant: str,
    params: Params,
    train: Train,
    arrays: Arrays,
    device: torch.device,
    *,
    warmup: int,
    repeats: int,
) -> Row:
    """Time of the first iteration, with any compilation; medians of later ones and their parts."""
    clock, marks = Clock(device), []

    def mark(part: str) -> None:
        marks.append((part, clock.mark()))

    pipeline = build(variant, params).to(device, memory_format=torch.channels_last)
    prepare_networks(pipeline, train)
    for name, part in {"sr": "SR forward", "ss": "SS forward"}.items():
        if getattr(pipeline, name, None) is not None:
            setattr(pipeline, name, Marked(getattr(pipeline, name), part, mark))
    optimiser = new_optimiser(pipeline, train)
    losses, recorded = TrainingLosses(variant, pipeline), []
    process = MarkedProcess(device, mark)
    drawn = draw_batches(
        arrays, range(warmup + repeats), batch_size=train.batch_size, seed=0, device=device
    )
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    mark("start")
    while (one := next(drawn, None)) is not None:
        batch = make_batch(one, scale=params.data.scale, phi=params.objective.phi)
        mark("data and augmentation")
        train_step(
            losses,
            batch,
            optimiser,
            ss_loss=ss_loss_of(params),
            beta=params.beta,
            train=train,
            processes=process,
        )
        mark("optimiser")
        recorded.append(list(marks))
        marks[:] = marks[-1:]
    rows = [durations(clock, marks) for marks in recorded]  # at the end, since it waits
    timed = rows[warmup:]
    result = {part: statistics.median(row.get(part, 0.0) for row in timed) for part in PARTS}
    whole = [sum(row.values()) for row in rows]
    return {"first, ms": whole[0], "ms": statistics.median(whole[warmup:]), **result}


def durations(clock: Clock, marks: list[tuple[str, Any]]) -> dict[str, float]:
    """Time of each part: from the mark before to its own."""
    times: dict[str, float] = {}
    for (_, start), (part, end) in pairwise(marks):
        times[part] = times.get(part, 0.0) + clock.milliseconds(start, end)
    return times


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = parser_of(__doc__, "train_step")
    parser.add_argument("--preset", default="demo", help="its networks, sizes and batch")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=VARIANTS)
    parser.add_argument("--warmup", type=int, default=5, help="iterations before the timed ones")
    parser.add_argument("--precision", choices=("float32", "bfloat16"))
    parser.add_argument("--micro-batch", type=int)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--recompute", action="store_true")
    return parser.parse_args()


def main() -> None:
    """Time the variants and report."""
    args = parse_args()
    device, params = prepare(args), load_params(Path(f"presets/{args.preset}.yaml"))
    asked = {"precision": args.precision, "micro_batch": args.micro_batch}
    changes = {name: value for name, value in asked.items() if value}
    changes |= {"compile": args.compile, "recompute": args.recompute}
    train = Train(**{**params.train.model_dump(), **changes})
    floor, rows = floors(device, train.precision), []
    arrays = random_arrays(params.data.size, params.data.scale)
    for variant in args.variants:
        with MemoryWatch() as watch:
            row = time_variant(
                variant,
                params,
                train,
                arrays,
                device,
                warmup=args.warmup,
                repeats=args.repeats,
            )
        work = tera_flop(variant, params)
        cuda = device.type == "cuda"
        memory = torch.cuda.max_memory_allocated(device) / 2**20 if cuda else watch.peak
        speed = work / row["ms"] * 1e3
        rows.append(
            {
                "variant": variant,
                **row,
                "images/s": train.batch_size / row["ms"] * 1e3,
                "TFLOP": work,
                "TFLOP/s": speed,
                "ms / compute floor": floor["matmul_tflops"] / speed,
                "peak GiB": memory / 1024,
            }
        )
    facts = {"preset": args.preset, **floor, **train.model_dump()}
    report("train_step", rows, device, args, facts)


if __name__ == "__main__":
    run_stage(main)
