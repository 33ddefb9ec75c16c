"""Gather what `benchmarks.run_cells` made in cells/PRESET/ as a few small files.

They go to docs/results/PRESET/: cells.csv has the metrics of each cell, aiu.csv, iou.csv (at the
threshold that validation prefers) and psnr.csv those of each test image, curves.csv the IoU at each
threshold; beside them the parameters, what they were computed with, and the first seed's reports,
without those that show photos.
"""

import argparse
import json
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from benchmarks.workplaces import BEGUN
from cssr.files import new_folder
from cssr.report.results import Result, read_result
from stages.common import run_stage

RESULTS = Path("docs/results")
# figures with photos are left out, since their terms do not allow to show them
REPORTS = ("table1.md", "table_measure.md", *(f"fig{k}.png" for k in (3, 4, 5, 6)))
FIRST = "seed-0"
METRICS = ("aiu", "iou", "psnr")  # of each test image
# of which photo a name's image is a crop; CRACK500's photos of a minute show the same pavement
PHOTO = re.compile(
    r"(noncrack_)?CFD_\d+|CRACK500_\d+_\d{4}|DeepCrack_(IMG_?)?\d+|Rissbilder_for_Florian_[^_]+"
    r"|Volker_[^_]+|noncrack_concrete_wall_\d+|.+"
)


class Run(NamedTuple):
    """A cell with where it was run.

    Attributes:
        place: the workplace's name, a seed's or a variation's, such as `seed-0` or `phi_pixels-0`.
        name: the cell's, such as `cssr` or `sweep/bc2-0.1`.
        result: its results.
        hours: that its training and its evaluation took.
    """

    place: str
    name: str
    result: Result
    hours: float

    @property
    def title(self) -> str:
        """What its column is called."""
        return f"{self.place}/{self.name}"


def read_runs(folder: Path) -> Iterator[Run]:
    """All cells that are done in a preset's workplaces, those of the seeds first."""
    places = sorted(file.parent for file in folder.glob("*/seconds.csv"))
    for place in sorted(places, key=lambda place: not place.name.startswith("seed-")):
        seconds = read_seconds(place / "seconds.csv").groupby("makes")["seconds"].sum()
        for file in sorted(place.glob("results/**/metrics.json")):
            name = file.parent.relative_to(place / "results").as_posix()
            took = seconds.get(f"runs/{name}", 0.0) + seconds.get(f"results/{name}", 0.0)
            yield Run(place.name, name, read_result(file.parent), took / 3600)


def read_seconds(file: Path) -> pd.DataFrame:
    """What the jobs of a workplace made, and the seconds and threads that each attempt took."""
    return pd.read_csv(file, names=["job", "makes", "seconds", "threads"])


def cells_table(runs: list[Run]) -> pd.DataFrame:
    """A row for each cell: where, what, its metrics on test and validation images, hours."""
    return pd.DataFrame(
        {
            "place": run.place,
            "cell": run.name,
            "seed": run.result.run["seed"],
            "loss": run.result.run["loss"],
            "beta": run.result.run["beta"],
            **{f"test_{name}": value for name, value in run.result.test.items()},
            **{f"val_{name}": value for name, value in run.result.val.items()},
            "hours": run.hours,
        }
        for run in runs
    )


def images_table(runs: list[Run], metric: str) -> pd.DataFrame:
    """A row for each test image with its photo, a column for each cell that has the metric."""
    tables = {run.title: pd.read_csv(run.result.folder / "per_image.csv") for run in runs}
    first = next(iter(tables.values()))
    columns = {title: table[metric] for title, table in tables.items() if metric in table}
    photos = [PHOTO.match(name)[0] for name in first["name"]]
    return pd.DataFrame(
        {"name": first["name"], "photo": photos, "crack": first["crack"], **columns}
    )


def curves_table(runs: list[Run]) -> pd.DataFrame:
    """A row for each threshold, a column for each cell: mean IoU over the test images."""
    thresholds = runs[0].result.curve["threshold"]
    return pd.DataFrame(
        {"threshold": thresholds, **{run.title: run.result.curve["iou"] for run in runs}}
    )


def environment(folder: Path, runs: list[Run]) -> dict[str, object]:
    """Code, data, devices, versions and hours of all jobs."""
    begun = [json.loads(file.read_text()) for file in sorted(folder.glob(f"*/{BEGUN}"))]
    sources = [json.loads(file.read_text()) for file in folder.glob(f"{FIRST}/data/sources/*.json")]
    described = [run.result.run for run in runs]
    seconds = pd.concat([read_seconds(file) for file in folder.glob("*/seconds.csv")])
    return {
        **{key: distinct(entry[key] for entry in begun) for key in begun[0]},
        "device": distinct(run["device"] for run in described),
        "threads_per_job": distinct(seconds["threads"].tolist()),
        "versions": distinct(run["versions"] for run in described),
        "images": distinct(run["images"] for run in described),
        "data": sources,
        "hours_of_all_jobs": round(seconds["seconds"].sum() / 3600, 2),
    }


def distinct(values: Iterable[Any]) -> list[Any]:
    """Different values, in the order of their first occurrence."""
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found


def main() -> None:
    """Write docs/results/PRESET/."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.collect_cells", description=__doc__)
    parser.add_argument("--preset", default="real_small")
    preset = parser.parse_args().preset
    folder = Path("cells", preset)
    if not folder.is_dir():
        raise ValueError(f"{folder} is not there; `python -m benchmarks.run_cells` makes it")
    runs = list(read_runs(folder))
    with new_folder(RESULTS / preset) as out:
        cells_table(runs).round(4).to_csv(out / "cells.csv", index=False)
        for metric in METRICS:
            images_table(runs, metric).round(4).to_csv(out / f"{metric}.csv", index=False)
        curves_table(runs).round(4).to_csv(out / "curves.csv", index=False)
        shutil.copy(folder / FIRST / "params.yaml", out)
        text = json.dumps(environment(folder, runs), indent=2)
        (out / "environment.json").write_text(text + "\n", encoding="utf-8")
        for name in REPORTS:
            shutil.copy(folder / FIRST / "reports" / name, out)


if __name__ == "__main__":
    run_stage(main)
