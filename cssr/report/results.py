"""Reading what `evaluate` wrote, one folder for each trained pipeline."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from cssr.paper import MODELS
from cssr.report.bootstrap import Bootstrap, Estimate, interval

CRACK = "_crack"  # ends the name of a metric over the images with crack


@dataclass(frozen=True, eq=False)
class SeedResult:
    """The results of one pipeline trained on one seed.

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

    @cached_property
    def images(self) -> pd.DataFrame:
        """Name, crack (0 or 1) and scores of each test image."""
        return pd.read_csv(self.folder / "per_image.csv", dtype={"name": str})

    @cached_property
    def curves(self) -> np.ndarray:
        """IoU of each test image at each of 99 thresholds, (N, 99)."""
        return np.load(self.folder / "curves.npy")


@dataclass(frozen=True)
class Result:
    """The results of one pipeline: means over the seeds that it was trained on.

    Attributes:
        seeds: the results of each seed.
    """

    seeds: Mapping[int, SeedResult]

    @property
    def run(self) -> Mapping[str, Any]:
        """What was trained, as the first seed tells it."""
        return self._first.run

    @cached_property
    def test(self) -> dict[str, float]:
        """Metrics on the test images."""
        return self._means(lambda result: result.test)

    @cached_property
    def val(self) -> dict[str, float]:
        """Metrics on the validation images."""
        return self._means(lambda result: result.val)

    @cached_property
    def curve(self) -> pd.DataFrame:
        """Mean IoU at each of 99 thresholds: columns `threshold` and `iou`."""
        curves = [result.curve["iou"] for result in self.seeds.values()]
        return pd.DataFrame(
            {"threshold": self._first.curve["threshold"], "iou": np.mean(curves, axis=0)}
        )

    @property
    def _first(self) -> SeedResult:
        return next(iter(self.seeds.values()))

    def _means(self, of: Callable[[SeedResult], Mapping[str, float]]) -> dict[str, float]:
        found = [of(result) for result in self.seeds.values()]
        shared = [name for name in found[0] if all(name in each for each in found)]
        return {name: float(np.mean([each[name] for each in found])) for name in shared}


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
        examples: test images as each model of the first seed sees them, by its name; thinnest crack
            first.
    """

    models: Mapping[str, Result]
    sweep: Mapping[tuple[str, float], Result]
    examples: Mapping[str, Sequence[Example]]

    @property
    def all(self) -> list[SeedResult]:
        """Those of every training."""
        results = [*self.models.values(), *self.sweep.values()]
        return [seed for result in results for seed in result.seeds.values()]

    @property
    def first_model(self) -> Result:
        """Any of the models, for what they have in common."""
        return next(iter(self.models.values()))

    @property
    def first_seed(self) -> int:
        """The seed whose predictions are shown."""
        return next(iter(self.first_model.seeds))

    @property
    def repeated(self) -> bool:
        """Whether the pipelines were trained on several seeds."""
        return len(self.first_model.seeds) > 1

    @property
    def best_betas(self) -> dict[str, float]:
        """The β of each loss with the highest AIU on validation (the first of equals)."""
        best: dict[str, float] = {}
        for (loss, beta), result in self.sweep.items():
            if loss not in best or result.val["aiu"] > self.sweep[loss, best[loss]].val["aiu"]:
                best[loss] = beta
        return best

    def estimate(self, metric: str, one: Result, other: Result | None = None) -> Estimate | None:
        """A metric of a result, or its difference to another one's, over the seeds of both.

        An image's score is its mean over the seeds: an interval says what other photos would
        change, not what other seeds would.

        Args:
            metric: one of `SeedResult.test` that is a mean over images, or `iou_max`.
            one: what is estimated.
            other: what is subtracted.

        Returns:
            The estimate; None if one of them does not have the metric, or they share no seed.
        """
        pair = [result for result in (one, other) if result]
        seeds = [seed for seed in one.seeds if all(seed in result.seeds for result in pair)]
        if not seeds or any(metric not in result.test for result in pair):
            return None
        values = [[result.seeds[k].test[metric] for k in seeds] for result in pair]
        samples = [
            np.mean([self._resampled(metric, result.seeds[k]) for k in seeds], axis=0)
            for result in pair
        ]
        by_seed = np.subtract(*values) if other else np.array(values[0])
        low, high = interval(np.subtract(*samples) if other else samples[0])
        return Estimate(by_seed.mean(), low, high, tuple(by_seed))

    def curve_interval(self, result: Result) -> np.ndarray:
        """The interval of the mean IoU at each threshold, (2, 99)."""
        curves = np.mean([seed.curves for seed in result.seeds.values()], axis=0)
        return interval(self._bootstrap.means(curves))

    @property
    def photos_note(self) -> str:
        """What to say of the number of test photos."""
        return self._bootstrap.note

    @cached_property
    def _bootstrap(self) -> Bootstrap:
        return Bootstrap(self.first_model.seeds[self.first_seed].images["name"])

    @cached_property
    def _resampled(self) -> Callable[[str, SeedResult], np.ndarray]:
        """A metric in each resample, computed once: table, page, figures and claims ask for it."""
        return cache(self._resample)

    def _resample(self, metric: str, result: SeedResult) -> np.ndarray:
        if metric == "iou_max":
            return self._bootstrap.means(result.curves).max(axis=1)
        cracked = np.flatnonzero(result.images["crack"])
        chosen = cracked if metric.endswith(CRACK) else slice(None)
        return self._bootstrap.means(result.images[metric.removesuffix(CRACK)].to_numpy(), chosen)


def read_results(
    folder: Path, *, seeds: Sequence[int], losses: Sequence[str], betas: Sequence[float]
) -> Results:
    """Read the results of the seven models and of a sweep.

    Args:
        folder: with a folder seed-SEED for each seed; in it one for each model, and
            sweep/LOSS-BETA.
        seeds: of the trainings.
        losses: of the sweep.
        betas: of the sweep.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if there are no examples, or if the models show different ones.
    """

    def read(name: str) -> Result:
        return Result({seed: read_result(folder / f"seed-{seed}" / name) for seed in seeds})

    models = {name: read(name) for name in MODELS}
    sweep = {(loss, beta): read(f"sweep/{loss}-{beta}") for loss in losses for beta in betas}
    first = folder / f"seed-{seeds[0]}"
    examples = {name: read_examples(first / name) for name in MODELS}
    names = {name: [example.name for example in seen] for name, seen in examples.items()}
    one, *others = names
    for name in others:
        if names[name] != names[one]:
            raise ValueError(
                f"{first / name} and {first / one} hold examples of different images; "
                "`dvc repro` makes both anew"
            )
    return Results(models, sweep, examples)


def read_result(folder: Path) -> SeedResult:
    """Read the metrics, the curve and the run of one training.

    Raises:
        FileNotFoundError: if a file is missing.
    """
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    curve = pd.read_csv(folder / "curve.csv")
    return SeedResult(folder, metrics["test"], metrics["val"], run, curve)


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
    """Raise ValueError if a model was trained with another seed, loss or β than it should be."""
    for seed, found in result.seeds.items():
        for key, wanted in {"seed": seed, "loss": loss, "beta": beta}.items():
            if found.run[key] != wanted:
                raise ValueError(
                    f"{found.folder / 'run.json'}: {key} is {found.run[key]}, the parameters say "
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
