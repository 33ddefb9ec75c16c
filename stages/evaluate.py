"""Score one trained model on the validation and test images, to results/."""

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from torch import nn

from cssr.models.saved import DESCRIPTION, check_segments, load_model
from cssr.data.arrays import Arrays, load_arrays, to_bytes
from cssr.device import choose_device, keep_freed_memory
from cssr.evaluation.scores import (
    Scores,
    crack_pixels,
    evaluate,
    predict,
    summarise,
)
from cssr.measurement.examples import choose_examples, mean_width
from cssr.files import new_folder
from cssr.measurement.accuracy import measure_predictions, measure_truth, measurement_errors
from cssr.evaluation.metrics import THRESHOLDS, aiu
from stages.common import forget_finished, read_params, refuse_to_replace, run_stage

ARRAYS = Path("data/arrays")
METRICS = "metrics.json"
PARAMS = {"model": ("seed", "device", "evaluate"), "sweep": ("device", "evaluate.batch_size")}


def parse_args() -> argparse.Namespace:
    """The command line: the model's folder and the results' folder."""
    parser = argparse.ArgumentParser(prog="python -m stages.evaluate", description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a trained model")
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--examples", action="store_true", help="keep the images for the figures")
    return parser.parse_args()


def metrics(test: Scores, val: Scores, test_set: Arrays, val_set: Arrays) -> dict[str, Any]:
    """Summaries of both splits, and the test IoU at the threshold that validation prefers."""
    summary = {"test": summarise(test, test_set.mask), "val": summarise(val, val_set.mask)}
    threshold = summary["val"]["threshold"]
    summary["test"]["val_threshold"] = threshold
    summary["test"]["iou_at_val_threshold"] = float(iou_at(threshold, test).mean())
    return summary


def iou_at(threshold: float, scores: Scores) -> np.ndarray:
    """IoU of each image at one of `THRESHOLDS`, (N,)."""
    return scores.curve[:, int(np.argmin(np.abs(THRESHOLDS - threshold)))]


def write_curve(file: Path, test: Scores, val: Scores, cracked: np.ndarray) -> None:
    """Mean IoU at each threshold: all test images, those with crack, validation."""
    curves = {"iou": test.curve, "iou_crack": test.curve[cracked], "iou_val": val.curve}
    means = {name: curve.mean(axis=0) for name, curve in curves.items()}
    thresholds = [f"{value:.2f}" for value in THRESHOLDS]
    pd.DataFrame({"threshold": thresholds, **means}).to_csv(file, index=False)


def write_per_image(
    file: Path, test: Scores, arrays: Arrays, cracked: np.ndarray, threshold: float
) -> None:
    """Scores of each test image; IoU at the threshold that validation prefers."""
    columns = {
        "name": arrays.names,
        "crack": cracked.astype(int),
        "aiu": aiu(torch.from_numpy(test.curve)).numpy(),
        "iou": iou_at(threshold, test),
    }
    if test.psnr is not None:
        columns |= {"psnr": test.psnr, "ssim": test.ssim}
    pd.DataFrame(columns).to_csv(file, index=False)


def write_measurement(
    file: Path,
    pipeline: nn.Module,
    arrays: Arrays,
    *,
    takes_hr: bool,
    threshold: float,
    device: torch.device,
    batch_size: int,
) -> dict[str, float]:
    """Length and width of the cracks of each test image, px, no width without a crack; errors."""
    true = measure_truth(arrays.mask)
    found = measure_predictions(
        pipeline,
        arrays,
        takes_hr=takes_hr,
        threshold=np.float32(threshold),
        batch_size=batch_size,
        device=device,
    )
    columns = {"true_length": true.length, "length": found.length}
    columns |= {"true_width": true.width, "width": found.width}
    pd.DataFrame({"name": arrays.names, **columns}).round(3).to_csv(file, index=False)
    return measurement_errors(found, true)


def write_examples(
    folder: Path,
    pipeline: nn.Module,
    arrays: Arrays,
    *,
    takes_hr: bool,
    device: torch.device,
    params: Any,
) -> None:
    """Images and results of some test images of different crack widths, as PNG."""
    folder.mkdir()
    widths = [mean_width(mask) if mask.any() else 0.0 for mask in arrays.mask]
    rng = np.random.default_rng(params.seed)
    chosen = choose_examples(widths, params.evaluate.examples, rng)
    images = (arrays.hr if takes_hr else arrays.lr)[chosen]
    results = predict(pipeline, images, batch_size=1, device=device)
    for index, (source, (sr, probs)) in enumerate(zip(chosen, results, strict=True)):
        shown = {
            "lr": arrays.lr[source],
            "hr": arrays.hr[source],
            "mask": arrays.mask[source][..., None] * np.uint8(255),
            "probs": to_bytes(probs[0]),
        }
        if sr is not None:
            shown["sr"] = to_bytes(sr[0])
        for name, image in shown.items():
            png = cv2.imencode(".png", image[..., ::-1])[1]
            (folder / f"{index:02}_{name}.png").write_bytes(png)
    rows = {"name": [arrays.names[k] for k in chosen], "width": [widths[k] for k in chosen]}
    pd.DataFrame(rows).round(3).to_csv(folder / "examples.csv", index_label="index")


def main() -> None:
    """Evaluate and write."""
    args = parse_args()
    refuse_to_replace(args.out, METRICS)
    params = read_params(*PARAMS["model" if args.examples else "sweep"])
    device = choose_device(params.device)
    keep_freed_memory()
    pipeline, description = load_model(args.run)
    check_segments(args.run, description)
    if not isinstance(description.get("images"), dict):
        raise ValueError(f"{args.run / DESCRIPTION} does not say how many images it was trained on")
    forget_finished(args.run)
    pipeline.to(device, memory_format=torch.channels_last)
    takes_hr = description["variant"] == "ss_hr"
    sets = {split: load_arrays(ARRAYS / split) for split in ("val", "test")}
    scores = {
        split: evaluate(
            pipeline,
            arrays,
            takes_hr=takes_hr,
            batch_size=params.evaluate.batch_size,
            device=device,
        )
        for split, arrays in sets.items()
    }
    test, val = sets["test"], sets["val"]
    cracked = crack_pixels(test.mask) > 0
    description["images"]["test"] = len(test.names)
    description["size"] = test.hr.shape[1]
    summary = metrics(scores["test"], scores["val"], test, val)
    with new_folder(args.out) as folder:
        write_json(folder / "run.json", description)
        write_curve(folder / "curve.csv", scores["test"], scores["val"], cracked)
        threshold = summary["test"]["val_threshold"]
        write_per_image(folder / "per_image.csv", scores["test"], test, cracked, threshold)
        if args.examples:
            summary["test"] |= write_measurement(
                folder / "measurement.csv",
                pipeline,
                test,
                takes_hr=takes_hr,
                threshold=threshold,
                device=device,
                batch_size=params.evaluate.batch_size,
            )
            write_examples(
                folder / "examples",
                pipeline,
                test,
                takes_hr=takes_hr,
                device=device,
                params=params,
            )
        write_json(folder / METRICS, summary)


def write_json(file: Path, content: dict[str, Any]) -> None:
    """Write a JSON file."""
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run_stage(main, "a smaller evaluate.batch_size")
