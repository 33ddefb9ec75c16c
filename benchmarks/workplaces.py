"""Folders in which a pipeline runs with a copy of the code, changed for a variation or not."""

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from benchmarks.dvc_jobs import jobs_of, order_of, to_do
from benchmarks.measure import processor
from cssr.files import new_folder

ROOT = Path(__file__).parents[1]
CODE = ("cssr", "stages", "presets")
SHARED = ("data", "runs/sr")  # of a seed, with its variations
BEGUN = "begun.json"  # with what code and on what machine a workplace was begun


class Variation(NamedTuple):
    """What is changed, to explain where results differ from the paper's.

    Attributes:
        title: in words.
        params: dotted parameters, and their values.
        edit: of the code: the file, a text in it and what replaces it.
        cells: that are trained so, models or cells of the sweep.
        shares: whether data and SR network are those of the seed without it.
    """

    title: str
    params: Mapping[str, Any]
    edit: tuple[str, str, str] | None = None
    cells: tuple[str, ...] = ("cssr",)
    shares: bool = True


UNVARIED = Variation("as the preset says", {})

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
    three = ("bicubic_ss", "sr_ss", "cssr")
    printed = (
        "cssr/training/losses.py",
        "return alpha * boundary_loss(probs, phi) + (1 - alpha) * gdice_loss(probs, mask)",
        "return (1 - alpha) * boundary_loss(probs, phi) + alpha * gdice_loss(probs, mask)",
    )
    boundary_gdice = (f"sweep/boundary_gdice-{max(params['sweep']['betas'])}",)
    return {
        "sr_random": Variation("SR from random weights", {"model.sr_init": "random"}),
        "alpha_flat": Variation("α stays", {"objective.alpha_per_epoch": 0.0}),
        "alpha_falling": Variation("α falls from 0.66", falling),
        "phi_pixels": Variation("φ in pixels", {"objective.phi": "pixels"}),
        "lr_bilinear": Variation("LR by bilinear reduction", {}, bilinear, three, shares=False),
        "printed_b": Variation("(B) as printed", {}, printed, boundary_gdice),
    }


class Workplace:
    """A folder with a copy of the code, in which a pipeline runs.

    Args:
        folder: made if it is not there; else its code stays as it is.
        params: those of the preset.
        seed: of everything random.
        variation: of the parameters and of the code.
        base: the same seed without the variation, whose data and SR network may serve.

    Raises:
        ValueError: if the folder was begun with other parameters.
    """

    def __init__(
        self,
        folder: Path,
        params: Mapping[str, Any],
        seed: int,
        variation: Variation = UNVARIED,
        base: "Workplace | None" = None,
    ) -> None:
        self.folder = folder
        self.params = changed(params, {"seed": seed, **variation.params})
        self.base = base if variation.shares else None
        if not folder.exists():
            with new_folder(folder) as new:
                begin(new, self.params, variation)
        if yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8")) != self.params:
            raise ValueError(f"{folder} was begun with other parameters; rename or remove it")
        if self.base:
            link_shared(folder, self.base.folder)
        (folder / "data/sources").mkdir(parents=True, exist_ok=True)
        pipeline = yaml.safe_load((folder / "dvc.yaml").read_text(encoding="utf-8"))
        self.jobs = jobs_of(pipeline, self.params)
        self.order = order_of(self.jobs)

    def plan(self, wanted: Iterable[str]) -> dict[Key, list[Key]]:
        """Of some jobs what is not done, with what it needs; each with those that it comes after.

        Jobs that make what is shared are those of the base.
        """
        names = to_do(wanted, self.order, self.done)
        return {
            self._key(name): [self._key(other) for other in self.order[name] & names]
            for name in self.jobs
            if name in names
        }

    def evaluations(self, cells: Iterable[str]) -> list[str]:
        """The jobs that evaluate cells, such as `cssr` or `sweep/bc2-0.1`."""
        wanted = {f"results/{cell}" for cell in cells}
        return [name for name, job in self.jobs.items() if wanted.intersection(job.makes)]

    def last(self) -> list[str]:
        """The jobs whose results are what a pipeline is run for: evaluations and reports."""
        return [
            name
            for name, job in self.jobs.items()
            if Path(job.makes[0]).parts[0] in ("results", "reports")
        ]

    def done(self, name: str) -> bool:
        """Whether all that a job makes is there."""
        return all((self.folder / made).exists() for made in self.jobs[name].makes)

    def _key(self, name: str) -> Key:
        shared = all(
            any(Path(made).is_relative_to(place) for place in SHARED)
            for made in self.jobs[name].makes
        )
        return (self.base.folder if shared and self.base else self.folder), name


def begin(folder: Path, params: Mapping[str, Any], variation: Variation) -> None:
    """Fill a new workplace: a copy of what a pipeline runs, which edits do not touch any more."""
    shutil.copy(ROOT / "dvc.yaml", folder)
    for name in CODE:
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    if variation.edit:
        edit(folder, *variation.edit)
    text = yaml.safe_dump(params, sort_keys=False)
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    commit = shutil.which("git") and subprocess.run(git, capture_output=True, text=True).stdout
    begun = {
        "commit": (commit or "unknown").strip(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    (folder / BEGUN).write_text(json.dumps(begun, indent=2) + "\n", encoding="utf-8")


def edit(folder: Path, name: str, old: str, new: str) -> None:
    """Replace a text in a file of the code.

    Raises:
        ValueError: if it is not there just once.
    """
    text = (folder / name).read_text(encoding="utf-8")
    if text.count(old) != 1:
        raise ValueError(f"{name} does not hold {old!r} just once")
    (folder / name).write_text(text.replace(old, new), encoding="utf-8")


def link_shared(folder: Path, base: Path) -> None:
    """Let a workplace have the data and the SR network of another."""
    for name in SHARED:
        link = folder / name
        if not link.is_symlink():
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(os.path.relpath(base / name, link.parent))


def changed(params: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested parameters with other values of some dotted ones."""
    result = dict(params)
    for dotted, value in changes.items():
        head, _, rest = dotted.partition(".")
        result[head] = changed(result[head], {rest: value}) if rest else value
    return result
