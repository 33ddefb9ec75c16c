"""What is kept of the predictions for the test images: measured cracks, and examples to show."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from cssr.data.arrays import Arrays, to_bytes
from cssr.measurement.accuracy import MeasuredImages, concatenate, measure_each, measurement_errors
from cssr.measurement.examples import choose_examples, mean_width
from cssr.validation.predictor import Prediction


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
