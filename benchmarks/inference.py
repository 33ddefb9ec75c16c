"""Speed of each variant's inference, in megapixels of the HR result per second."""

import torch

from benchmarks.measure import Row, median_ms, prepare, report
from benchmarks.options import add_preset, add_variants, at_least, parser_of
from benchmarks.step import build
from cssr.models.variants import VARIANTS
from cssr.params import Params
from stages.common import run_stage
from stages.preset import read_preset


def time_variant(
    variant: str, params: Params, device: torch.device, *, side: int, precision: str, repeats: int
) -> Row:
    """Median time of one image, and megapixels of its HR result per second."""
    pipeline = build(variant, params).to(device, memory_format=torch.channels_last).eval()
    seen = side if pipeline.variant.takes_hr else side // params.data.scale
    image = torch.rand(1, 3, seen, seen, device=device)

    @torch.inference_mode()
    def infer() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            pipeline(image)

    ms = median_ms(infer, device, repeats=repeats)
    return {"variant": variant, "ms": ms, "megapixels/s": side**2 / ms / 1e3}


def main() -> None:
    """Time the variants and report."""
    parser = parser_of(__doc__, "inference")
    add_preset(parser, "demo", "its networks")
    add_variants(parser, *VARIANTS)
    parser.add_argument("--side", type=at_least(64), default=512, help="of the HR result, px")
    parser.add_argument(
        "--precision", choices=("float32", "bfloat16"), default="float32", help="autocast"
    )
    args = parser.parse_args()
    device = prepare(args)
    params = read_preset(args.preset)
    rows = [
        time_variant(
            variant,
            params,
            device,
            side=args.side,
            precision=args.precision,
            repeats=args.repeats,
        )
        for variant in args.variants
    ]
    facts = {"preset": args.preset, "side": args.side, "precision": args.precision}
    report("inference", rows, device, args, facts)


if __name__ == "__main__":
    run_stage(main)
