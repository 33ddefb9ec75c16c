"""Train SR alone, (a), (b), (d) and (f) with one budget of iterations, and score them.

The budget is what the seconds allow at the speeds that `joint.json` and `variants.json`, beside the
file to write, say; where they say nothing it is measured.
"""

import argparse
import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import cv2
import numpy as np
import torch
from torch import nn

from benchmarks.measure import Row, facts_of, prepare, save
from benchmarks.options import add_preset, at_least, load_preset, parser_of, zip_file
from benchmarks.step import random_arrays
from benchmarks.train_step import time_variant
from cssr.data.arrays import Arrays, load_arrays, to_bytes
from cssr.data.preparation import find_pairs, write_arrays
from cssr.data.split import split_names
from cssr.evaluation.scores import crack_pixels, evaluate, predict, summarise
from cssr.files import write_whole
from cssr.measurement.examples import choose_examples
from cssr.models.saved import save_model
from cssr.params import Params, Train
from cssr.sources.layout import import_images
from cssr.sources.synthetic import write_synthetic
from cssr.training.checkpoints import Checkpoints
from cssr.training.loop import fit
from cssr.training.parallel import Alone
from stages.common import run_stage
from stages.train import build

TRAINED = ("sr", "ss_hr", "bicubic_ss", "sr_ss", "cssr")
IN_STEPS = 0.5  # share of the seconds; the rest compiles, validates and scores
LEAST = 5  # iterations
ALPHA_END = 0.66  # the paper's
EXAMPLES = 4
TITLE = 28  # height of a column's title, px


def write_sets(images: Path | None, params: Params, folder: Path) -> dict[str, Arrays]:
    """The three splits as arrays; an eighth of the training images is held out for validation."""
    data = params.data
    if images:
        import_images([images], folder, image_size=data.image_size)
    elif data.source == "synthetic":
        made = data.synthetic
        write_synthetic(
            folder,
            train=made.train,
            test=made.test,
            size=data.image_size,
            crack_width=made.crack_width,
            seed=params.seed,
        )
    else:
        raise ValueError(f"the preset {params.preset} needs --images, a zip of images")
    names = [file.name for file in (folder / "train/images").iterdir()]
    train, val = split_names(names, val=len(names) // 8, seed=params.seed)
    test = sorted(file.name for file in (folder / "test/images").iterdir())
    sets = {}
    for split, chosen in {"train": train, "val": val, "test": test}.items():
        pairs = find_pairs(folder / ("test" if split == "test" else "train"), chosen)
        (folder / "arrays" / split).mkdir(parents=True)
        write_arrays(folder / "arrays" / split, pairs, size=data.size, scale=data.scale)
        sets[split] = load_arrays(folder / "arrays" / split)
    return sets


def speeds_in(folder: Path, setting: str) -> dict[str, float]:
    """Ms per iteration of the variants that were measured under a setting."""
    files = [folder / f"{part}.json" for part in ("joint", "variants")]
    rows = [row for file in files if file.is_file() for row in json.loads(file.read_text())["rows"]]
    return {row["variant"]: row["ms"] for row in rows if row["setting"] == setting and "ms" in row}


def measure_speeds(
    found: Mapping[str, float], params: Params, train: Train, device: torch.device
) -> dict[str, float]:
    """Ms per iteration of all that is trained: what was found, and the rest measured."""
    arrays = random_arrays(params.data.size, params.data.scale)

    def measured(variant: str) -> float:
        row = time_variant(variant, params, train, arrays, device, warmup=3, repeats=5)
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
    train: Train,
    sets: Mapping[str, Arrays],
    *,
    folder: Path,
    device: torch.device,
) -> tuple[nn.Module, list[Row]]:
    """Train a variant, from the SR network in `folder`; its pipeline and the rows of its log."""
    alone, objective = variant == "sr", params.objective
    n = len(sets["train"].names)
    growth = alpha_growth(train.iterations, n, train.batch_size, objective.alpha_start)
    start = SimpleNamespace(variant=variant, sr=None if alone else folder / "sr", ss=None)
    pipeline = build(start, params, params.data.scale)
    rows = fit(
        pipeline,
        variant,
        (sets["train"], sets["val"]),
        train=train,
        objective=None if alone else objective.model_copy(update={"alpha_per_epoch": growth}),
        loss=None if alone else params.loss,
        beta=params.beta,
        seed=params.seed,
        checkpoints=Checkpoints(folder / "state" / variant, {}),
        log=lambda iteration, row: print(variant, row, flush=True),
        progress=lambda iteration, row: None,
        processes=Alone(device),
    )
    if alone:
        (folder / "sr").mkdir()
        save_model(folder / "sr", pipeline, {"variant": "sr", "scale": params.data.scale})
    return pipeline, rows


def score(pipeline: nn.Module, variant: str, test: Arrays, device: torch.device, batch: int) -> Row:
    """Scores over the test images, and the mean IoU at each threshold."""
    takes_hr = variant == "ss_hr"
    scores = evaluate(pipeline, test, takes_hr=takes_hr, batch_size=batch, device=device)
    curve = {} if scores.curve is None else {"curve": scores.curve.mean(axis=0).tolist()}
    return summarise(scores, test.mask) | curve


def example_column(
    pipeline: nn.Module, variant: str, images: Arrays, device: torch.device
) -> list[np.ndarray]:
    """What a pipeline makes of the examples: crack probabilities, or the SR image without them."""
    taken = images.hr if variant == "ss_hr" else images.lr
    results = predict(pipeline, taken, batch_size=1, device=device)
    return [to_bytes((sr if probs is None else probs)[0]) for sr, probs in results]


def write_sheet(file: Path, columns: Mapping[str, Sequence[np.ndarray]]) -> None:
    """Examples below each other, a named column for each of LR, HR, mask and the models."""
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
    return parser.parse_args()


def plan(args: argparse.Namespace, ends: float, params: Params, device: torch.device) -> Train:
    """The training that the time allows, the same for all variants."""
    changes = {"precision": "bfloat16", "compile": True, "checkpoint_every": 10**9}
    train = params.train.model_copy(update=changes)
    found = speeds_in(args.json.parent, "bfloat16, compiled")
    speeds = measure_speeds(found, params, train, device)
    iterations = affordable(ends - time.monotonic(), speeds)
    every = {"log_every": max(1, iterations // 20), "validate_every": iterations}
    return train.model_copy(update={"iterations": iterations, **every})


def main() -> None:
    """Train and score one variant after another, and write what is known after each."""
    args = parse_args()
    ends = time.monotonic() + args.seconds
    device, params = prepare(args), load_preset(args)
    with TemporaryDirectory() as name:
        folder = Path(name)
        sets = write_sets(args.images, params, folder)
        train, test, rows = plan(args, ends, params, device), sets["test"], []
        rng = np.random.default_rng(params.seed)
        chosen = choose_examples(crack_pixels(test.mask), EXAMPLES, rng)
        shown = Arrays(*(array[chosen] for array in test[:4]), [test.names[k] for k in chosen])
        columns = {"LR": shown.lr, "HR": shown.hr, "mask": shown.mask * np.uint8(255)}
        facts = {
            "benchmark": "training",
            **facts_of(device),
            "preset": args.preset,
            "images": args.images.name if args.images else "synthetic",
            **{f"{split} images": len(arrays.names) for split, arrays in sets.items()},
            "seed": params.seed,
            **train.model_dump(),
            "examples": shown.names,
        }
        for variant in TRAINED:
            began = time.monotonic()
            pipeline, log = train_variant(
                variant, params, train, sets, folder=folder, device=device
            )
            took = time.monotonic() - began
            with torch.compiler.set_stance("force_eager"):  # or each size of a batch is compiled
                scores = score(pipeline, variant, test, device, params.evaluate.batch_size)
                columns[variant] = example_column(pipeline, variant, shown, device)
            rows.append({"variant": variant, "s": took, **scores, "log": log})
            save(args.json, {**facts, "rows": rows})
            write_sheet(args.json.with_suffix(".jpg"), columns)


if __name__ == "__main__":
    run_stage(main)
