"""Write what `python -m benchmarks.gpu` measured into docs/performance.md.

The files of a folder that is named are copied to docs/gpu/ first.
"""

import argparse
import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from benchmarks.measure import Row
from benchmarks.options import existing_folder
from cssr.files import write_whole
from cssr.report.tables import markdown_lines
from stages.common import run_stage

NUMBERS, PAGE = Path("docs/gpu"), Path("docs/performance.md")
BEGIN, END = "<!-- made by benchmarks.gpu.tables -->", "<!-- to here -->"
KINDS = {  # of kernels, by what their names hold
    "matrix products": "nvjet",
    "convolutions": "xmma|cudnn|cutlass",
    "compiled: element by element, copies, sums": "triton",
}


def read(part: str) -> Row:
    """The content of a part's file; empty where it is missing."""
    file = NUMBERS / f"{part}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def render() -> str:
    """All tables, in Markdown."""
    tables = {
        "device": device_table,
        "joint": joint_table,
        "variants": variants_table,
        "choices": choices_table,
        "tests": tests_line,
        "training": training_table,
    }
    lines = []
    for part, table in tables.items():
        content = read(part)
        lines += ["", *(table(content) if content else [f"The part `{part}` was not measured."])]
    return "\n".join([*lines, ""])


def device_table(content: Row) -> list[str]:
    """Device, versions and floors."""
    told = (
        f"{content['device']}, {content['cores']} CPU cores, Python {content['python']}, PyTorch "
    )
    told += f"{content['torch']}, CUDA {content['cuda']}, cuDNN {content['cudnn']}."
    rows = [
        [row["precision"], f"{row['matmul_tflops']:.0f}", f"{row['copy_gb_per_s']:,.0f}"]
        for row in content["rows"]
    ]
    head = ["", "matrix product of 8,192², TFLOP/s", "copy of 1 GiB, GB/s"]
    return [told, "", *markdown_lines(head, rows)]


def against_floors(row: Row) -> list[str]:
    """TFLOP/s, and times the floor of computing and that of moving."""
    precision = "float32" if row["setting"].startswith("float32") else "bfloat16"
    counted = find(read(f"counts_{precision}"), "variant", row["variant"])
    floor = find(read("device"), "precision", precision)
    compute = counted["TFLOP"] / floor["matmul_tflops"] * 1e3
    move = counted["GB moved"] / floor["copy_gb_per_s"] * 1e3
    speed = counted["TFLOP"] / row["ms"] * 1e3
    return [f"{speed:.0f}", *(f"{row['ms'] / ms:.1f}" for ms in (compute, move))]


def find(content: Row, key: str, value: str) -> Row:
    """The row in which a key has a value."""
    return next(row for row in content["rows"] if row[key] == value)


def joint_table(content: Row) -> list[str]:
    """The joint step in each precision, its parts and the kernels of the compiled one."""
    head = ["(f), 448/112 px, batch 6", "ms", "SR forward", "SS forward", "backward"]
    head += ["TFLOP/s", "times the compute floor", "times the copy floor", "peak, GiB", "first, s"]
    parts = ("ms", "SR forward", "SS forward", "backward")
    rows = [
        [
            row["setting"],
            *(f"{row[part]:.1f}" for part in parts),
            *against_floors(row),
            f"{row['peak GiB']:.1f}",
            f"{row['first, ms'] / 1e3:.1f}",
        ]
        for row in content["rows"]
    ]
    kernels = [kernel for row in content["rows"] for kernel in row.get("kernels", [])]
    return [*markdown_lines(head, rows), "", *kernel_table(kernels)]


def kernel_table(kernels: Iterable[Row]) -> list[str]:
    """Time in the listed kernels of the compiled step, by kind."""
    head, rows = ["of the compiled step, in the kernels that take longest", "ms", "calls"], []
    for kind, pattern in KINDS.items():
        chosen = [kernel for kernel in kernels if re.search(pattern, kernel["kernel"])]
        took, calls = (sum(kernel[key] for kernel in chosen) for key in ("ms", "calls"))
        rows.append([kind, f"{took:.1f}", f"{calls:.0f}"])
    return markdown_lines(head, rows)


def variants_table(content: Row) -> list[str]:
    """Each variant in bfloat16, plain and compiled."""
    head = ["bfloat16", "ms", "TFLOP/s", "peak, GiB"]
    head += ["compiled, ms", "TFLOP/s", "peak, GiB", "first, s"]
    both = [*content["rows"], *read("joint").get("rows", [])]
    plain, compiled = (
        {row["variant"]: row for row in both if row["setting"] == name and "ms" in row}
        for name in ("bfloat16", "bfloat16, compiled")
    )
    rows = []
    for name, row in plain.items():
        cells = [f"`{name}`", f"{row['ms']:.1f}", against_floors(row)[0], f"{row['peak GiB']:.1f}"]
        fast = compiled.get(name)
        numbers = fast and [f"{fast['ms']:.1f}", against_floors(fast)[0]]
        more = fast and [f"{fast['peak GiB']:.1f}", f"{fast['first, ms'] / 1e3:.1f}"]
        rows.append([*cells, *(numbers + more if fast else ["", "", "", ""])])
    return markdown_lines(head, rows)


def choices_table(content: Row) -> list[str]:
    """Each choice beside the row before it that it changes."""
    head, rows, plain = ["bfloat16, each against the line above it that is plain", ""], [], {}
    for row in content["rows"]:
        if row["setting"].startswith("bfloat16"):
            plain = row
        name = row["setting"] if row is plain else f"… {row['setting']}"
        times = f"{row['ms'] / plain['ms']:.2f}"
        ms, peak = f"{row['ms']:.1f}", f"{row['peak GiB']:.1f}"
        rows.append([name, f"`{row['variant']}`", ms, times, peak])
    return markdown_lines([*head, "ms", "times", "peak, GiB"], rows)


def tests_line(content: Row) -> list[str]:
    """How the tests on the GPU ended."""
    ended = [row["outcome"] for row in content["rows"]]
    counts = {outcome: ended.count(outcome) for outcome in ("passed", "failed", "skipped")}
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    return [f"Tests on the GPU that ended within the time: {told}."]


def training_table(content: Row) -> list[str]:
    """Scores of what was trained at the paper's size."""
    images = [content[f"{split} images"] for split in ("train", "val", "test")]
    told = (
        f"Preset `{content['preset']}`, seed {content['seed']}: {content['iterations']} iterations "
    )
    told += f"of {content['batch_size']} images each, {content['precision']}, compiled; "
    told += "{} training, {} validation and {} test images.".format(*images)
    head = ["", "s", "PSNR", "SSIM", "AIU", "IoU_max", "AIU, images with crack"]
    keys = ("psnr", "ssim", "aiu", "iou_max", "aiu_crack")
    rows = [
        [
            f"`{row['variant']}`",
            f"{row['s']:.0f}",
            *(f"{row[key]:.3f}" if key in row else "–" for key in keys),
        ]
        for row in content["rows"]
    ]
    return [told, "", *markdown_lines(head, rows)]


def put(page: str, tables: str) -> str:
    """A page with the tables between its marks."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{tables}\n{END}{rest.split(END)[1]}"


def main() -> None:
    """Copy the numbers and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.tables", description=__doc__)
    parser.add_argument("folder", type=existing_folder, nargs="?", help="of a run")
    folder = parser.parse_args().folder
    for file in folder.glob("*.json") if folder else ():
        shutil.copy(file, NUMBERS)
    write_whole(PAGE, put(PAGE.read_text(encoding="utf-8"), render()).encode())


if __name__ == "__main__":
    run_stage(main)
