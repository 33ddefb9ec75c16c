"""Train SR alone, (a), (b), (d) and (f) with one budget of iterations, and score them.

The budget is what the seconds allow at the speeds that `joint.json` and `variants.json`, beside the
file to write, say; where they say nothing it is measured.
"""

import argparse
import json
import math
import re
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch

from benchmarks.measure import Row, facts_of, prepare, save
from benchmarks.options import add_preset, at_least, parser_of, zip_file
from benchmarks.step import changed, new_losses, random_arrays
from benchmarks.train_step import time_variant
from cssr.data.arrays import Arrays, load_arrays, to_bytes
from cssr.files import write_whole
from cssr.measurement.examples import choose_examples
from cssr.models.building import build_pipeline
from cssr.models.pipeline import Pipeline
from cssr.models.saved import save_model
from cssr.params import Params
from cssr.preparation.array_files import find_pairs, write_arrays
from cssr.preparation.split import split_names
from cssr.sources.synthetic import write_synthetic
from cssr.training.checkpoints import Checkpoints
from cssr.training.loop import Monitor, fit
from cssr.training.parallel import Alone
from cssr.validation.predictor import Predictor
from cssr.validation.scores import crack_pixels, evaluate, summarise
from stages.common import run_stage
from stages.preset import read_preset

TRAINED = ("sr", "ss_hr", "bicubic_ss", "sr_ss", "cssr")
IN_STEPS = 0.5  # share of the seconds; the rest compiles, validates and scores
LEAST = 5  # iterations
ALPHA_END = 0.66  # the paper's
EXAMPLES = 4
SEED = 0
TITLE = 28  # height of a column's title, px


def unpack(images: Path, folder: Path) -> None:
    """Unpack a zip in the pipeline's layout, as it is: here GDAL may be missing to check it."""
    with zipfile.ZipFile(images) as archive:
        for name in archive.namelist():
            if found := re.search(r"(train|test)/(images|masks)/[^/]+$", name):
                file = folder / found[0]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(archive.read(name))


def write_sets(images: Path | None, params: Params, folder: Path) -> dict[str, Arrays]:
    """The three splits as arrays; an eighth of the training images is held out for validation."""
    size = params.data.image_size
    made = params.data.synthetic.model_dump()
    if images:
        unpack(images, folder)
    else:
        write_synthetic(folder, **made, size=size, seed=params.split.seed)
    train, test = ([f.name for f in (folder / s / "images").iterdir()] for s in ("train", "test"))
    train, val = split_names(train, val=len(train) // 8, seed=params.split.seed)
    parts = {"train": ("train", train), "val": ("train", val), "test": ("test", sorted(test))}
    return {
        split: write_set(folder / "arrays" / split, find_pairs(folder / source, names), params)
        for split, (source, names) in parts.items()
    }


def write_set(folder: Path, pairs: Sequence[tuple[Path, Path]], params: Params) -> Arrays:
    """The arrays of one split."""
    folder.mkdir(parents=True)
    write_arrays(folder, pairs, size=params.data.size, scale=params.data.scale)
    return load_arrays(folder)


def speeds_in(folder: Path, setting: str) -> dict[str, float]:
    """Ms per iteration of the variants that were measured under a setting."""
    files = [folder / f"{part}.json" for part in ("joint", "variants")]
    rows = [row for file in files if file.is_file() for row in json.loads(file.read_text())["rows"]]
    return {row["variant"]: row["ms"] for row in rows if row["setting"] == setting and "ms" in row}


def measure_speeds(
    found: Mapping[str, float], params: Params, device: torch.device
) -> dict[str, float]:
    """Ms per iteration of all that is trained: what was found, and the rest measured."""
    arrays = random_arrays(params.data.size, params.data.scale)

    def measured(variant: str) -> float:
        row = time_variant(variant, params, arrays, device, warmup=3, repeats=5)
        return row["ms"]

    return {name: found[name] if name in found else measured(name) for name in TRAINED}


def affordable(seconds: float, speeds: Mapping[str, float]) -> int:
    """Iterations of each training, the same for all.

    Raises:
        ValueError: if they are too few to mean anything.
    """
    iterations = int(1000 * IN_STEPS * seconds / sum(speeds.values()))
    if iterations < LEAST:
        raise ValueError(f"{seconds:.0f} s allow {iterations} iterations, less than {LEAST}")
    return iterations


def alpha_growth(iterations: int, n_train: int, batch_size: int, start: float) -> float:
    """Growth of α per epoch with which a training ends at the paper's α."""
    epochs = math.ceil(iterations / math.ceil(n_train / batch_size))
    return (ALPHA_END - start) / max(1, epochs - 1)


def train_variant(
    variant: str,
    params: Params,
    sets: Mapping[str, Arrays],
    *,
    folder: Path,
    device: torch.device,
) -> tuple[Pipeline, list[Row]]:
    """Train a variant, from the SR network in `folder`; its pipeline and the rows of its log."""
    alone = variant == "sr"
    scale = params.data.scale
    pipeline = build_pipeline(
        variant,
        scale=scale,
        seed=SEED,
        sr=params.model.sr.model_dump(),
        ss=params.model.ss.model_dump(),
        sr_from=None if alone else folder / "sr",
    )
    rows = fit(
        new_losses(pipeline, params, n_train=len(sets["train"].names)),
        sets["train"],
        sets["val"],
        train=params.train,
        iterations=params.iterations.models,
        seed=SEED,
        checkpoints=Checkpoints(folder / "state" / variant),
        processes=Alone(device),
        monitor=Monitor(log=lambda row: print(variant, row, flush=True)),
    )
    if alone:
        (folder / "sr").mkdir()
        save_model(folder / "sr", pipeline, {"variant": variant, "scale": scale})
    return pipeline, rows


def score(predictor: Predictor, test: Arrays) -> Row:
    """Scores over the test images, and the mean IoU at each threshold."""
    scores = evaluate(predictor, test)
    curve = {"curve": scores["curve"].mean(axis=0).tolist()} if "curve" in scores else {}
    return summarise(scores, test.mask) | curve


def example_column(predictor: Predictor, images: Arrays) -> list[np.ndarray]:
    """What a pipeline makes of the examples: crack probabilities, or the SR image without them."""
    found = [predictor.predict(images, chosen) for chosen in predictor.batches(images)]
    shown = [each.sr if each.probs is None else each.probs for each in found]
    return [to_bytes(image) for batch in shown for image in batch]


def write_sheet(file: Path, columns: Mapping[str, Sequence[np.ndarray]]) -> None:
    """Examples below each other, a named column for each kind of image and model."""
    side = columns["HR"][0].shape[0]

    def square(image: np.ndarray) -> np.ndarray:
        colour = np.broadcast_to(image.reshape(*image.shape[:2], -1), (*image.shape[:2], 3))
        return cv2.resize(colour, (side, side), interpolation=cv2.INTER_NEAREST)

    def head(name: str) -> np.ndarray:
        strip = np.full((TITLE, side, 3), 255, np.uint8)
        place = {"org": (4, TITLE - 8), "fontFace": cv2.FONT_HERSHEY_SIMPLEX, "fontScale": 0.6}
        return cv2.putText(strip, name, **place, color=(0, 0, 0), lineType=cv2.LINE_AA)

    drawn = [np.vstack([head(name), *map(square, images)]) for name, images in columns.items()]
    write_whole(file, cv2.imencode(".jpg", np.hstack(drawn)[..., ::-1])[1].tobytes())


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = parser_of(__doc__, "gpu.trainings", json_required=True)
    add_preset(parser, "real", "its networks, sizes and losses")
    parser.add_argument("--images", type=zip_file, help="zip of images; else synthetic ones")
    parser.add_argument("--seconds", type=at_least(1), required=True, help="for all of it")
    parser.add_argument("--most", type=at_least(LEAST), help="iterations, if the time allows more")
    return parser.parse_args()


def plan(
    args: argparse.Namespace, ends: float, params: Params, device: torch.device, n_train: int
) -> Params:
    """The preset with the training that the time allows, the same for all variants."""
    train = {"precision": "bfloat16", "compile": True, "checkpoint_every": 10**9}
    fast = changed(params, {"train": train})
    speeds = measure_speeds(speeds_in(args.json.parent, "bfloat16, compiled"), fast, device)
    allowed = affordable(ends - time.monotonic(), speeds)
    n = min(allowed, args.most or allowed)
    growth = alpha_growth(n, n_train, fast.train.batch_size, fast.objective.alpha_start)
    return changed(
        fast,
        {
            "iterations": {"sr": n, "models": n},
            "objective": {"alpha_per_epoch": growth},
            "train": {"log_every": max(1, n // 20), "validate_every": n},
        },
    )


def main() -> None:
    """Train and score one variant after another, and write what is known after each."""
    args = parse_args()
    ends = time.monotonic() + args.seconds
    device = prepare(args)
    preset = read_preset(args.preset)
    with TemporaryDirectory() as name:
        folder = Path(name)
        sets = write_sets(args.images, preset, folder)
        params = plan(args, ends, preset, device, len(sets["train"].names))
        test = sets["test"]
        rows = []
        rng = np.random.default_rng(params.split.seed)
        chosen = choose_examples(crack_pixels(test.mask), EXAMPLES, rng)
        shown = Arrays(*(array[chosen] for array in test[:4]), [test.names[k] for k in chosen])
        columns = {"LR": shown.lr, "HR": shown.hr, "ground truth": shown.mask * np.uint8(255)}
        facts = {
            "benchmark": "training",
            **facts_of(device),
            "preset": args.preset,
            "images": args.images.name if args.images else "synthetic",
            **{f"{split} images": len(arrays.names) for split, arrays in sets.items()},
            "seed": SEED,
            "iterations": params.iterations.models,
            **params.train.model_dump(),
            "examples": shown.names,
        }
        for variant in TRAINED:
            began = time.monotonic()
            pipeline, log = train_variant(variant, params, sets, folder=folder, device=device)
            took = time.monotonic() - began
            batch = params.evaluate.batch_size
            predictor = Predictor(pipeline, device=device, batch_size=batch)
            with torch.compiler.set_stance("force_eager"):  # or each size of a batch is compiled
                scores = score(predictor, test)
                columns[variant] = example_column(predictor, shown)
            rows.append({"variant": variant, "s": took, **scores, "log": log})
            save(args.json, {**facts, "rows": rows})
            write_sheet(args.json.with_suffix(".jpg"), columns)


if __name__ == "__main__":
    run_stage(main)
