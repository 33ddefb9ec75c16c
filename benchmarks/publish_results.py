"""Copy what a preset's run found to docs/results/PRESET/: reports without photos, and numbers.

trainings.csv has the metrics of each training, aiu.csv, iou.csv (at the threshold that validation
prefers) and psnr.csv those of each test image.
"""

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.measure import processor
from cssr.files import new_folder
from cssr.preparation.photo_names import photo_of
from cssr.report.results import Results, SeedResult
from stages.common import PARAMS_FILE, REPORTS, SOURCES, load_params, run_stage
from stages.report import results_of

PUBLISHED = Path("docs/results")
# Figs. 1 and 7 and the page hold photos, whose terms do not allow to show them
COPIED = ("table1.md", "table_measure.md", "claims.md", "claims.png", "variations.md")
COPIED += tuple(f"fig{number}.png" for number in (3, 4, 5, 6))
METRICS = {"aiu": "aiu", "iou": "iou_at_val_threshold", "psnr": "psnr"}  # files: columns


def trainings_of(results: Results) -> dict[str, SeedResult]:
    """Each training by its name, such as `seed-0/cssr` or `seed-0/sweep/bc2-0.1`."""
    return {"/".join(result.folder.parts[1:]): result for result in results.all}


def trainings_table(trainings: Mapping[str, SeedResult]) -> pd.DataFrame:
    """A row for each training: its name, loss, β and hours, its metrics on test and validation."""
    return pd.DataFrame(
        {
            "training": name,
            "loss": result.run["loss"],
            "beta": result.run["beta"],
            **{f"test_{metric}": value for metric, value in result.test.items()},
            **{f"val_{metric}": value for metric, value in result.val.items()},
            "hours": hours(Path("runs", name)),
        }
        for name, result in trainings.items()
    )


def images_table(trainings: Mapping[str, SeedResult], column: str) -> pd.DataFrame:
    """A row for each test image with its photo, a column for each training that has the metric."""
    first = next(iter(trainings.values())).images
    photos = [photo_of(name) for name in first["name"]]
    columns = {
        name: result.images[column] for name, result in trainings.items() if column in result.images
    }
    return pd.DataFrame({"name": first["name"], "photo": photos, "crack": first["crack"]} | columns)


def environment(results: Results) -> dict[str, Any]:
    """Code, data, devices and versions."""
    git = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    runs = [result.run for result in results.all]
    return {
        "commit": commit,
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": distinct(run["device"] for run in runs),
        "versions": distinct(run["versions"] for run in runs),
        "images": distinct(run["images"] for run in runs),
        "data": [json.loads(file.read_text()) for file in sorted(SOURCES.glob("*.json"))],
    }


def hours(run: Path) -> float:
    """What a training took without its validations, by the speeds in its log."""
    rows = pd.read_csv(run / "log.csv")
    batch = json.loads((run / "model.json").read_text(encoding="utf-8"))["batch_size"]
    images = rows["iteration"].diff().fillna(rows["iteration"]) * batch
    return (images / rows["images_per_second"]).sum() / 3600


def distinct(values: Iterable[Any]) -> list[Any]:
    """Different values, in the order of their first occurrence."""
    return [json.loads(text) for text in dict.fromkeys(map(json.dumps, values))]


def main() -> None:
    """Write docs/results/PRESET/."""
    params = load_params()
    results = results_of(params)
    trainings = trainings_of(results)
    with new_folder(PUBLISHED / params.preset) as out:
        trainings_table(trainings).round(4).to_csv(out / "trainings.csv", index=False)
        for name, column in METRICS.items():
            images_table(trainings, column).round(4).to_csv(out / f"{name}.csv", index=False)
        text = json.dumps(environment(results), indent=2)
        (out / "environment.json").write_text(f"{text}\n", encoding="utf-8")
        for file in (PARAMS_FILE, *(REPORTS / name for name in COPIED)):
            shutil.copy(file, out)


if __name__ == "__main__":
    run_stage(main)
