"""Time training iterations under one setting after another, in one process."""

import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple
from unittest import mock

import torch
from torch import nn
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks.measure import Row, facts_of, prepare, save
from benchmarks.options import add_preset, at_least, parser_of
from benchmarks.step import changed, random_arrays
from benchmarks.train_step import time_variant
from cssr.models import strided
from cssr.models.dbpn import ConvPReLU
from cssr.models.unet import PixelShuffle
from cssr.models.variants import VARIANTS
from cssr.training.batches import DEVICE_SHARE
from cssr.training.step import compute_deterministically
from stages.common import run_stage
from stages.preset import read_preset


class Setting(NamedTuple):
    """What is timed.

    Attributes:
        name: as tables show it.
        variant: whose iteration.
        changes: of the preset's `train`.
        device_share: of the GPU's memory for the training set; 0: batches are read ahead.
        within: what holds meanwhile.
        profiled: whether a GPU's kernels are listed.
    """

    name: str
    variant: str = "cssr"
    changes: Mapping[str, Any] = MappingProxyType({})
    device_share: float = DEVICE_SHARE
    within: Callable[[], AbstractContextManager] = nullcontext
    profiled: bool = False


BFLOAT16 = {"precision": "bfloat16"}
COMPILED = {**BFLOAT16, "compile": True}
KERNELS = 40  # listed
OTHERS = [variant for variant in VARIANTS if variant != "cssr"]


@contextmanager
def cudnn_benchmark() -> Iterator[None]:
    """Let cuDNN try its algorithms for each shape of a convolution."""
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = False


@contextmanager
def deterministic() -> Iterator[None]:
    """What `train.deterministic` switches on."""
    compute_deterministically()
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@contextmanager
def cuda_graphs() -> Iterator[None]:
    """Networks are compiled with CUDA graphs."""
    plain = nn.Module.compile

    def compile_network(network: nn.Module) -> None:
        plain(network, mode="reduce-overhead")

    with mock.patch.object(nn.Module, "compile", compile_network):
        yield


def plain_convolutions() -> AbstractContextManager:
    """Strided convolutions are cuDNN's in bfloat16 too."""
    return mock.patch.object(strided, "cudnn_is_slow", return_value=False)


def plain_prelu() -> AbstractContextManager:
    """PReLU sees (B, C, H, W)."""
    return mock.patch.object(ConvPReLU, "forward", nn.Sequential.forward)


def plain_shuffle() -> AbstractContextManager:
    """Pixel shuffles are PyTorch's."""
    return mock.patch.object(PixelShuffle, "forward", nn.PixelShuffle.forward)


def kernel_times(steps: Iterator[None], repeats: int = 3) -> Row:
    """Time of all kernels of a GPU in an iteration, and those that take longest."""
    if not torch.cuda.is_available():
        return {}
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        for _ in islice(steps, repeats):
            pass
        torch.cuda.synchronize()
    found = [
        event
        for event in profiler.key_averages()
        if event.device_type == DeviceType.CUDA and not event.key.startswith("Optimizer.step")
    ]
    rows = [
        {
            "kernel": event.key,
            "ms": event.self_device_time_total / 1e3 / repeats,
            "calls": event.count / repeats,
        }
        for event in sorted(found, key=lambda event: -event.self_device_time_total)
    ]
    return {"kernels, ms": sum(row["ms"] for row in rows), "kernels": rows[:KERNELS]}


SETTINGS = {
    "joint": [
        Setting("float32"),
        Setting("bfloat16", changes=BFLOAT16),
        Setting("bfloat16, compiled", changes=COMPILED, profiled=True),
        Setting("bfloat16, compiled, batches read ahead", changes=COMPILED, device_share=0.0),
    ],
    "variants": [
        *(Setting("bfloat16", name, BFLOAT16) for name in OTHERS),
        *(Setting("bfloat16, compiled", name, COMPILED) for name in OTHERS),
    ],
    "choices": [
        Setting("bfloat16", changes=BFLOAT16),
        Setting("cuDNN's strided convolutions", changes=BFLOAT16, within=plain_convolutions),
        Setting("cudnn.benchmark", changes=BFLOAT16, within=cudnn_benchmark),
        Setting("deterministic", changes=BFLOAT16, within=deterministic),
        Setting("recompute", changes={**BFLOAT16, "recompute": True}),
        Setting("micro_batch 2", changes={**BFLOAT16, "micro_batch": 2}),
        Setting("micro_batch 1", changes={**BFLOAT16, "micro_batch": 1}),
        Setting("bfloat16", "ss_hr", BFLOAT16),
        Setting("PyTorch's pixel shuffle", "ss_hr", BFLOAT16, within=plain_shuffle),
        Setting("bfloat16, compiled", "ss_bicubic", COMPILED),
        Setting("compiled with CUDA graphs", "ss_bicubic", COMPILED, within=cuda_graphs),
        Setting("bfloat16, compiled", "sr", COMPILED),
        Setting("compiled, PReLU in (B, C, H, W)", "sr", COMPILED, within=plain_prelu),
    ],
}


def main() -> None:
    """Time the settings of a part, and write what is known after each."""
    parser = parser_of(__doc__, "gpu.steps", json_required=True)
    add_preset(parser, "paper", "its networks, sizes and training")
    parser.add_argument("--part", choices=SETTINGS, required=True, help="settings to time")
    parser.add_argument("--warmup", type=at_least(0), default=4, help="iterations before")
    args = parser.parse_args()
    device = prepare(args)
    preset = read_preset(args.preset)
    arrays = random_arrays(preset.data.size, preset.data.scale)
    rows: list[Row] = []
    for setting in SETTINGS[args.part]:
        params = changed(preset, {"train": setting.changes})
        row: Row = {"setting": setting.name, "variant": setting.variant}
        try:
            with setting.within():
                row |= time_variant(
                    setting.variant,
                    params,
                    arrays,
                    device,
                    warmup=args.warmup,
                    repeats=args.repeats,
                    device_share=setting.device_share,
                    profiled=kernel_times if setting.profiled else lambda steps: {},
                )
        except Exception as error:  # one setting that fails does not end the others
            traceback.print_exc()
            row["error"] = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        print(row, flush=True)
        rows.append(row)
        facts = {**facts_of(device), "preset": args.preset, "repeats": args.repeats}
        save(args.json, {"benchmark": args.part, **facts, "rows": rows})
    failed = [row["setting"] for row in rows if "error" in row]
    if failed:
        raise ValueError(f"{len(failed)} of {len(rows)} settings failed: {', '.join(failed)}")


if __name__ == "__main__":
    run_stage(main)
