"""bfloat16 training follows float32, on a CPU (which emulates it where it lacks it) and on a GPU.

The learning rate is one at which a training is stable: at 1e-3, initial weights that differ by 1e-6
of themselves already move the smoothed losses by 5 %.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from networks import budget

from cssr.data.arrays import Arrays, load_arrays
from cssr.models.dbpn import DBPN
from cssr.models.initial import initialise
from cssr.models.pipeline import Pipeline
from cssr.models.unet import UNet
from cssr.preparation.array_files import find_pairs, write_arrays
from cssr.sources.synthetic import write_synthetic
from cssr.training.checkpoints import Checkpoints
from cssr.training.loop import Monitor, fit
from cssr.training.objective import TrainingLosses
from cssr.training.parallel import Alone
from cssr.validation.predictor import Predictor
from cssr.validation.scores import evaluate, summarise
from stages.preset import read_preset

pytestmark = pytest.mark.slow
ITERATIONS, WINDOW = 200, 50


@pytest.fixture(scope="module")
def arrays(tmp_path_factory) -> tuple[Arrays, Arrays]:
    folder = tmp_path_factory.mktemp("set")
    write_synthetic(folder, train=120, test=40, size=64, crack_width=(1.0, 4.0), seed=3)
    for split in ("train", "test"):
        names = sorted(file.name for file in (folder / split / "images").iterdir())
        (folder / "arrays" / split).mkdir(parents=True)
        pairs = find_pairs(folder / split, names)
        write_arrays(folder / "arrays" / split, pairs, size=64, scale=4)
    return load_arrays(folder / "arrays/train"), load_arrays(folder / "arrays/test")


def train(
    arrays: tuple[Arrays, Arrays], precision: str, folder: Path, device: torch.device
) -> tuple[np.ndarray, float]:
    """Smoothed losses of a CSSR training, and its AIU on the test images."""
    generator = torch.Generator().manual_seed(0)
    sr = DBPN(stages=2, features=16, width=8)
    ss = UNet(encoder=[8, 16, 24, 32, 32], decoder=4)
    initialise(sr, generator)
    initialise(ss, generator)
    pipeline = Pipeline("cssr", sr=sr, ss=ss, scale=4)
    losses = TrainingLosses(
        pipeline,
        loss="bc2",
        objective=read_preset("demo").objective,
        beta=0.3,
        n_train=len(arrays[0].names),
        batch_size=8,
    )
    rows = fit(
        losses,
        *arrays,
        train=budget(
            batch_size=8,
            micro_batch=8,
            learning_rate=3e-4,
            precision=precision,
            checkpoint_every=10**6,
            log_every=WINDOW,
            validate_every=ITERATIONS,
        ),
        iterations=ITERATIONS,
        seed=0,
        checkpoints=Checkpoints(folder / precision),
        processes=Alone(device),
        monitor=Monitor(),
    )
    scores = evaluate(Predictor(pipeline, device=device, batch_size=8), arrays[1])
    return np.array([row["loss"] for row in rows]), summarise(scores, arrays[1].mask)["aiu"]


@pytest.mark.parametrize("name", ["cpu", "cuda"])
def test_smoothed_losses_within_2_percent_and_the_aiu_within_1_percent(name, arrays, tmp_path):
    if name == "cuda" and not torch.cuda.is_available():
        pytest.skip("there is no GPU")
    device = torch.device(name)
    full, full_aiu = train(arrays, "float32", tmp_path, device)
    half, half_aiu = train(arrays, "bfloat16", tmp_path, device)
    np.testing.assert_allclose(half, full, rtol=0.02)
    assert half_aiu == pytest.approx(full_aiu, abs=0.01)
    assert full_aiu > 0.2  # it has learnt
