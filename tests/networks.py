"""Small networks, images and trainings for tests."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from cssr.data.arrays import Arrays
from cssr.data.distance import signed_distance
from cssr.models.dbpn import DBPN
from cssr.models.initial import initialise
from cssr.models.unet import UNet
from cssr.models.pipeline import build_pipeline
from cssr.training.parallel import Alone
from cssr.params import Objective, Train
from cssr.training.checkpoints import Checkpoints
from cssr.training.loop import fit

CPU = torch.device("cpu")
IDENTITY = {"parameters": "p", "code": "c", "inputs": "i"}


def pipeline(variant: str) -> torch.nn.Module:
    """A variant around seeded small networks, at scale 4; what it does not train is frozen."""
    generator = torch.Generator().manual_seed(0)
    sr = DBPN(channels=1 if variant in ("ss_sr", "inverse") else 3, stages=2, features=4, width=4)
    ss = UNet(encoder=[4] * 5, decoder=2)
    initialise(sr, generator)
    initialise(ss, generator)
    sr.requires_grad_(variant != "sr_ss")
    ss.requires_grad_(variant != "ss_sr")
    return build_pipeline(variant, sr=sr, ss=ss, scale=4)


def budget(**changes: object) -> Train:
    """Six iterations of two images, but for what is changed."""
    values = {
        "iterations": 6,
        "batch_size": 2,
        "learning_rate": 1e-3,
        "precision": "float32",
        "compile": False,
        "recompute": False,
        "deterministic": False,
        "micro_batch": 2,
        "devices": 1,
        "checkpoint_every": 2,
        "log_every": 3,
        "validate_every": 6,
    }
    return Train(**{**values, **changes})


def striped_arrays() -> Arrays:
    """Six images of noise, all but the last with a horizontal crack."""
    rng = np.random.default_rng(0)
    hr = rng.integers(0, 256, (6, 64, 64, 3), np.uint8)
    mask = np.zeros((6, 64, 64), np.uint8)
    mask[:5, 20:24] = 1
    phi = np.stack([signed_distance(m) for m in mask]).astype(np.float16)
    return Arrays(hr, hr[:, ::4, ::4].copy(), mask, phi, [str(k) for k in range(6)])


def ignore(iteration: int, row: dict) -> None:
    """Neither log nor show."""


def train(
    variant: str,
    arrays: Arrays,
    folder: Path,
    *,
    log: Callable = ignore,
    progress: Callable = ignore,
    stop_asked: Callable = lambda: False,
    model: torch.nn.Module | None = None,
    device: torch.device = CPU,
    **changes: object,
) -> tuple[torch.nn.Module, list[dict]]:
    """Train `model`, or a new one, within a budget; the model and the rows of its log."""
    model = model or pipeline(variant)
    rows = fit(
        model,
        variant,
        (arrays, arrays),
        train=budget(**changes),
        objective=Objective(gamma=0.5, alpha_start=0.01, alpha_per_epoch=0.1, phi="normalised"),
        loss="bc2",
        beta=0.3,
        seed=0,
        checkpoints=Checkpoints(folder, IDENTITY),
        log=log,
        progress=progress,
        processes=Alone(device),
        stop_asked=stop_asked,
    )
    return model, rows
