"""Time one training iteration of each variant, as a whole and by part, on random images."""

import argparse
import gc
import os
import statistics
from collections.abc import Callable, Iterator
from itertools import islice, pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from benchmarks.counted import moved_gb, tensor_gib, tera_flop
from benchmarks.measure import Clock, MemoryWatch, Row, floors, prepare, report
from benchmarks.options import add_device_share, add_preset, add_variants, at_least, parser_of
from benchmarks.step import Mark, build, changed, iterate, new_losses, random_arrays
from cssr.data.arrays import Arrays
from cssr.models.variants import VARIANTS
from cssr.params import Params
from cssr.training.batches import DEVICE_SHARE, draw_batches
from cssr.training.parallel import Alone
from cssr.training.step import new_optimiser, prepare_networks
from stages.common import run_stage
from stages.preset import read_preset

PARTS = ("data and augmentation", "SR forward", "SS forward", "loss", "backward", "optimiser")


class Marks:
    """The ends of parts, in their order."""

    def __init__(self, device: torch.device) -> None:
        self.clock = Clock(device)
        self.made = []

    def __call__(self, part: str) -> None:
        """Mark the end of a part, after the work that was given to the device so far."""
        self.made.append((part, self.clock.mark()))

    def take(self) -> list[tuple[str, Any]]:
        """The marks since the last call, whose last one is their first."""
        taken = self.made
        self.made = self.made[-1:]
        return taken


class Marked(nn.Module):
    """A network that marks the end of its forward pass, and of what came before it."""

    def __init__(self, network: nn.Module, part: str, mark: Mark) -> None:
        super().__init__()
        self.network = network
        self.part = part
        self.mark = mark

    def forward(self, image: Tensor, *args: object) -> Tensor:
        """The network's output."""
        self.mark("loss")
        output = self.network(image, *args)
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


def iterations(
    variant: str,
    params: Params,
    arrays: Arrays,
    device: torch.device,
    *,
    device_share: float,
    mark: Mark,
) -> Iterator[None]:
    """Iterations of a training, each taken when it is asked for, whose parts are marked."""
    pipeline = build(variant, params).to(device, memory_format=torch.channels_last)
    train = params.train
    prepare_networks(pipeline, compile=train.compile, recompute=train.recompute)
    optimiser = new_optimiser(pipeline, train)
    if pipeline.sr is not None:
        pipeline.sr = Marked(pipeline.sr, "SR forward", mark)
    if pipeline.ss is not None:
        pipeline.ss = Marked(pipeline.ss, "SS forward", mark)
    losses = new_losses(pipeline, params, n_train=len(arrays.names))
    process = MarkedProcess(device, mark)
    drawn_batches = draw_batches(
        arrays,
        range(10**6),
        batch_size=train.batch_size,
        seed=0,
        device=device,
        device_share=device_share,
    )
    mark("start")
    for drawn in drawn_batches:
        iterate(losses, drawn, optimiser, params=params, process=process, mark=mark)
        yield


def time_parts(steps: Iterator[None], marks: Marks, *, warmup: int, repeats: int) -> Row:
    """Time of the first iteration, with any compilation; medians of later ones and their parts."""
    recorded = [marks.take() for _ in islice(steps, warmup + repeats)]
    rows = [durations(marks.clock, taken) for taken in recorded]  # at the end, since it waits
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


def convolution_share(steps: Iterator[None], repeats: int) -> float:
    """Per cent of the CPU's time that convolutions take, forward and backward."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # or it tells of a GPU that is not there
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in islice(steps, repeats):
            pass
    times = [(event.key, event.self_cpu_time_total) for event in profiler.key_averages()]
    convolutions = sum(time for key, time in times if "convolution" in key)
    return 100 * convolutions / sum(time for _, time in times)


def time_variant(
    variant: str,
    params: Params,
    arrays: Arrays,
    device: torch.device,
    *,
    warmup: int,
    repeats: int,
    device_share: float = DEVICE_SHARE,
    profiled: Callable[[Iterator[None]], Row] = lambda steps: {},
) -> Row:
    """Times of an iteration and its parts, and the most memory that the process took.

    Args:
        variant: whose iteration.
        params: the preset, perhaps changed.
        arrays: the training set.
        device: where.
        warmup: iterations before the timed ones.
        repeats: timed iterations, whose median is told.
        device_share: of a GPU's free memory that the training set may take.
        profiled: takes further iterations and tells more of them.
    """
    torch.compiler.reset()  # or what is compiled for one variant changes the next
    gc.collect()
    cuda = device.type == "cuda"
    marks = Marks(device)
    steps = iterations(variant, params, arrays, device, device_share=device_share, mark=marks)
    if cuda:
        torch.cuda.reset_peak_memory_stats(device)
    with MemoryWatch() as watch:
        row = time_parts(steps, marks, warmup=warmup, repeats=repeats)
    peak = torch.cuda.max_memory_allocated(device) / 2**20 if cuda else watch.peak
    return {**row, **profiled(steps), "peak GiB": peak / 1024}


def counts(variant: str, preset: Params, params: Params) -> Row:
    """Work of the preset's iteration, and what the changed one moves and holds, counted."""
    return {
        "TFLOP": tera_flop(variant, preset),
        "GB moved": moved_gb(variant, params),
        "tensors, GiB": tensor_gib(variant, params),
    }


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = parser_of(__doc__, "train_step")
    add_preset(parser, "demo", "its networks, sizes and training")
    add_variants(parser, *VARIANTS)
    parser.add_argument("--warmup", type=at_least(0), default=5, help="iterations before")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), help="not the preset's")
    parser.add_argument("--micro-batch", type=at_least(1), help="images at a time")
    parser.add_argument("--compile", action="store_true", help="the networks")
    parser.add_argument("--recompute", action="store_true", help="activations")
    parser.add_argument("--count", action="store_true", help="work and memory, and compute nothing")
    add_device_share(parser)
    return parser.parse_args()


def main() -> None:
    """Time the variants and report."""
    args = parse_args()
    device = prepare(args)
    preset = read_preset(args.preset)
    asked = {"precision": args.precision, "micro_batch": args.micro_batch}
    changes = {name: value for name, value in asked.items() if value}
    changes |= {"compile": args.compile, "recompute": args.recompute}
    params = changed(preset, {"train": changes})
    train = params.train
    if args.count:
        rows = [{"variant": name, **counts(name, preset, params)} for name in args.variants]
        report("train_step", rows, device, args, {"preset": args.preset, **train.model_dump()})
        return

    def profiled(steps: Iterator[None]) -> Row:
        if device.type == "cuda":
            return {}
        return {"convolutions, %": convolution_share(steps, args.repeats)}

    floor = floors(device, train.precision)
    rows = []
    arrays = random_arrays(params.data.size, params.data.scale)
    for variant in args.variants:
        row = time_variant(
            variant,
            params,
            arrays,
            device,
            warmup=args.warmup,
            repeats=args.repeats,
            device_share=args.device_share,
            profiled=profiled,
        )
        if device.type == "cpu" and len(args.variants) > 1:  # whose memory is not given back
            del row["peak GiB"]
        counted = counts(variant, preset, params)
        speed = counted["TFLOP"] / row["ms"] * 1e3
        rows.append(
            {
                "variant": variant,
                **row,
                "images/s": train.batch_size / row["ms"] * 1e3,
                **counted,
                "TFLOP/s": speed,
                "compute floor, ms": counted["TFLOP"] / floor["matmul_tflops"] * 1e3,
                "copy floor, ms": counted["GB moved"] / floor["copy_gb_per_s"] * 1e3,
                "ms / compute floor": floor["matmul_tflops"] / speed,
            }
        )
    facts = {"preset": args.preset, **floor, **train.model_dump()}
    report("train_step", rows, device, args, facts)


if __name__ == "__main__":
    run_stage(main)
