"""Made-up results, for tests only: the numbers and images have no meaning."""

import copy
import csv
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image, ImageDraw, ImageFilter

from cssr.models.variants import VARIANTS
from cssr.paper import MODELS
from cssr.report.results import Result, Results, read_results
from stages import report

# of the IoU; a model beside the seven has neither the best nor the second-best numbers
LEVELS = dict.fromkeys(MODELS, 0.45) | {
    "ss_hr": 0.55,
    "bicubic_ss": 0.26,
    "ss_bicubic": 0.44,
    "sr_ss": 0.47,
    "ss_sr": 0.48,
    "cssr": 0.53,
    "inverse": 0.50,
}
DEMO = Path(__file__).parents[2] / "presets" / "demo.yaml"
SWEEP = {"losses": ["dice", "bc2"], "betas": [0.1, 0.5]}
WITH_SR = {name: 27.0 for name in MODELS if VARIANTS[name].enlarges_image}
WITH_SR |= {"bicubic_ss": 27.61, "sr_ss": 29.04, "cssr": 28.52}
EFFORT = {
    "iterations": 300,
    "batch_size": 8,
    "learning_rate": 0.002,
    "precision": "float32",
    "device": "cpu",
    "versions": {"python": "3.11.9", "torch": "2.11.0"},
    "images": {"train": 200, "val": 40, "test": 60},
    "scale": 4,
}


class FakeResults:
    """A folder in the layout of this repository, with made-up results of every pipeline."""

    def __init__(self, root: Path, *, size: int = 64, examples: int = 3) -> None:
        self.root = root
        self.size = size
        self.examples = examples
        self.seed = 0
        self.params = yaml.safe_load(DEMO.read_text(encoding="utf-8")) | {"sweep": SWEEP}
        (root / "presets").mkdir()
        for name, values in {"demo": self.params, "paper": {"preset": "paper"}}.items():
            (root / f"presets/{name}.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")

    def write(self, **changes: object) -> Path:
        """Write params.yaml with these changes, and the results that it names."""
        self.params |= changes
        (self.root / "params.yaml").write_text(yaml.safe_dump(self.params), encoding="utf-8")
        for seed in self.params["seeds"]:
            self.seed = seed
            self.write_seed()
        return self.root

    def write_seed(self) -> None:
        for name in MODELS:
            joint = VARIANTS[name].joint
            beta = self.params["beta"] if joint else None
            self.write_result(name, level=LEVELS[name], psnr=WITH_SR.get(name), beta=beta)
            self.write_examples(name)
        for i, loss in enumerate(self.params["sweep"]["losses"]):
            for beta in self.params["sweep"]["betas"]:
                level = 0.4 + 0.02 * i - 0.3 * (beta - 0.2 - 0.1 * i) ** 2
                self.write_result(
                    f"sweep/{loss}-{beta}",
                    level=level,
                    psnr=29.2 - 0.1 * i - (1 + 0.1 * i) * beta**2,
                    loss=loss,
                    beta=beta,
                )

    def write_result(
        self,
        name: str,
        *,
        level: float,
        psnr: float | None = None,
        loss: str = "bc2",
        beta: float | None = None,
    ) -> Path:
        folder = self.root / f"results/seed-{self.seed}" / name
        folder.mkdir(parents=True, exist_ok=True)
        thresholds = np.arange(1, 100) / 100
        peak = 0.3 + 0.5 * level
        level += 0.01 * self.seed
        iou = level * (1 - 0.9 * np.abs(thresholds - peak) ** 2.5) + 0.03
        best = int(iou.argmax())
        sr = {} if psnr is None else {"psnr": psnr, "ssim": psnr / 35}
        lengths = {"length_error": 0.4 - level, "length_mae": 0.6 - level}
        widths = {"width_error": 2 * (level - 0.4), "width_mae": 1.5 - level}
        val = {
            "aiu": float(iou.mean()),
            "iou_max": float(iou.max()),
            "threshold": float(thresholds[best]),
            "aiu_crack": float(iou.mean()),
            "iou_max_crack": float(iou.max()) * 0.9,
            "aiu_constant_crack": 0.041,
            **sr,
        }
        test = val | {"val_threshold": 0.4, "iou_at_val_threshold": float(iou[39])}
        self.write_json(folder / "metrics.json", {"test": test | lengths | widths, "val": val})
        run = {"variant": name, "seed": self.seed, "loss": loss, "beta": beta}
        run |= {"size": self.size, **EFFORT}
        self.write_json(folder / "run.json", run)
        rows = zip(thresholds, iou, iou * 0.9, iou * 0.95, strict=True)
        self.write_csv(folder / "curve.csv", ["threshold", "iou", "iou_crack", "iou_val"], rows)
        self.write_images(folder, test, iou)
        return folder

    def write_images(self, folder: Path, test: Mapping[str, float], iou: np.ndarray) -> None:
        """Scores of 60 images, whose means are those of the metrics; the last shows no crack."""
        noise = np.append(np.random.default_rng(self.seed).normal(0, 0.05, 59), 0.0)
        noise[:-1] -= noise.mean() * 60 / 59
        columns = {"name": [f"image_{k}.png" for k in range(60)], "crack": [1] * 59 + [0]}
        for name in ("aiu", "iou_at_val_threshold", "psnr", "ssim"):
            if name in test:
                columns[name] = test[name] + noise
        self.write_csv(folder / "per_image.csv", list(columns), zip(*columns.values(), strict=True))
        np.save(folder / "curves.npy", iou + noise[:, None])

    def write_examples(self, name: str) -> None:
        folder = self.root / f"results/seed-{self.seed}" / name / "examples"
        folder.mkdir(exist_ok=True)
        rng = np.random.default_rng(1)
        rows = []
        for index in range(self.examples):
            width = 1.5 + 4.5 * index / max(1, self.examples - 1)
            rows.append((index, f"fake_{index}.png", f"{width:.3f}"))
            hr, mask = fake_crack(self.size, width * self.size / 128, rng)
            small = hr.resize((self.size // 4,) * 2, Image.Resampling.BICUBIC)
            sr = small.resize(hr.size, Image.Resampling.BICUBIC)
            blur = ImageFilter.GaussianBlur(3.0 * (0.6 - LEVELS[name]) * self.size / 32)
            images = {"lr": small, "hr": hr, "mask": mask, "probs": mask.filter(blur)}
            images |= {"sr": sr} if name in WITH_SR else {}
            for kind, image in images.items():
                image.save(folder / f"{index:02}_{kind}.png")
        self.write_csv(folder / "examples.csv", ["index", "name", "width"], rows)

    @staticmethod
    def write_json(file: Path, content: dict) -> None:
        file.write_text(json.dumps(content), encoding="utf-8")

    @staticmethod
    def write_csv(file: Path, header: list[str], rows) -> None:
        with file.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([header, *rows])


def fake_crack(
    size: int, width: float, rng: np.random.Generator
) -> tuple[Image.Image, Image.Image]:
    """A dark crooked line on gray noise, (size, size), and its mask."""
    x = np.linspace(0, size, 12)
    y = size / 2 + rng.normal(0, size / 8) + np.cumsum(rng.normal(0, size / 20, 12))
    mask = Image.new("L", (size, size))
    ImageDraw.Draw(mask).line(list(zip(x, y, strict=True)), fill=255, width=max(1, round(width)))
    noise = rng.normal(0, 14, (size, size, 1)) + rng.normal((150, 145, 135), 8, (1, 1, 3))
    image = np.where(np.asarray(mask)[..., None] > 0, noise * 0.4, noise)
    return Image.fromarray(image.clip(0, 255).astype(np.uint8)), mask


@pytest.fixture(scope="session")
def rendered(tmp_path_factory) -> Path:
    """A folder with made-up results and the reports of them; not to be changed."""
    root = FakeResults(tmp_path_factory.mktemp("rendered")).write()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setattr(sys, "argv", ["report"])
        report.main()
    return root


@pytest.fixture(scope="session")
def shared_results(tmp_path_factory) -> Results:
    """Made-up results, read; not to be changed."""
    root = FakeResults(tmp_path_factory.mktemp("results")).write()
    return read_results(root / "results", seeds=[0], **SWEEP)


@pytest.fixture(scope="session")
def of_three_seeds(tmp_path_factory) -> Results:
    """Made-up results of three seeds, read; not to be changed."""
    root = FakeResults(tmp_path_factory.mktemp("three")).write(seeds=[0, 1, 2])
    return read_results(root / "results", seeds=[0, 1, 2], **SWEEP)


@pytest.fixture
def results(shared_results: Results) -> Results:
    """Made-up results, read; a test may change their numbers."""
    models, sweep = copy.deepcopy((shared_results.models, shared_results.sweep))
    return replace(shared_results, models=models, sweep=sweep)


@pytest.fixture
def models(results: Results) -> Mapping[str, Result]:
    """Those of the seven models."""
    return results.models


@pytest.fixture
def fake(tmp_path, monkeypatch) -> FakeResults:
    """Made-up results to write in tmp_path, which becomes the working directory."""
    monkeypatch.chdir(tmp_path)
    return FakeResults(tmp_path)
