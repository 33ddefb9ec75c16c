"""Speed of each variant's inference, in megapixels of the HR result per second."""

import torch

from benchmarks.measure import Row, median_ms, prepare, report
from benchmarks.options import add_preset, at_least, load_preset, parser_of
from benchmarks.step import VARIANTS, build
from cssr.params import Params
from stages.common import run_stage


def time_variant(
    variant: str, params: Params, device: torch.device, *, side: int, precision: str, repeats: int
) -> Row:
    """Median time of one image, and megapixels of its HR result per second."""
    pipeline = build(variant, params).to(device, memory_format=torch.channels_last).eval()
    low = side if variant == "ss_hr" else side // params.data.scale
    image = torch.rand(1, 3, low, low, device=device)

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
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=VARIANTS, help="timed")
    parser.add_argument("--side", type=at_least(64), default=512, help="of the HR result, px")
    parser.add_argument(
        "--precision", choices=("float32", "bfloat16"), default="float32", help="autocast"
    )
    args = parser.parse_args()
    device, params = prepare(args), load_preset(args)
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
