"""Write what `python -m benchmarks.gpu` measured into docs/performance.md.

The files of a folder that is named take the place of those in docs/gpu/, part by part.
"""

import argparse
import json
import re
import shutil
from pathlib import Path

from benchmarks.gpu.__main__ import PARTS
from benchmarks.measure import Row
from benchmarks.options import existing_folder
from cssr.files import write_whole
from cssr.report.tables import markdown_lines
from stages.common import run_stage

NUMBERS = Path("docs/gpu")
PAGE = Path("docs/performance.md")
BEGIN = "<!-- made by benchmarks.gpu.tables -->"
END = "<!-- to here -->"
KINDS = {  # of kernels, by what their names hold; nvjet is cuBLAS on Hopper
    "matrix products": "nvjet",
    "convolutions": "xmma|cudnn|cutlass",
    "compiled: element by element, copies, sums": "triton",
}


class Numbers:
    """What was measured.

    Args:
        folder: of the parts' files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, part: str) -> Row:
        """The content of a part's file; without rows where it is missing."""
        file = self.folder / f"{part}.json"
        return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {"rows": []}

    def row(self, part: str, key: str, value: str) -> Row:
        """The row of a part in which a key has a value; empty where there is none."""
        return next((row for row in self.read(part)["rows"] if row[key] == value), {})

    def against_floors(self, row: Row) -> list[str]:
        """TFLOP/s, and the time as a multiple of the floors of computing and of moving."""
        precision = row["setting"].split(",")[0]
        counted = self.row(f"counts_{precision}", "variant", row["variant"])
        floor = self.row("device", "precision", precision)
        if not (counted and floor):
            return ["–", "–", "–"]
        compute = counted["TFLOP"] / floor["matmul_tflops"] * 1e3
        move = counted["GB moved"] / floor["copy_gb_per_s"] * 1e3
        speed = counted["TFLOP"] / row["ms"] * 1e3
        return [f"{speed:.0f}", f"{row['ms'] / compute:.1f}", f"{row['ms'] / move:.1f}"]

    def render(self) -> str:
        """All tables, in Markdown."""
        tables = {
            "device": self.device,
            "joint": self.joint,
            "variants": self.variants,
            "choices": self.choices,
            "tests": self.tests,
            "training": self.training,
        }
        lines = []
        for part, table in tables.items():
            content = self.read(part)
            missing = [f"The part `{part}` was not measured."]
            lines += ["", *(table(content) if content["rows"] else missing)]
        return "\n".join([*lines, ""])

    def device(self, content: Row) -> list[str]:
        """Device, versions and floors."""
        cudnn = content["cudnn"]
        told = (
            f"{content['device']}, {content['cores']} CPU cores, Python {content['python']}, "
            f"PyTorch {content['torch']}, CUDA {content['cuda']}, "
            f"cuDNN {cudnn // 10000}.{cudnn // 100 % 100}."
        )
        rows = [
            [row["precision"], f"{row['matmul_tflops']:.0f}", f"{row['copy_gb_per_s']:,.0f}"]
            for row in content["rows"]
        ]
        head = ["", "matrix product of 8,192², TFLOP/s", "copy of 1 GiB, GB/s"]
        return [told, "", *markdown_lines(head, rows)]

    def joint(self, content: Row) -> list[str]:
        """The joint step in each precision, its parts and the kernels of the compiled one."""
        head = ["(f), 448/112 px, batch 6", "ms", "SR forward", "SS forward", "backward", "TFLOP/s"]
        head += ["times the compute floor", "times the copy floor", "peak, GiB", "first, s"]
        rows = []
        for row in content["rows"]:
            if "error" in row:
                rows.append([row["setting"], row["error"], *[""] * (len(head) - 2)])
                continue
            parts = (f"{row[part]:.1f}" for part in ("ms", "SR forward", "SS forward", "backward"))
            rest = [f"{row['peak GiB']:.1f}", f"{row['first, ms'] / 1e3:.1f}"]
            rows.append([row["setting"], *parts, *self.against_floors(row), *rest])
        profiled = next((row for row in content["rows"] if "kernels" in row), None)
        return [*markdown_lines(head, rows), *(kernel_table(profiled) if profiled else [])]

    def variants(self, content: Row) -> list[str]:
        """Each variant in bfloat16, plain and compiled."""
        head = ["bfloat16", "ms", "TFLOP/s", "peak, GiB"]
        head += ["compiled, ms", "TFLOP/s", "peak, GiB", "first, s"]
        both = [*content["rows"], *self.read("joint")["rows"]]
        timed = {(row["setting"], row["variant"]): row for row in both if "ms" in row}
        rows = []
        for variant in dict.fromkeys(row["variant"] for row in both):
            cells = [f"`{variant}`"]
            for setting in ("bfloat16", "bfloat16, compiled"):
                row = timed.get((setting, variant))
                speed = row and self.against_floors(row)[0]
                cells += [f"{row['ms']:.1f}", speed, f"{row['peak GiB']:.1f}"] if row else [""] * 3
            rows.append([*cells, f"{row['first, ms'] / 1e3:.1f}" if row else ""])
        return markdown_lines(head, rows)

    def choices(self, content: Row) -> list[str]:
        """Each choice beside the plain step that it changes."""
        head = ["", "", "ms", "times the plain step", "peak, GiB"]
        rows = []
        plain = {}
        for row in content["rows"]:
            if "error" in row:
                rows.append([row["setting"], f"`{row['variant']}`", row["error"], "", ""])
                continue
            if row["setting"].startswith("bfloat16"):
                plain = row
            times = f"{row['ms'] / plain['ms']:.2f}" if plain else ""
            numbers = [f"{row['ms']:.1f}", times, f"{row['peak GiB']:.1f}"]
            rows.append([row["setting"], f"`{row['variant']}`", *numbers])
        return markdown_lines(head, rows)

    def tests(self, content: Row) -> list[str]:
        """How the tests on the GPU ended."""
        ended = [row["outcome"] for row in content["rows"]]
        counts = {outcome: ended.count(outcome) for outcome in ("passed", "failed", "skipped")}
        told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
        return [f"Tests on the GPU that ended within the time: {told}, of {content['collected']}."]

    def training(self, content: Row) -> list[str]:
        """Scores of what was trained at the paper's size."""
        train, val, test = (content[f"{split} images"] for split in ("train", "val", "test"))
        told = (
            f"Preset `{content['preset']}`, seed {content['seed']}: {content['iterations']} "
            f"iterations of {content['batch_size']} images, {content['precision']}, compiled; "
            f"{train} training, {val} validation and {test} test images."
        )
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


def kernel_table(row: Row) -> list[str]:
    """Time in the kernels of a compiled step that take longest, by kind."""
    head = [f"in the {len(row['kernels'])} kernels that take longest", "ms", "calls"]
    rows = []
    for kind, pattern in KINDS.items():
        chosen = [kernel for kernel in row["kernels"] if re.search(pattern, kernel["kernel"])]
        took, calls = (sum(kernel[key] for kernel in chosen) for key in ("ms", "calls"))
        rows.append([kind, f"{took:.1f}", f"{calls:.0f}"])
    if "kernels, ms" in row:
        rows.append(["all kernels", f"{row['kernels, ms']:.1f}", ""])
    return ["", *markdown_lines(head, rows)]


def put(page: str, tables: str) -> str:
    """A page with the tables between its marks."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{tables}\n{END}{rest.split(END)[1]}"


def keep(folder: Path) -> list[str]:
    """Copy the parts that a folder holds to docs/gpu/; their names.

    Raises:
        ValueError: if it holds none, or one that was not measured on a GPU with a real preset.
    """
    parts = [part for part in PARTS if (folder / f"{part}.json").is_file()]
    if not parts or folder.resolve() == NUMBERS.resolve():
        raise ValueError(f"{folder} holds no new numbers of {', '.join(PARTS)}")
    for part in parts:
        content = Numbers(folder).read(part)
        if content["device"] == "cpu" or content.get("preset") == "smoke":
            raise ValueError(f"{folder}/{part}.json was not measured on a GPU, but rehearsed")
    for part in parts:
        shutil.copy(folder / f"{part}.json", NUMBERS)
    return parts


def main() -> None:
    """Keep a run's numbers, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.tables", description=__doc__)
    parser.add_argument("folder", type=existing_folder, nargs="?", help="of a run")
    folder = parser.parse_args().folder
    parts = keep(folder) if folder else []
    page = put(PAGE.read_text(encoding="utf-8"), Numbers(NUMBERS).render())
    write_whole(PAGE, page.encode())
    print(f"{PAGE}: tables made; new: {', '.join(parts) or 'none'}. Read the text around them.")


if __name__ == "__main__":
    run_stage(main)
