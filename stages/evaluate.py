"""Score one trained model on the validation and test images, to results/."""

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch

from cssr.data.arrays import Arrays, load_arrays, to_bytes
from cssr.device import choose_device, keep_freed_memory
from cssr.evaluation.metrics import SEGMENTATION_METRICS, SR_METRICS, THRESHOLDS, aiu
from cssr.evaluation.predictor import Prediction, Predictor
from cssr.evaluation.scores import Scores, crack_pixels, evaluate, summarise
from cssr.files import new_folder
from cssr.measurement.accuracy import MeasuredImages, concatenate, measure_each, measurement_errors
from cssr.measurement.examples import choose_examples, mean_width
from cssr.models.saved import check_segments, load_model
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


class Observed:
    """What is kept of the predictions for the test images, batch by batch.

    Args:
        arrays: the test set.
        threshold: probability from which on a pixel is crack, compared in float32.
        seed: of the choice of examples.
        examples: how many images the figures show.
    """

    def __init__(self, arrays: Arrays, *, threshold: float, seed: int, examples: int) -> None:
        self.arrays = arrays
        self.threshold = np.float32(threshold)
        self.widths = [mean_width(mask) if mask.any() else 0.0 for mask in arrays.mask]
        self.examples = choose_examples(self.widths, examples, np.random.default_rng(seed))
        self.shown: dict[int, dict[str, np.ndarray]] = {}  # images of each example, by its index
        self.measured: list[MeasuredImages] = []  # of each batch

    def add(self, prediction: Prediction) -> None:
        """Measure the cracks of a batch, and keep those of its images that are examples."""
        probs = prediction.probs[:, 0].float().cpu().numpy()
        self.measured.append(measure_each(probs >= self.threshold))
        for k in self.examples:
            position = k - prediction.chosen.start
            if 0 <= position < len(probs):
                self.shown[k] = {"probs": to_bytes(prediction.probs[position])}
                if prediction.sr is not None:
                    self.shown[k]["sr"] = to_bytes(prediction.sr[position])

    def write_measurements(self, file: Path) -> dict[str, float]:
        """Length and width of the cracks of each image, px, no width without a crack; errors."""
        true = measure_each(self.arrays.mask)
        predicted = concatenate(self.measured)
        columns = {"true_length": true.length, "length": predicted.length}
        columns |= {"true_width": true.width, "width": predicted.width}
        table = pd.DataFrame({"name": self.arrays.names, **columns})
        table.round(3).to_csv(file, index=False)
        return measurement_errors(predicted, true)

    def write_examples(self, folder: Path) -> None:
        """Images and predictions of the examples as PNG, with their crack widths."""
        folder.mkdir()
        for index, k in enumerate(self.examples):
            images = {
                "lr": self.arrays.lr[k],
                "hr": self.arrays.hr[k],
                "mask": self.arrays.mask[k][..., None] * np.uint8(255),
                **self.shown[k],
            }
            for name, image in images.items():
                png = cv2.imencode(".png", image[..., ::-1])[1]
                (folder / f"{index:02}_{name}.png").write_bytes(png)
        names = [self.arrays.names[k] for k in self.examples]
        widths = [self.widths[k] for k in self.examples]
        table = pd.DataFrame({"name": names, "width": widths})
        table.round(3).to_csv(folder / "examples.csv", index_label="index")


def iou_at(threshold: float, scores: Scores) -> np.ndarray:
    """IoU of each image at one of `THRESHOLDS`, (N,)."""
    return scores["curve"][:, int(np.argmin(np.abs(THRESHOLDS - threshold)))]


def write_curve(file: Path, test: Scores, val: Scores, cracked: np.ndarray) -> None:
    """Mean IoU at each threshold: all test images, those with crack, validation."""
    curve = test["curve"]
    curves = {"iou": curve, "iou_crack": curve[cracked], "iou_val": val["curve"]}
    means = {name: each.mean(axis=0) for name, each in curves.items()}
    thresholds = [f"{value:.2f}" for value in THRESHOLDS]
    pd.DataFrame({"threshold": thresholds, **means}).to_csv(file, index=False)


def write_per_image(
    file: Path, test: Scores, arrays: Arrays, cracked: np.ndarray, threshold: float
) -> None:
    """Scores of each test image; IoU at the threshold that validation prefers."""
    columns = {
        "name": arrays.names,
        "crack": cracked.astype(int),
        "aiu": aiu(torch.from_numpy(test["curve"])).numpy(),
        "iou_at_val_threshold": iou_at(threshold, test),
    }
    others = [name for name in (*SEGMENTATION_METRICS, *SR_METRICS) if name != "curve"]
    columns |= {name: test[name] for name in others if name in test}
    pd.DataFrame(columns).to_csv(file, index=False)


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
    val_scores = evaluate(predictor, val)
    val_summary = summarise(val_scores, val.mask)
    threshold = val_summary["threshold"]
    if args.examples:
        examples = params.evaluate.examples
        observed = Observed(test, threshold=threshold, seed=params.split.seed, examples=examples)
        scores = evaluate(predictor, test, observe=observed.add)
    else:
        scores = evaluate(predictor, test)
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
