"""Run the variations of docs/results: one change each, on all seeds, as experiments of DVC.

Those that are there are made anew, since code or parameters may have changed; what they have
computed is in DVC's run-cache. In the end `python -m stages.variations` compares them with the
workspace.
"""

import subprocess
import sys
from itertools import product

from dvc.repo import Repo

from cssr.params import Params
from stages.common import load_params, run_stage


def variations(params: Params) -> dict[str, tuple[dict[str, object], list[str]]]:
    """The changed parameters of each variation, and the models or sweep's trainings to evaluate."""
    growth = params.objective.alpha_per_epoch
    falling = {"objective.alpha_start": 0.66, "objective.alpha_per_epoch": -growth}  # as it ends
    cssr = ["evaluate@{}-cssr"]
    beta = max(params.sweep.betas)
    printed = {"sweep.losses": "[boundary_gdice_printed]", "sweep.betas": f"[{beta}]"}
    models = ("bicubic_ss", "sr_ss", "cssr")
    return {
        "sr_random": ({"model.sr_init": "random"}, cssr),
        "alpha_flat": ({"objective.alpha_per_epoch": 0.0}, cssr),
        "alpha_falling": (falling, cssr),
        "phi_pixels": ({"objective.phi": "pixels"}, cssr),
        "lr_bilinear": ({"data.downscale": "bilinear"}, [f"evaluate@{{}}-{m}" for m in models]),
        "printed_b": (printed, [f"evaluate_sweep@{{}}-boundary_gdice_printed-{beta}"]),
    }


def main() -> None:
    """Run and compare them; what fails ends it."""
    params = load_params()
    with Repo() as repo:
        there = {name for found in repo.experiments.ls().values() for name, _ in found}
    wanted = variations(params)
    for name, (changes, stages) in wanted.items():
        if name in there:
            subprocess.run(["dvc", "exp", "remove", name], check=True)
        command = ["dvc", "exp", "run", "--temp", "--name", name]
        command += [word for key, value in changes.items() for word in ("-S", f"{key}={value}")]
        command += [stage.format(seed) for seed, stage in product(params.seeds, stages)]
        if code := subprocess.run(command, check=False).returncode:
            sys.exit(code)
    sys.exit(subprocess.run([sys.executable, "-m", "stages.variations", *wanted]).returncode)


if __name__ == "__main__":
    run_stage(main)
