"""Score one trained model on the validation and test images, to results/."""

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cssr.data.arrays import load_arrays
from cssr.device import choose_device, keep_freed_memory
from cssr.evaluation.observed import Observed
from cssr.evaluation.reported import REPORTED
from cssr.evaluation.score_tables import iou_at, write_curve, write_per_image
from cssr.files import new_folder
from cssr.models.saved import check_segments, load_model
from cssr.validation.predictor import Predictor
from cssr.validation.scores import crack_pixels, evaluate, summarise
from stages.common import ARRAYS, forget_finished, read_params, refuse_to_replace, run_stage

METRICS = "metrics.json"
PARAMS = {
    "model": ("split.seed", "device", "evaluate"),
    "sweep": ("device", "evaluate.batch_size"),
}


def parse_args() -> argparse.Namespace:
    """The command line: the model's folder and the results' folder."""
    parser = argparse.ArgumentParser(prog="python -m stages.evaluate", description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a trained model")
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument(
        "--examples", action="store_true", help="measure the cracks, keep images for the figures"
    )
    return parser.parse_args()


def write_json(file: Path, content: dict[str, Any]) -> None:
    """Write a JSON file."""
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Evaluate and write."""
    args = parse_args()
    refuse_to_replace(args.out, METRICS)
    params = read_params(*PARAMS["model" if args.examples else "sweep"])
    device = choose_device(params.device)
    keep_freed_memory()
    pipeline, description = load_model(args.run)
    check_segments(args.run, description)
    forget_finished(args.run)
    predictor = Predictor(pipeline, device=device, batch_size=params.evaluate.batch_size)
    val, test = (load_arrays(ARRAYS / split) for split in ("val", "test"))
    score = partial(evaluate, predictor, **REPORTED)
    val_scores = score(val)
    val_summary = summarise(val_scores, val.mask)
    threshold = val_summary["threshold"]
    if args.examples:
        examples = params.evaluate.examples
        observed = Observed(test, threshold=threshold, seed=params.split.seed, examples=examples)
        scores = score(test, observe=observed.add)
    else:
        scores = score(test)
    summary = summarise(scores, test.mask)
    summary["val_threshold"] = threshold
    summary["iou_at_val_threshold"] = float(iou_at(threshold, scores).mean())
    cracked = crack_pixels(test.mask) > 0
    description["images"]["test"] = len(test.names)
    description["size"] = test.hr.shape[1]
    with new_folder(args.out) as folder:
        write_json(folder / "run.json", description)
        write_curve(folder / "curve.csv", scores, val_scores, cracked)
        write_per_image(folder / "per_image.csv", scores, test, cracked, threshold)
        np.save(folder / "curves.npy", scores["curve"].astype(np.float32))
        if args.examples:
            summary |= observed.write_measurements(folder / "measurement.csv")
            observed.write_examples(folder / "examples")
        write_json(folder / METRICS, {"test": summary, "val": val_summary})


if __name__ == "__main__":
    run_stage(main, "a smaller evaluate.batch_size")
