import numpy as np
import pytest
import torch

from cssr.data.arrays import Arrays, load_arrays
from cssr.preparation.array_files import write_arrays
from cssr.sources.synthetic import write_synthetic
from cssr.training.batches import (
    Drawn,
    DrawnBatches,
    _from_device,
    _from_files,
    batch_indices,
    draw_batches,
    make_batch,
    read_batches,
)

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def arrays(tmp_path_factory) -> Arrays:
    """Ten small images, memory-mapped as in a training."""
    folder = tmp_path_factory.mktemp("arrays")
    write_synthetic(folder, train=10, test=1, size=64, crack_width=(1.0, 4.0), seed=0)
    images = sorted((folder / "train/images").iterdir())
    pairs = [(image, folder / f"train/masks/{image.stem}.png") for image in images]
    (folder / "out").mkdir()
    write_arrays(folder / "out", pairs, size=64, scale=4)
    return load_arrays(folder / "out")


def batches_of(arrays: Arrays, share: slice = slice(None)) -> DrawnBatches:
    return DrawnBatches(_from_files(arrays), 10, batch_size=4, seed=0, share=share)


def tensors(drawn: Drawn) -> list[torch.Tensor]:
    return [*drawn[:3], *drawn.augmentation]


def assert_equal(first: Drawn, second: Drawn) -> None:
    for a, b in zip(tensors(first), tensors(second), strict=True):
        assert torch.equal(a, b)


def test_an_epoch_holds_every_image_and_fills_its_last_batch():
    batches = [batch_indices(k, n=10, batch_size=4, seed=0) for k in range(3)]
    assert sorted(np.concatenate(batches)[:10]) == list(range(10))
    assert [len(batch) for batch in batches] == [4, 4, 4]
    assert np.array_equal(batches[2][2:], batches[0][:2])


def test_epochs_have_different_orders():
    assert not np.array_equal(batch_indices(0, 10, 10, 0), batch_indices(1, 10, 10, 0))


def test_processes_that_read_ahead_give_the_same_batches_in_the_same_order(arrays):
    batches = batches_of(arrays)
    ahead = list(read_batches(batches, range(2, 9), workers=2, pinned=False))
    assert len(ahead) == 7
    for iteration, drawn in zip(range(2, 9), ahead, strict=True):
        assert_equal(drawn, batches[iteration])


def test_images_kept_on_the_device_give_the_same_batches(arrays):
    resident = DrawnBatches(_from_device(arrays, CPU), 10, batch_size=4, seed=0, share=slice(None))
    for iteration in range(3):
        assert_equal(resident[iteration], batches_of(arrays)[iteration])


def test_the_shares_of_two_processes_make_up_the_batch(arrays):
    whole = batches_of(arrays)[5]
    halves = [batches_of(arrays, slice(rank, None, 2))[5] for rank in range(2)]
    for value, first, second in zip(tensors(whole), *map(tensors, halves), strict=True):
        assert torch.equal(value[0::2], first)
        assert torch.equal(value[1::2], second)


def test_a_batch_has_lr_images_masks_and_distances_of_its_own_images(arrays):
    drawn = next(draw_batches(arrays, range(1), batch_size=10, seed=0, device=CPU))
    batch = make_batch(drawn, scale=4, phi="normalised")
    assert batch.lr.shape == (10, 3, 16, 16)
    assert torch.equal(batch.lr_mask, torch.nn.functional.avg_pool2d(batch.mask, 4))
    assert (batch.lr_phi[batch.lr_mask > 0] <= 0).all()
    without = batch.mask.flatten(1).amax(1) == 0
    assert without.any()
    assert batch.phi[without].abs().max() == 0


def test_a_batch_is_split_into_parts_of_its_images(arrays):
    drawn = next(draw_batches(arrays, range(1), batch_size=5, seed=0, device=CPU))
    batch = make_batch(drawn, scale=4, phi="pixels")
    parts = list(batch.split(2))
    assert [len(part.hr) for part in parts] == [2, 2, 1]
    for value, *pieces in zip(batch, *parts, strict=True):
        assert torch.equal(torch.cat(pieces), value)
