"""Reading what `evaluate` wrote, one folder for each trained pipeline."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from cssr.models.variants import VARIANTS, Variant
from cssr.paper import MODELS


@dataclass(frozen=True)
class Result:
    """The results of one trained pipeline.

    Attributes:
        folder: where they lie.
        test: metrics on the test images; PSNR in dB, the others in [0, 1].
        val: the same on the validation images.
        run: what was trained, with what and on what.
        curve: mean IoU at each of 99 thresholds: columns `threshold` and `iou`, in [0, 1].
    """

    folder: Path
    test: Mapping[str, float]
    val: Mapping[str, float]
    run: Mapping[str, Any]
    curve: pd.DataFrame


@dataclass(frozen=True)
class Example:
    """One test image that the figures show, as one model sees it.

    Attributes:
        name: file name of the image.
        width: mean width of its crack, px.
        lr: low-resolution image, (h, w, 3) uint8.
        hr: high-resolution image, (H, W, 3) uint8.
        mask: true mask, (H, W) uint8, crack 255.
        probs: the model's crack probabilities times 255, (H, W) uint8.
        sr: the model's SR image, (H, W, 3) uint8, or None.
    """

    name: str
    width: float
    lr: np.ndarray
    hr: np.ndarray
    mask: np.ndarray
    probs: np.ndarray
    sr: np.ndarray | None


@dataclass(frozen=True)
class Results:
    """All that a report shows.

    Attributes:
        models: results of the seven models, by name.
        sweep: results of model (f), by loss and β.
        examples: test images as each model sees them, by its name; thinnest crack first.
    """

    models: Mapping[str, Result]
    sweep: Mapping[tuple[str, float], Result]
    examples: Mapping[str, Sequence[Example]]

    @property
    def all(self) -> list[Result]:
        """Every trained pipeline's."""
        return [*self.models.values(), *self.sweep.values()]

    @property
    def best_betas(self) -> dict[str, float]:
        """The β of each loss with the highest AIU on validation (the first of equals)."""
        best: dict[str, float] = {}
        for (loss, beta), result in self.sweep.items():
            if loss not in best or result.val["aiu"] > self.sweep[loss, best[loss]].val["aiu"]:
                best[loss] = beta
        return best


def letters(chosen: Callable[[Variant], bool]) -> str:
    """The letters of some of the seven models, such as `(b), (d), (f)`."""
    return ", ".join(
        f"({title.letter})" for name, title in MODELS.items() if chosen(VARIANTS[name])
    )


OF_HR = letters(lambda variant: variant.takes_hr)
JOINT = letters(lambda variant: variant.joint)


def read_results(folder: Path, *, losses: Sequence[str], betas: Sequence[float]) -> Results:
    """Read the results of the seven models and of a sweep.

    Args:
        folder: with a folder for each model, and sweep/LOSS-BETA.
        losses: of the sweep.
        betas: of the sweep.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if there are no examples, or if the models show different ones.
    """
    models = {name: read_result(folder / name) for name in MODELS}
    sweep = {
        (loss, beta): read_result(folder / "sweep" / f"{loss}-{beta}")
        for loss in losses
        for beta in betas
    }
    examples = {name: read_examples(folder / name) for name in MODELS}
    names = {name: [example.name for example in seen] for name, seen in examples.items()}
    first, *others = names
    for name in others:
        if names[name] != names[first]:
            raise ValueError(
                f"{folder / name} and {folder / first} hold examples of different images; "
                "`dvc repro` makes both anew"
            )
    return Results(models, sweep, examples)


def read_result(folder: Path) -> Result:
    """Read the metrics, the curve and the run of one trained pipeline.

    Raises:
        FileNotFoundError: if a file is missing.
    """
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    curve = pd.read_csv(folder / "curve.csv")
    return Result(folder, metrics["test"], metrics["val"], run, curve)


def read_examples(folder: Path) -> list[Example]:
    """Read the images that one model's results hold for the figures, thinnest crack first.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if there is none.
    """
    table = pd.read_csv(folder / "examples/examples.csv", dtype={"name": str})
    if table.empty:
        raise ValueError(f"{folder}: no examples; Figs. 1 and 7 need a test image with crack")
    examples = [_read_example(folder / "examples", *row) for row in table.itertuples(index=False)]
    return sorted(examples, key=lambda example: example.width)


def check_trained_with(result: Result, *, loss: str, beta: float) -> None:
    """Raise ValueError if a model was trained with another loss or β than the parameters name."""
    for key, wanted in {"loss": loss, "beta": beta}.items():
        if result.run[key] != wanted:
            raise ValueError(
                f"{result.folder / 'run.json'}: {key} is {result.run[key]}, the parameters say "
                f"{wanted}; `dvc repro` makes it anew"
            )


def _read_example(folder: Path, index: int, name: str, width: float) -> Example:
    def read(kind: str, mode: str) -> np.ndarray:
        with Image.open(folder / f"{index:02d}_{kind}.png") as image:
            return np.asarray(image.convert(mode))

    has_sr = (folder / f"{index:02d}_sr.png").exists()
    return Example(
        name,
        width,
        lr=read("lr", "RGB"),
        hr=read("hr", "RGB"),
        mask=read("mask", "L"),
        probs=read("probs", "L"),
        sr=read("sr", "RGB") if has_sr else None,
    )
