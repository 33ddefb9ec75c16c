"""Small networks, images and trainings for tests."""

from pathlib import Path

import numpy as np
import torch

from cssr.data.arrays import Arrays
from cssr.models.dbpn import DBPN
from cssr.models.initial import initialise
from cssr.models.pipeline import Pipeline
from cssr.models.unet import UNet
from cssr.models.variants import VARIANTS
from cssr.params import Objective, Train
from cssr.preparation.distance import signed_distance
from cssr.training.checkpoints import Checkpoints
from cssr.training.loop import Monitor, fit
from cssr.training.objective import TrainingLosses
from cssr.training.parallel import Alone
from stages.preset import read_preset

CPU = torch.device("cpu")
SMOKE = read_preset("smoke").model_dump()
OBJECTIVE = Objective(**{**SMOKE["objective"], "alpha_start": 0.01, "alpha_per_epoch": 0.1})
SEGMENTING = [name for name, variant in VARIANTS.items() if variant.segments]  # Table 1's


def pipeline(variant: str) -> Pipeline:
    """A variant around seeded small networks, at scale 4; what it does not train is frozen."""
    generator = torch.Generator().manual_seed(0)
    record = VARIANTS[variant]
    sr = DBPN(channels=record.sr_channels, stages=2, features=4, width=4)
    ss = UNet(encoder=[4] * 5, decoder=2)
    networks = {"sr": sr, "ss": ss}
    for name, network in networks.items():
        initialise(network, generator)
        network.requires_grad_(name in record.trained)
    used = {name: networks[name] if name in record.steps else None for name in networks}
    return Pipeline(variant, **used, scale=4)


def losses_of(model: Pipeline, *, n_train: int = 6, batch_size: int = 2) -> TrainingLosses:
    """What a model is trained on: BC2, and β = 0.3 where both networks are trained."""
    trained = model.variant.trained
    return TrainingLosses(
        model,
        loss="bc2" if "ss" in trained else None,
        objective=OBJECTIVE if "ss" in trained else None,
        beta=0.3 if model.variant.joint else None,
        n_train=n_train,
        batch_size=batch_size,
    )


def budget(**changes: object) -> Train:
    """The smoke preset's with batches of two images, but for what is changed."""
    ours = {
        "batch_size": 2,
        "micro_batch": 2,
        "learning_rate": 1e-3,
        "checkpoint_every": 2,
        "log_every": 3,
        "validate_every": 6,
    }
    return Train(**{**SMOKE["train"], **ours, **changes})


def striped_arrays() -> Arrays:
    """Six images of noise, all but the last with a horizontal crack."""
    rng = np.random.default_rng(0)
    hr = rng.integers(0, 256, (6, 64, 64, 3), np.uint8)
    mask = np.zeros((6, 64, 64), np.uint8)
    mask[:5, 20:24] = 1
    phi = np.stack([signed_distance(m) for m in mask]).astype(np.float16)
    return Arrays(hr, hr[:, ::4, ::4].copy(), mask, phi, [str(k) for k in range(6)])


def train(
    variant: str,
    arrays: Arrays,
    folder: Path,
    *,
    iterations: int = 6,
    monitor: Monitor | None = None,
    model: Pipeline | None = None,
    device: torch.device = CPU,
    **changes: object,
) -> tuple[Pipeline, list[dict]]:
    """Train `model`, or a new one, within a budget; the model and the rows of its log."""
    model = model or pipeline(variant)
    rows = fit(
        losses_of(model, n_train=len(arrays.names), batch_size=changes.get("batch_size", 2)),
        arrays,
        arrays,
        train=budget(**changes),
        iterations=iterations,
        seed=0,
        checkpoints=Checkpoints(folder),
        processes=Alone(device),
        monitor=monitor or Monitor(),
    )
    return model, rows
