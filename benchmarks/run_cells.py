"""Run a preset's pipeline on several seeds without DVC, going on with what is done already.

Each seed has a folder under cells/PRESET/, with a copy of the code. The first seed runs all of
dvc.yaml; the others the seven models, and each loss at the β that the first seed's validation
prefers; then each variation trains (f) on each seed.
"""

import argparse
import csv
import os
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from safetensors.torch import load_file, save

from benchmarks.dvc_jobs import jobs_of, order_of, with_earlier
from cssr.checkpoint import DESCRIPTION, WEIGHTS
from cssr.files import new_folder
from cssr.report.results import MODELS, best_betas, read_cell
from stages.common import load_params, run_stage

ROOT = Path(__file__).parents[1]
CODE = ("cssr", "stages", "presets")
SHARED = ("data", "runs/sr")  # of a seed, with its variations
PACKED = ("params.yaml", "seconds.csv", "results/**/*.json", "results/**/*.csv", "reports/*")


class Variation(NamedTuple):
    """What (f) is trained with beside the preset, to explain where it differs from the paper.

    Attributes:
        params: dotted parameters, and their values.
        edit: of the code: the file, a text in it and what replaces it.
    """

    params: Mapping[str, Any]
    edit: tuple[str, str, str] | None = None


UNVARIED = Variation({})

Key = tuple[Path, str]  # a workplace's folder, and DVC's name of a job in it


def variations_of(params: Mapping[str, Any]) -> dict[str, Variation]:
    """The variations of a preset, by name."""
    falling = {
        "objective.alpha_start": 0.66,  # where the paper's α ends
        "objective.alpha_per_epoch": -params["objective"]["alpha_per_epoch"],
    }
    bilinear = (
        "cssr/data/degrade.py",
        "return bicubic(image, (height // scale, width // scale))",
        'return F.interpolate(image, scale_factor=1 / scale, mode="bilinear", antialias=True)',
    )
    return {
        "sr_random": Variation({"model.sr.init": "random"}),
        "alpha_flat": Variation({"objective.alpha_per_epoch": 0.0}),
        "alpha_falling": Variation(falling),
        "phi_pixels": Variation({"objective.phi": "pixels"}),
        "lr_bilinear": Variation({}, bilinear),
    }


class Workplace:
    """A folder with a copy of the code, in which a pipeline runs.

    Args:
        folder: made if it is not there; else its code and parameters stay as they are.
        params: those of the preset.
        seed: of everything random.
        variation: of the parameters and of the code.
        base: the same seed without the variation, whose data and SR network serve where the code
            is the same.
    """

    def __init__(
        self,
        folder: Path,
        params: Mapping[str, Any],
        seed: int,
        variation: Variation = UNVARIED,
        base: Path | None = None,
    ) -> None:
        self.folder = folder
        if not folder.exists():
            with new_folder(folder) as new:
                copy_code(new)
                if variation.edit:
                    edit(new, *variation.edit)
                if base and not variation.edit:
                    share(new, folder, base)
                else:
                    (new / "data/sources").mkdir(parents=True)
                values = changed(params, {"seed": seed, **variation.params})
                text = yaml.safe_dump(values, sort_keys=False)
                (new / "params.yaml").write_text(text, encoding="utf-8")
        self.params = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
        stages = yaml.safe_load((folder / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
        self.jobs = jobs_of(stages, self.params)
        self.order = order_of(self.jobs)

    def plan(self, wanted: Iterable[str]) -> dict[Key, list[Key]]:
        """Jobs with all that come before them, each with those that it comes after."""
        names = with_earlier(wanted, self.order)
        return {
            (self.folder, name): [(self.folder, b) for b in self.jobs if b in self.order[name]]
            for name in self.jobs
            if name in names
        }

    def done(self, name: str) -> bool:
        """Whether all that a job makes is there."""
        return all((self.folder / made).exists() for made in self.jobs[name].makes)

    def preferred(self) -> list[str]:
        """The evaluations of each loss at the β that validation prefers."""
        sweep = self.params["sweep"]
        cells = {
            (loss, beta): read_cell(self.folder / "results/sweep" / f"{loss}-{beta}")
            for loss, beta in product(sweep["losses"], sweep["betas"])
        }
        return [f"evaluate_sweep@{loss}-{beta}" for loss, beta in best_betas(cells).items()]


def copy_code(folder: Path) -> None:
    """Copy what a pipeline runs, so that edits do not touch it any more."""
    shutil.copy(ROOT / "dvc.yaml", folder)
    for name in CODE:
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)


def edit(folder: Path, name: str, old: str, new: str) -> None:
    """Replace a text in a file of the code.

    Raises:
        ValueError: if it is not there just once.
    """
    text = (folder / name).read_text(encoding="utf-8")
    if text.count(old) != 1:
        raise ValueError(f"{name} does not hold {old!r} just once")
    (folder / name).write_text(text.replace(old, new), encoding="utf-8")


def share(new: Path, folder: Path, other: Path) -> None:
    """Let a new workplace, which will be `folder`, have the data and the SR network of another."""
    for name in SHARED:
        (new / name).parent.mkdir(exist_ok=True)
        (new / name).symlink_to(os.path.relpath(other / name, (folder / name).parent))


def changed(params: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested parameters with other values of some dotted ones."""
    result = dict(params)
    for dotted, value in changes.items():
        head, _, rest = dotted.partition(".")
        result[head] = changed(result[head], {rest: value}) if rest else value
    return result


class Runner:
    """Runs jobs as processes.

    Args:
        workplaces: where they run.
        at_once: how many at a time.
    """

    def __init__(self, workplaces: Iterable[Workplace], at_once: int) -> None:
        self.workplaces = {place.folder: place for place in workplaces}
        self.at_once = at_once
        self.threads = max(1, (os.cpu_count() or 1) // at_once)
        self.running: set[subprocess.Popen] = set()
        self.lock = threading.Lock()

    def run(self, *plans: Mapping[Key, list[Key]]) -> None:
        """Run the jobs of plans that are not done, each after those that it needs.

        Raises:
            ValueError: if a job fails; the others are ended then, and save their state.
        """
        plan = {key: after for plan in plans for key, after in plan.items()}
        left = sum(not self.workplaces[folder].done(name) for folder, name in plan)
        sorter, waiting = TopologicalSorter(plan), {}
        sorter.prepare()
        with ThreadPoolExecutor(self.at_once) as pool:
            try:
                while sorter.is_active():
                    for folder, name in sorter.get_ready():
                        if self.workplaces[folder].done(name):
                            sorter.done((folder, name))
                        else:
                            waiting[pool.submit(self.execute, folder, name)] = folder, name
                    for future in _first_done(waiting):
                        key, seconds, left = waiting.pop(future), future.result(), left - 1
                        print(f"{seconds:7.1f} s  {key[0].name}  {key[1]}, {left} left", flush=True)
                        sorter.done(key)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self.end()
                raise

    def execute(self, folder: Path, name: str) -> float:
        """Run one job; the seconds that it took, which are also added to seconds.csv."""
        log = folder / "logs" / f"{name}.txt"
        log.parent.mkdir(exist_ok=True)
        command = [sys.executable, *self.workplaces[folder].jobs[name].command[1:]]
        # relative paths of data are taken from DVC_ROOT
        known = {"DVC_ROOT": str(ROOT), "OMP_NUM_THREADS": str(self.threads)}
        started = time.perf_counter()
        with log.open("w") as out:
            with self.lock:
                process = subprocess.Popen(
                    command, cwd=folder, env=os.environ | known, stdout=out, stderr=out
                )
                self.running.add(process)
            code = process.wait()
        seconds = time.perf_counter() - started
        with self.lock:
            self.running.remove(process)
            with (folder / "seconds.csv").open("a", newline="") as file:
                made = " ".join(self.workplaces[folder].jobs[name].makes)
                csv.writer(file).writerow([name, made, f"{seconds:.1f}", self.threads])
        if code:
            last = log.read_text().strip().split("\n")[-1]
            raise ValueError(f"{name} ended with {code}: {last} (see {log})")
        return seconds

    def end(self) -> None:
        """Ask the jobs that run to end."""
        with self.lock:
            for process in self.running:
                process.terminate()


def _first_done(waiting: Mapping[Future, Key]) -> set[Future]:
    return wait(waiting, return_when=FIRST_COMPLETED).done if waiting else set()


def pack(file: Path, folder: Path, models: Iterable[str]) -> None:
    """Write all results of a preset, and some models with weights in half precision, as one zip."""
    parts = {path: path.read_bytes() for wanted in PACKED for path in folder.glob(f"*/{wanted}")}
    for model in models:
        for weights in folder.glob(f"*/runs/{model}/{WEIGHTS}"):
            halves = {name: value.half() for name, value in load_file(weights).items()}
            parts[weights] = save(halves)
            parts[weights.parent / DESCRIPTION] = (weights.parent / DESCRIPTION).read_bytes()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
        for path in sorted(parts):
            out.writestr(str(path.relative_to(folder)), parts[path])


def main() -> None:
    """Run, and pack."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run_cells", description=__doc__)
    parser.add_argument("--preset", default="real_small")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variations", nargs="*", help="of (f); all by default")
    parser.add_argument("--at-once", type=int, default=1, help="jobs at a time; cores are shared")
    parser.add_argument("--pack", type=Path, help="zip to write in the end, for another machine")
    parser.add_argument("--weights", nargs="*", default=["cssr"], help="models, for --pack")
    args = parser.parse_args()
    params = load_params(ROOT / "presets" / f"{args.preset}.yaml").model_dump()
    folder = Path("cells", args.preset).resolve()
    first, *others = seeds = [
        Workplace(folder / f"seed-{seed}", params, seed) for seed in args.seeds
    ]
    known = variations_of(params)
    for name in args.variations or ():
        if name not in known:
            raise ValueError(f"--variations: {name} is not one of {', '.join(known)}")
    varied = [
        Workplace(folder / f"{name}-{seed}", params, seed, known[name], place.folder)
        for name in (known if args.variations is None else args.variations)
        for seed, place in zip(args.seeds, seeds, strict=True)
    ]
    runner = Runner([*seeds, *varied], args.at_once)
    runner.run(first.plan(first.jobs))
    wanted = [*(f"evaluate@{model}" for model in MODELS), *first.preferred()]
    runner.run(*(place.plan(wanted) for place in others))
    runner.run(*(place.plan(["evaluate@cssr"]) for place in varied))
    if args.pack:
        pack(args.pack, folder, args.weights)


if __name__ == "__main__":
    run_stage(main)
