import doctest
import os
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from networks import SEGMENTING, pipeline
from PIL import Image
from shell import run

import cssr
from cssr.data.arrays import to_unit
from cssr.inspection.backends import TorchNetwork
from cssr.inspection.photos import ArrayPhoto
from cssr.inspection.segmenter import Segmenter
from cssr.models.saved import save_model
from cssr.models.variants import VARIANTS


def photo(height: int, width: int) -> np.ndarray:
    """Noise on patches of brightness, so that tiles differ in their statistics."""
    rng = np.random.default_rng(0)
    patches = np.kron(rng.integers(40, 216, (9, 9, 3)), np.ones((80, 80, 1)))
    return (
        (patches[:height, :width] + rng.normal(0, 12, (height, width, 3)))
        .clip(0, 255)
        .astype(np.uint8)
    )


def segmenter(variant: str, threshold: float | None = 0.5, side: int = 448) -> Segmenter:
    network = pipeline(variant)
    sr = network.sr and network.sr.config
    description = {
        "variant": variant,
        "scale": 4,
        "side": side,
        "sr": sr,
        "ss": network.ss.config,
        "threshold": threshold,
    }
    return Segmenter(TorchNetwork(network, torch.device("cpu")), description)


@pytest.mark.parametrize("variant", SEGMENTING)
def test_a_photo_of_the_trainings_size_gives_what_evaluation_gives(variant):
    side = 448 if variant == "ss_hr" else 112
    image = photo(side, side)
    found = segmenter(variant).segment(image, tile=100 if VARIANTS[variant].enlarges_image else 352)
    with torch.inference_mode():
        sr, probs = pipeline(variant)(to_unit(torch.from_numpy(image[None])))
    np.testing.assert_allclose(found.probs, probs[0, 0], atol=1e-5, rtol=0)
    assert np.array_equal(found.mask, found.probs >= np.float32(0.5))
    assert (found.sr is None) == (sr is None)
    if sr is not None:
        expected = (sr[0].clamp(0, 1) * 255).permute(1, 2, 0)
        np.testing.assert_allclose(found.sr, expected, atol=0.51)


@pytest.mark.parametrize("variant", SEGMENTING)
def test_tiles_give_what_the_whole_photo_gives(variant):
    model = segmenter(variant, side=256)
    large = not VARIANTS[variant].enlarges_image
    image = photo(*((443, 459) if large else (213, 299)))
    tile = 352 if large else 80
    assert model.steps(ArrayPhoto(image), tile) >= 6
    whole, found = (model.segment(image, tile=side) for side in (None, tile))
    np.testing.assert_allclose(found.probs, whole.probs, atol=1e-5, rtol=0)
    assert found.sr is None or np.abs(found.sr.astype(int) - whole.sr).max() <= 1


def test_steps_are_as_many_as_advances():
    model, image, count = segmenter("cssr", side=64), photo(213, 299), 0

    def advance():
        nonlocal count
        count += 1

    assert len(list(model.bands(ArrayPhoto(image), tile=80, advance=advance))) > 2
    assert count == model.steps(ArrayPhoto(image), 80)


def test_a_crack_is_found_as_well_where_the_rest_of_the_photo_is_dark():
    model, image = segmenter("cssr", side=64), photo(200, 100)
    dark = image.copy()
    dark[100:] //= 5
    lit, shaded = (model.segment(each).probs[:320] for each in (image, dark))
    np.testing.assert_allclose(shaded[:200], lit[:200], atol=1e-5)


def test_pixels_without_data_change_nothing_elsewhere_and_hold_no_crack():
    model = segmenter("ss_hr", side=64)
    image = photo(200, 176)
    valid = np.ones((200, 176), bool)
    valid[:, 80:] = False
    other = np.where(valid[..., None], image, 255)
    one, two = (
        np.concatenate([band.probs for band in model.bands(ArrayPhoto(each, valid))])
        for each in (image, other)
    )
    np.testing.assert_allclose(one, two, atol=1e-6)
    assert not one[:, 80:].any()
    assert one[:, :80].all()


def test_holes_in_a_photo_are_no_edges_and_tiles_fill_them_alike():
    model, image = segmenter("cssr", side=64), photo(213, 299)
    image[:] = image.mean((0, 1)).astype(np.uint8)
    valid = np.ones((213, 299), bool)
    valid[::20, ::20] = valid[100:103] = valid[:, 250:] = False
    holed = np.dstack([image * valid[..., None], valid * np.uint8(255)])
    found = [model.segment(Image.fromarray(holed), tile=side, threshold=0) for side in (None, 80)]
    np.testing.assert_allclose(found[0].probs, found[1].probs, atol=1e-5)
    inside = np.repeat(np.repeat(valid, 4, 0), 4, 1)
    assert np.array_equal(found[0].mask, inside)
    np.testing.assert_allclose(found[0].sr[inside], model.segment(image).sr[inside], atol=1)


@pytest.mark.parametrize("variant", ["cssr", "inverse"])
@pytest.mark.parametrize(("height", "width"), [(97, 131), (5, 3), (1, 1)])
def test_a_photo_of_any_size_gives_results_of_its_size_times_the_scale(variant, height, width):
    found = segmenter(variant).segment(photo(height, width))
    assert found.probs.shape == found.mask.shape == (4 * height, 4 * width)
    assert found.sr is None or found.sr.shape == (4 * height, 4 * width, 3)


def test_tiles_are_as_large_as_the_networks_allow():
    paper = {"stages": 6, "width": 64}, {"encoder": [64, 128, 256, 512, 512]}
    small = {"stages": 2, "width": 8}, {"encoder": [8, 16, 24, 32, 32]}
    network = SimpleNamespace(threads=2)
    tiles = {
        (sr["width"], variant): Segmenter(
            network, {"variant": variant, "scale": 4, "sr": sr, "ss": ss}
        ).tile
        for sr, ss in (paper, small)
        for variant in ("cssr", "inverse")
    }
    assert tiles == {
        (64, "cssr"): 186,
        (64, "inverse"): 384,  # its overlap alone takes 320
        (8, "cssr"): 272,
        (8, "inverse"): 774,
    }


def test_a_tile_below_what_the_networks_see_is_refused():
    with pytest.raises(ValueError, match="a tile of 79 px is too small; 80 px or more are needed"):
        segmenter("cssr").segment(photo(97, 131), tile=79)


def test_gray_and_files_are_taken_too(tmp_path):
    model, gray = segmenter("cssr"), photo(64, 64)[..., 0]
    Image.fromarray(gray).save(tmp_path / "gray.png")
    expected = model.segment(np.repeat(gray[..., None], 3, 2)).probs
    assert np.array_equal(model.segment(gray).probs, expected)
    assert np.array_equal(model.segment(tmp_path / "gray.png").probs, expected)


def test_the_result_says_how_the_photo_was_read_and_where_it_has_data(tmp_path):
    gray = photo(48, 64)[..., 0].astype(np.uint16) << 2
    Image.fromarray(gray).save(tmp_path / "deep.png")
    found = segmenter("cssr").segment(tmp_path / "deep.png")
    assert found.notes == ("values fill 10 of 16 bits; scaled",)
    assert found.valid.shape == (48, 64)
    assert found.valid.all()
    alpha = np.full((48, 64), 255, np.uint8)
    alpha[:, :20] = 0
    found = segmenter("cssr").segment(Image.fromarray(np.dstack([photo(48, 64), alpha])))
    assert np.array_equal(found.valid, alpha > 0)
    assert found.notes == ()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((8, 8, 3)), "uint8"),
        (np.zeros((8, 8, 4), np.uint8), "3 channels, RGB, not 4"),
        (np.zeros((0, 8), np.uint8), "uint8"),
    ],
    ids=["float", "RGBA", "empty"],
)
def test_what_is_no_image_is_refused(image, message):
    with pytest.raises(ValueError, match=message):
        segmenter("cssr").segment(image)


def test_a_model_without_threshold_asks_for_one():
    with pytest.raises(ValueError, match="no threshold of its own"):
        segmenter("cssr", threshold=None).segment(photo(32, 32))


def test_a_threshold_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"the threshold 1.5 is not in \[0, 1\]"):
        segmenter("cssr").segment(photo(32, 32), threshold=1.5)


def test_a_saved_model_is_loaded_with_its_threshold(tmp_path):
    save_model(
        tmp_path, pipeline("cssr"), {"variant": "cssr", "scale": 4, "threshold": 0.37, "side": 448}
    )
    model = cssr.load(tmp_path)
    assert model.threshold == 0.37
    assert np.array_equal(
        model.segment(photo(64, 64)).probs, segmenter("cssr").segment(photo(64, 64)).probs
    )


def test_super_resolution_alone_is_refused(tmp_path):
    save_model(tmp_path, pipeline("sr"), {"variant": "sr", "scale": 4})
    with pytest.raises(ValueError, match="super-resolution alone, it does not segment"):
        cssr.load(tmp_path)


def test_the_documented_example_runs_with_a_trained_model(reproduced, monkeypatch):
    monkeypatch.chdir(reproduced)
    assert doctest.testmod(cssr).attempted > 0
    assert doctest.testmod(cssr).failed == 0


def test_the_python_of_the_docs_runs_with_a_trained_model(reproduced, monkeypatch, tmp_path):
    text = Path("docs/inspection.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    shutil.copytree(reproduced / "runs/seed-0/cssr", tmp_path / "runs/seed-0/cssr")
    cv2.imwrite(str(tmp_path / "wall.jpg"), photo(64, 64))
    monkeypatch.chdir(tmp_path)
    exec(code, {})


def test_importing_the_package_does_not_import_pytorch():
    run("python -c \"import sys, cssr; sys.exit('torch' in sys.modules)\"", os.curdir)
