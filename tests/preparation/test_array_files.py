import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from cssr.data.arrays import load_arrays
from cssr.data.degrade import bicubic, downscale
from cssr.preparation.array_files import CHUNK, find_pairs, write_arrays
from cssr.preparation.distance import signed_distance

SIDE = 32


def write_pair(folder: Path, stem: str, image: np.ndarray, mask: np.ndarray) -> None:
    """A pair of lossless files; the image is RGB."""
    for kind, pixels in (("images", image[..., ::-1]), ("masks", mask)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / kind / f"{stem}.png"), pixels)


@pytest.fixture
def raw(tmp_path):
    """A folder of three random images with one vertical crack each."""
    rng = np.random.default_rng(0)
    for index in range(3):
        image = rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[:, 5 + index : 10 + index] = 255
        write_pair(tmp_path / "raw", f"x_{index}", image, mask)
    return tmp_path / "raw"


NAMES = ["x_0.png", "x_1.png", "x_2.png"]


def write(raw: Path, names=NAMES, *, size: int = SIDE, scale: int = 4) -> Path:
    folder = raw.parent / "arrays"
    folder.mkdir(exist_ok=True)
    write_arrays(folder, find_pairs(raw, names), size=size, scale=scale)
    return folder


def read_rgb(file: Path) -> np.ndarray:
    return cv2.imread(str(file))[..., ::-1]


def test_the_images_come_back_in_rgb_and_in_order(raw):
    hr = load_arrays(write(raw)).hr
    assert np.array_equal(hr, [read_rgb(raw / "images" / name) for name in NAMES])


def test_the_names_come_back_in_order(raw):
    assert load_arrays(write(raw, NAMES[::-1])).names == NAMES[::-1]


def test_more_images_than_are_held_in_memory_at_a_time_keep_their_order(raw):
    names = [NAMES[index % 3] for index in range(CHUNK + 2)]
    arrays = load_arrays(write(raw, names))
    assert arrays.names == names
    assert np.array_equal(arrays.hr[-1], arrays.hr[(CHUNK + 1) % 3])


def test_masks_are_binarised_at_128(raw):
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    write_pair(raw, "y", image, np.tile(np.uint8([0, 9, 127, 128, 246, 255, 0, 0]), (SIDE, 4)))
    assert load_arrays(write(raw, ["y.png"])).mask[0, 0, :8].tolist() == [0, 0, 0, 1, 1, 1, 0, 0]


def test_low_resolution_images_are_rounded_bicubic_copies(raw):
    arrays = load_arrays(write(raw))
    hr = torch.from_numpy(arrays.hr.copy()).permute(0, 3, 1, 2).double() / 255
    lr = torch.from_numpy(arrays.lr.copy()).permute(0, 3, 1, 2).double()
    error = lr - downscale(hr, 4).clamp(0, 1) * 255
    assert error.abs().max() <= 0.5 + 1e-4


def test_phi_is_the_signed_distance_of_the_mask(raw):
    arrays = load_arrays(write(raw))
    assert arrays.phi.dtype == np.float16
    assert np.allclose(arrays.phi[1], signed_distance(arrays.mask[1]), rtol=1e-3)


def test_larger_images_are_reduced_bicubically(raw):
    hr = load_arrays(write(raw, size=16)).hr[0]
    image = torch.from_numpy(read_rgb(raw / "images/x_0.png").copy()).permute(2, 0, 1)[None]
    expected = bicubic(image.double(), (16, 16)).clamp(0, 255)[0].permute(1, 2, 0).numpy()
    assert np.abs(hr - expected).max() <= 0.5 + 1e-4


def test_reduced_masks_are_crack_where_half_of_the_area_is(raw):
    # crack on columns 5 … 9, two columns to a pixel
    assert load_arrays(write(raw, size=16)).mask[0, 0, :7].tolist() == [0, 0, 1, 1, 1, 0, 0]


def test_arrays_are_memory_mapped(raw):
    assert all(isinstance(array, np.memmap) for array in load_arrays(write(raw))[:4])


def test_real_images_become_arrays(real_zip, tmp_path):
    with zipfile.ZipFile(real_zip) as archive:
        for name in archive.namelist():
            if "/test/" in name and "/CFD_00" in name:
                target = tmp_path / "raw" / "/".join(name.split("/")[-2:])
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(name))
    names = sorted(file.name for file in (tmp_path / "raw/images").iterdir())
    arrays = load_arrays(write(tmp_path / "raw", names, size=448))
    assert arrays.lr.shape == (len(names), 112, 112, 3)
    assert 0 < arrays.mask.mean() < 0.1
