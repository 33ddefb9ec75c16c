"""Time of writing the state of an unfinished training, and of reading it again."""

from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.measure import Row, median_ms, prepare, report
from benchmarks.options import add_preset, add_variants, existing_folder, parser_of
from benchmarks.step import build
from cssr.params import Params
from cssr.training.checkpoints import Checkpoints
from cssr.training.step import new_optimiser
from stages.common import run_stage
from stages.preset import read_preset


def time_variant(
    variant: str, params: Params, device: torch.device, *, folder: Path, repeats: int
) -> Row:
    """Size of a variant's state; median times of writing it to a disk and of reading it."""
    pipeline = build(variant, params).to(device)
    optimiser = new_optimiser(pipeline, params.train)
    for weight in optimiser.param_groups[0]["params"]:
        weight.grad = torch.zeros_like(weight)
    optimiser.step()  # makes the moments
    weights = pipeline.state_dict()
    moments = optimiser.state_dict()
    state = {"iteration": 1, "weights": weights, "optimiser": moments}
    with TemporaryDirectory(dir=folder) as name:
        checkpoints = Checkpoints(Path(name))
        write = median_ms(lambda: checkpoints.save(state), device, repeats=repeats)
        read = median_ms(checkpoints.load, device, repeats=repeats)
        size = checkpoints.files()[0].stat().st_size / 2**20
    return {"variant": variant, "MiB": size, "write, ms": write, "read, ms": read}


def main() -> None:
    """Write and read a state of each variant and report."""
    parser = parser_of(__doc__, "checkpoint")
    add_preset(parser, "paper", "its networks")
    add_variants(parser, "cssr")
    parser.add_argument("--folder", type=existing_folder, default=".", help="on the disk")
    args = parser.parse_args()
    device = prepare(args)
    params = read_preset(args.preset)
    rows = [
        time_variant(variant, params, device, folder=args.folder, repeats=args.repeats)
        for variant in args.variants
    ]
    report("checkpoint", rows, device, args, {"preset": args.preset})


if __name__ == "__main__":
    run_stage(main)
