"""Reading what `evaluate` wrote: one folder of results is one cell."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import pandas as pd

# name: (letter in the paper, what the paper calls it), in the order of Table 1
MODELS = {
    "ss_hr": ("a", "SS in HR"),
    "bicubic_ss": ("b", "Bicubic → SS"),
    "ss_bicubic": ("c", "SS → Bicubic"),
    "sr_ss": ("d", "SR → SS"),
    "ss_sr": ("e", "SS → SR"),
    "cssr": ("f", "CSSR (SR → SS)"),
    "inverse": ("g", "Inverse CSSR (SS → SR)"),
}
LOSSES = {
    "dice": ("A", "Dice"),
    "boundary_gdice": ("B", "Boundary + GDice"),
    "bc1": ("C", "BC1"),
    "bc2": ("D", "BC2"),
    "gbc1": ("E", "GBC1"),
    "gbc2": ("F", "GBC2"),
}
CURVE_COLUMNS = ("threshold", "iou", "iou_crack", "iou_val")
METRICS = {"test": ("aiu", "iou_max", "threshold"), "val": ("aiu",)}  # those every cell has
RUN_KEYS = ("loss", "beta", "iterations", "device", "versions", "images", "size", "scale")


def model_title(name: str) -> str:
    """The paper's letter and name of a model, such as `(a) SS in HR`."""
    letter, title = MODELS[name]
    return f"({letter}) {title}"


def loss_title(name: str) -> str:
    """The paper's letter and name of a loss, such as `(A) Dice`."""
    letter, title = LOSSES[name]
    return f"({letter}) {title}"


@dataclass(frozen=True)
class Cell:
    """The results of one trained pipeline.

    Attributes:
        folder: where they lie.
        test: metrics on the test images; PSNR in dB, the others in [0, 1].
        val: the same on the validation images.
        run: what was trained, with what and on what.
        curve: columns of curve.csv, each (99,): threshold and mean IoU, in [0, 1].
    """

    folder: Path
    test: Mapping[str, float]
    val: Mapping[str, float]
    run: Mapping[str, Any]
    curve: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Example:
    """One test image that the figures show, as one model sees it.

    Attributes:
        name: file name of the image.
        width: mean width of its crack, px; 0 without a crack.
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


def read_cell(folder: Path) -> Cell:
    """Read the metrics, the curve and the run of one cell.

    Args:
        folder: results of one trained pipeline.

    Raises:
        ValueError: if a file is missing or is not what `evaluate` writes; names the file.
    """
    metrics = _read_json(folder / "metrics.json")
    run = _read_json(folder / "run.json")
    for part, names in METRICS.items():
        for name in names:
            require(metrics.get(part, {}), name, file=folder / "metrics.json", part=part)
    for key in RUN_KEYS:
        if key not in run:
            raise ValueError(f"{folder / 'run.json'}: {key} is missing; {_REPEAT}")
    return Cell(folder, metrics["test"], metrics["val"], run, _read_curve(folder / "curve.csv"))


def require(metrics: Mapping[str, Any], name: str, *, file: Path, part: str) -> float:
    """One metric that has to be there, as a finite number.

    Raises:
        ValueError: if it is missing or no finite number; names the file.
    """
    value = metrics.get(name) if isinstance(metrics, Mapping) else None
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{file}: {part}.{name} is {value}, not a number; {_REPEAT}")
    return float(value)


def check_trained_with(cell: Cell, *, loss: str, beta: float) -> None:
    """Raise ValueError if a cell was trained with another loss or β than the parameters name."""
    for key, wanted in {"loss": loss, "beta": beta}.items():
        if cell.run[key] != wanted:
            raise ValueError(
                f"{cell.folder / 'run.json'}: {key} is {cell.run[key]}, "
                f"the parameters say {wanted}; {_REPEAT}"
            )


def best_betas(sweep: Mapping[tuple[str, float], Cell]) -> dict[str, float]:
    """The β of each loss with the highest AIU on validation (the first of equals).

    Args:
        sweep: cells by (loss, β).
    """
    best: dict[str, float] = {}
    for (loss, beta), cell in sweep.items():
        if loss not in best or cell.val["aiu"] > sweep[loss, best[loss]].val["aiu"]:
            best[loss] = beta
    return best


def read_examples(folder: Path) -> list[Example]:
    """Read the images that one model's results hold for the figures, thinnest crack first.

    Args:
        folder: results of one of the seven models.

    Raises:
        ValueError: if a file is missing or unreadable; names the file.
    """
    file = folder / "examples" / "examples.csv"
    table = _read_csv(file, ("index", "name", "width"))
    if table.empty:
        raise ValueError(f"{file}: no examples; Figs. 1 and 7 need a test image with crack")
    examples = [_read_example(file, row) for row in table.to_dict("records")]
    return sorted(examples, key=lambda example: example.width)


def check_same_examples(examples: Mapping[str, Sequence[Example]]) -> None:
    """Raise ValueError unless all models show the same images.

    Args:
        examples: the examples of each model, by the model's name.
    """
    names = {model: [example.name for example in shown] for model, shown in examples.items()}
    first, *others = names
    for model in others:
        if names[model] != names[first]:
            raise ValueError(
                f"{model} and {first} hold examples of different images "
                f"(examples/examples.csv); {_REPEAT}"
            )


_REPEAT = "run `dvc repro` to write it anew"


def _read_example(file: Path, row: Mapping[str, Any]) -> Example:
    try:
        stem, width = f"{int(row['index']):02d}", float(row["width"])
    except (TypeError, ValueError):
        raise ValueError(f"{file}: {row} is not index, name, width; {_REPEAT}") from None
    images = {
        kind: _read_image(file.parent / f"{stem}_{kind}.png", mode)
        for kind, mode in {"lr": "RGB", "hr": "RGB", "mask": "L", "probs": "L"}.items()
    }
    sr = file.parent / f"{stem}_sr.png"
    return Example(row["name"], width, **images, sr=_read_image(sr, "RGB") if sr.exists() else None)


def _read_image(file: Path, mode: str) -> np.ndarray:
    try:
        with Image.open(file) as image:
            return np.asarray(image.convert(mode))
    except FileNotFoundError:
        raise ValueError(f"{file} is missing; {_REPEAT}") from None
    except OSError as error:
        raise ValueError(f"{file} cannot be read ({error}); {_REPEAT}") from None


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ValueError(f"{file} is missing; {_REPEAT}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} cannot be read ({error}); {_REPEAT}") from None


def _read_json(file: Path) -> dict[str, Any]:
    try:
        values = json.loads(_read_text(file))
    except json.JSONDecodeError as error:
        raise ValueError(f"{file} is not JSON ({error}); {_REPEAT}") from None
    if not isinstance(values, dict):
        raise ValueError(f"{file} does not hold an object; {_REPEAT}")
    return values


def _read_csv(file: Path, columns: Sequence[str]) -> "pd.DataFrame":
    import pandas as pd  # slow to import, and --help needs none

    try:
        table = pd.read_csv(StringIO(_read_text(file)))
    except pd.errors.ParserError as error:
        raise ValueError(f"{file} is not CSV ({error}); {_REPEAT}") from None
    except pd.errors.EmptyDataError:
        raise ValueError(f"{file} is empty; {_REPEAT}") from None
    missing = [name for name in columns if name not in table]
    if missing:
        raise ValueError(f"{file}: column {missing[0]} is missing; {_REPEAT}")
    return table


def _read_curve(file: Path) -> dict[str, np.ndarray]:
    table = _read_csv(file, CURVE_COLUMNS)
    if table.empty:
        raise ValueError(f"{file}: no rows; {_REPEAT}")
    try:
        # an absent value is nan: a test split without cracks has no iou_crack
        return {name: table[name].to_numpy(float) for name in CURVE_COLUMNS}
    except (TypeError, ValueError) as error:
        raise ValueError(f"{file}: {error}; {_REPEAT}") from None
