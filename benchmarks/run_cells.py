"""Run a preset's pipeline on several seeds without DVC, going on with what is done already.

Each seed has a folder under cells/PRESET/, with a copy of the code, and runs all of dvc.yaml there;
then each variation trains some models on each seed. `--pack` gathers results and weights to take
them to another machine, where they are unpacked into cells/PRESET/ and gone on with.
"""

import argparse
import csv
import io
import os
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, CancelledError, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter
from itertools import product
from pathlib import Path

from safetensors.torch import load_file, save

from benchmarks.workplaces import BEGUN, CODE, ROOT, Key, Workplace, variations_of
from cssr.files import write_whole
from cssr.models.saved import WEIGHTS
from stages.common import preset_names, run_stage
from stages.preset import read_preset

# of each workplace: enough to collect from, and to go on with
PACKED = ("*.yaml", "*.csv", BEGUN, "data/sources/*", *(f"{name}/**/*" for name in CODE))
PACKED += ("results/**/*.json", "results/**/*.csv", "reports/*")
EXAMPLES = "results/*/examples/*.png"  # only needed for reports that are not there yet


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
        self.ended = False
        self.lock = threading.Lock()

    def run(self, *plans: Mapping[Key, list[Key]]) -> None:
        """Run the jobs of plans, each after those that it needs.

        Raises:
            ValueError: if a job fails; the others are ended then, and save their state.
        """
        plan = {key: after for plan in plans for key, after in plan.items()}
        sorter, left, waiting = TopologicalSorter(plan), len(plan), {}
        sorter.prepare()
        with ThreadPoolExecutor(self.at_once) as pool:
            try:
                while sorter.is_active():
                    for key in sorter.get_ready():
                        waiting[pool.submit(self.execute, *key)] = key
                    for future in wait(waiting, return_when=FIRST_COMPLETED).done:
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
                if self.ended:
                    raise CancelledError
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
        """Ask the jobs that run to end, and begin no more."""
        with self.lock:
            self.ended = True
            for process in self.running:
                process.terminate()


def pack(folder: Path, out: Path, places: Iterable[Path], models: Iterable[str]) -> None:
    """Write all results of a preset as one zip, and weights of models in half precision.

    Args:
        folder: cells/PRESET.
        out: gets results.zip, and PLACE-MODEL.safetensors for each model that is trained.
        places: workplaces whose models are packed.
        models: their names.
    """
    out.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for place in sorted(folder.iterdir()):
            wanted = PACKED if (place / "reports").is_dir() else (*PACKED, EXAMPLES)
            files = {file for pattern in wanted for file in place.glob(pattern)}
            for file in sorted(files):
                if file.is_file() and file.resolve() == file:  # what is linked is another's
                    packed.write(file, file.relative_to(folder))
    write_whole(out / "results.zip", buffer.getvalue())
    for place, model in product(places, models):
        weights = place / "runs" / model / WEIGHTS
        if weights.is_file():
            halves = {name: value.half() for name, value in load_file(weights).items()}
            write_whole(out / f"{place.name}-{model}.safetensors", save(halves))


def main() -> None:
    """Run, and pack."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run_cells", description=__doc__)
    parser.add_argument("--preset", default="real_small", choices=preset_names())
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variations", nargs="*", help="all by default")
    parser.add_argument("--at-once", type=int, default=1, help="jobs at a time; cores are shared")
    parser.add_argument("--pack", type=Path, help="folder to write in the end, also if cut short")
    parser.add_argument("--weights", nargs="*", default=["cssr"], help="models, for --pack")
    args = parser.parse_args()
    params = read_preset(args.preset).model_dump()
    folder = Path("cells", args.preset).resolve()
    known = variations_of(params)
    variations = list(known) if args.variations is None else args.variations
    for name in variations:
        if name not in known:
            raise ValueError(f"--variations: {name} is not one of {', '.join(known)}")
    seeds = {seed: Workplace(folder / f"seed-{seed}", params, seed) for seed in args.seeds}
    varied = {
        (name, seed): Workplace(folder / f"{name}-{seed}", params, seed, known[name], base)
        for name in variations
        for seed, base in seeds.items()
    }
    runner = Runner([*seeds.values(), *varied.values()], args.at_once)
    try:
        for place in seeds.values():  # one is whole before the next, should it be cut short
            runner.run(place.plan(place.last()))
        plans = [
            place.plan(place.evaluations(known[name].cells)) for (name, _), place in varied.items()
        ]
        runner.run(*plans)
    finally:
        if args.pack:
            pack(folder, args.pack, [place.folder for place in seeds.values()], args.weights)


if __name__ == "__main__":
    run_stage(main)
