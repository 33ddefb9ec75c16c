"""Training iterations without values: what they take, what they wait for, where they are."""

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from benchmarks.counted import LiveTensors, MovedBytes, fake_step, tensor_gib, tera_flop
from benchmarks.step import build, changed
from cssr.models.variants import VARIANTS
from cssr.paper import LOSSES
from cssr.training import objective
from cssr.training.guards import FiniteWatch
from cssr.training.parallel import Alone
from stages.preset import read_preset


@pytest.fixture(scope="module")
def smoke():
    return read_preset("smoke")


@pytest.fixture(scope="module")
def paper():
    return read_preset("paper")


def test_the_papers_joint_step_has_the_published_work(paper):
    assert tera_flop("cssr", paper) == pytest.approx(9.97, abs=0.01)


def test_tensors_are_counted_while_they_are_alive():
    with LiveTensors() as tensors:
        first = torch.zeros(1024)
        second = first + first[:1]
        del first
        third = second.double()
        del second, third
        torch.zeros(1)
    assert tensors.peak == 3 * 4096
    assert tensors.bytes == 0


def test_views_and_changes_in_place_are_not_counted_again():
    with LiveTensors() as tensors:
        image = torch.zeros(1024)
        image.view(32, 32)[:4].add_(1)
    assert tensors.peak == 4096


@pytest.mark.parametrize(
    ("less", "gib"),
    [
        ({}, 21.9),
        ({"recompute": True}, 7.4),
        ({"recompute": True, "precision": "bfloat16"}, 4.0),
        ({"recompute": True, "micro_batch": 1}, 1.7),
    ],
    ids=lambda value: ", ".join(value) or "nothing" if isinstance(value, dict) else "",
)
def test_the_papers_joint_step_holds_less_with_the_options_for_it(less, gib, paper):
    assert tensor_gib("cssr", changed(paper, {"train": less})) == pytest.approx(gib, abs=0.05)


def test_evaluating_the_papers_joint_model_holds_no_more_than_its_training(paper):
    low = paper.data.size // paper.data.scale
    with FakeTensorMode(), LiveTensors() as tensors, torch.inference_mode():
        build("cssr", paper)(torch.empty(paper.evaluate.batch_size, 3, low, low))
    less = changed(paper, {"train": {"recompute": True, "precision": "bfloat16"}})
    assert tensors.peak / 2**30 < tensor_gib("cssr", less)


def test_operations_are_counted_with_what_they_read_and_write():
    image, plane = torch.zeros(1, 4, 8, 8), torch.zeros(8, 8)  # 1,024 and 256 bytes
    with MovedBytes() as moved:
        image.add_(plane[None])
        torch.nn.functional.conv2d(image, torch.empty(4, 4, 1, 1))
    assert moved.bytes == 1024 + 256 + 1024  # and nothing for the view and the convolution


@pytest.mark.parametrize(
    ("variant", "loss"),
    [(variant, "bc2") for variant in VARIANTS] + [("cssr", loss) for loss in LOSSES],
)
def test_an_iteration_waits_for_no_number(variant, loss, smoke):
    train = {"precision": "bfloat16", "micro_batch": 1}
    params, finite = changed(smoke, {"loss": loss, "train": train}), FiniteWatch()
    with FakeTensorMode():
        take_step = fake_step(variant, params)
        for iteration in (1, 2):
            means = {name: value.mean() for name, value in take_step().items()}
            finite.see(iteration, means)
        with pytest.raises(DataDependentOutputException):
            finite.check()


def test_a_loss_that_looks_at_a_number_would_be_noticed(smoke, monkeypatch):
    def impatient(probs, mask, phi, **weights):
        return probs.mean(dim=(1, 2, 3)) * float(mask.max())

    monkeypatch.setitem(objective.LOSSES, smoke.loss, impatient)
    with FakeTensorMode(), pytest.raises(DataDependentOutputException):
        fake_step("cssr", smoke)()


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_gpus_losses_stay_on_the_gpu(variant, smoke, monkeypatch):
    if not torch.cuda.is_available():  # without one, PyTorch refuses the backward pass
        monkeypatch.setattr(Alone, "backward", lambda self, loss: None)
    with FakeTensorMode():
        losses = fake_step(variant, smoke, torch.device("cuda"))()
    assert {value.device.type for value in losses.values()} == {"cuda"}


def test_a_tensor_left_on_the_cpu_would_be_noticed(smoke, monkeypatch):
    def misplaced(probs, mask, phi, **weights):
        return (probs - torch.zeros(probs.shape)).mean(dim=(1, 2, 3))

    monkeypatch.setattr(Alone, "backward", lambda self, loss: None)
    monkeypatch.setitem(objective.LOSSES, smoke.loss, misplaced)
    with FakeTensorMode(), pytest.raises(RuntimeError, match=r"cuda:0.*cpu|cpu.*cuda:0"):
        fake_step("cssr", smoke, torch.device("cuda"))()
