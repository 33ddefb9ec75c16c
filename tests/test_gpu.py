"""Training and evaluation on a GPU, where there is one, agree with those on the CPU."""

from pathlib import Path

import pytest
import torch
from networks import CPU, SEGMENTING, budget, losses_of, pipeline, striped_arrays, train
from shell import run

from cssr.data.arrays import Arrays
from cssr.models.dbpn import DBPN
from cssr.models.strided import cudnn_is_slow
from cssr.models.variants import VARIANTS
from cssr.training import batches
from cssr.training.batches import draw_batches, make_batch
from cssr.training.loop import Monitor, StoppedError
from cssr.training.parallel import Alone
from cssr.training.step import new_optimiser, train_step
from cssr.validation.predictor import Predictor
from cssr.validation.scores import evaluate

ROOT = Path(__file__).parents[1]
GPU = torch.device("cuda")
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@pytest.fixture(scope="module")
def arrays() -> Arrays:
    return striped_arrays()


def weights(model: torch.nn.Module) -> list[torch.Tensor]:
    return [value.cpu() for value in model.state_dict().values()]


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_training_on_the_gpu_follows_one_on_the_cpu(variant, arrays, tmp_path):
    here = train(variant, arrays, tmp_path / "a")[1]
    there = train(variant, arrays, tmp_path / "b", device=GPU)[1]
    for ours, theirs in zip(here, there, strict=True):
        assert theirs["loss"] == pytest.approx(ours["loss"], rel=0.01)


@pytest.mark.parametrize("changes", [{"precision": "bfloat16"}, {"compile": True}], ids=str)
def test_a_faster_training_follows_the_plain_one(changes, arrays, tmp_path):
    plain = train("cssr", arrays, tmp_path / "a", device=GPU)[1]
    faster = train("cssr", arrays, tmp_path / "b", device=GPU, **changes)[1]
    assert faster[-1]["loss"] == pytest.approx(plain[-1]["loss"], rel=0.05)


def test_bfloat16_convolutions_are_those_of_float32():
    torch.manual_seed(0)
    sr, lr = DBPN(stages=3, features=16, width=16).to(GPU), torch.rand(2, 3, 24, 24, device=GPU)
    plain = sr(lr)
    with torch.autocast("cuda", torch.bfloat16):
        assert cudnn_is_slow(lr)
        ours = sr(lr).float()
    assert (ours - plain).norm() < 0.02 * plain.norm()


@pytest.mark.parametrize("variant", VARIANTS)
def test_batches_read_ahead_are_those_on_the_gpu(
    variant, arrays, tmp_path, monkeypatch, deterministic
):
    resident = train(variant, arrays, tmp_path / "a", device=GPU)[0]
    monkeypatch.setattr(batches, "_fits", lambda *given: False)
    ahead = train(variant, arrays, tmp_path / "b", device=GPU)[0]
    assert all(map(torch.equal, weights(resident), weights(ahead)))


def test_an_interrupted_training_ends_with_the_same_bits(arrays, tmp_path, deterministic):
    whole = train("cssr", arrays, tmp_path / "a", device=GPU)[0]
    answers = iter([False, False, True])
    monitor = Monitor(stop_asked=lambda: next(answers))
    with pytest.raises(StoppedError):
        train("cssr", arrays, tmp_path / "b", device=GPU, monitor=monitor)
    resumed = train("cssr", arrays, tmp_path / "b", device=GPU)[0]
    assert all(map(torch.equal, weights(whole), weights(resumed)))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_step_does_not_wait_for_the_gpu(variant, arrays):
    model = pipeline(variant).to(GPU, memory_format=torch.channels_last)
    losses, optimiser = losses_of(model), new_optimiser(model, budget())
    drawn_batches = draw_batches(arrays, range(3), batch_size=2, seed=0, device=GPU)
    try:
        for iteration, drawn in enumerate(drawn_batches):
            batch = make_batch(drawn, scale=4, phi="normalised")
            process = Alone(GPU)
            train_step(losses, batch, iteration, optimiser, train=budget(), processes=process)
            torch.cuda.set_sync_debug_mode("error")  # from the second step on
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("variant", SEGMENTING)
def test_scores_on_the_gpu_are_those_on_the_cpu(variant, arrays, monkeypatch):
    # IoU of an image without crack jumps where one pixel reaches a threshold
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)

    def scores(device):
        return evaluate(Predictor(pipeline(variant), device=device, batch_size=4), arrays)

    ours, theirs = scores(CPU), scores(GPU)
    assert ours.keys() == theirs.keys()
    for name, values in ours.items():
        assert theirs[name] == pytest.approx(values, rel=0.01, abs=0.01)


@pytest.mark.parametrize(
    "command",
    [
        "train_step --preset smoke --variants cssr sr",
        "train_step --preset smoke --variants cssr --precision bfloat16 --device-share 0",
        "train_step --preset smoke --variants cssr --compile --recompute",
        "data --size 64 --images 70",
        "evaluate --size 64 --batch-size 2 --preset smoke",
        "inference --preset smoke --side 64",
        "checkpoint --preset smoke",
    ],
)
def test_a_benchmark_measures_the_gpu(command):
    done = run(f"python -m benchmarks.{command} --device cuda --repeats 2", ROOT)
    assert torch.cuda.get_device_name() in done.stdout
