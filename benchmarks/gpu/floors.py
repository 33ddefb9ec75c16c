"""The two floors of a device: a large matrix product and a large copy."""

from benchmarks.measure import floors, prepare, report
from benchmarks.options import parser_of
from stages.common import run_stage


def main() -> None:
    """Measure in both precisions and report."""
    args = parser_of(__doc__, "gpu.floors").parse_args()
    device = prepare(args)
    rows = [
        {"precision": precision, **floors(device, precision, args.repeats)}
        for precision in ("float32", "bfloat16")
    ]
    report("floors", rows, device, args)


if __name__ == "__main__":
    run_stage(main)
