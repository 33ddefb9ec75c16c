"""Queue the variations of docs/results: one change each, on all seeds, as experiments of DVC.

`dvc exp run --run-all --jobs 2` runs them, `python -m stages.variations` compares them.
"""

import subprocess
from itertools import product

from cssr.params import Params
from stages.common import load_params, run_stage


def variations(params: Params) -> dict[str, tuple[dict[str, object], list[str]]]:
    """The changed parameters of each variation, and the models or sweep's trainings to evaluate."""
    growth = params.objective.alpha_per_epoch
    falling = {"objective.alpha_start": 0.66, "objective.alpha_per_epoch": -growth}  # as it ends
    cssr, beta = ["evaluate@{}-cssr"], max(params.sweep.betas)
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
    """Queue them."""
    params = load_params()
    for name, (changes, stages) in variations(params).items():
        command = ["dvc", "exp", "run", "--queue", "--name", name]
        command += [word for key, value in changes.items() for word in ("-S", f"{key}={value}")]
        command += [stage.format(seed) for seed, stage in product(params.seeds, stages)]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    run_stage(main)
