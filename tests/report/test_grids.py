import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from cssr.models.variants import VARIANTS
from cssr.paper import MODELS
from cssr.report.grids import GAP, LEFT, TILE, TOP, Labels, draw_grid, save_comparison, save_samples
from cssr.report.results import Example


def example(size=32, width=2.0, sr=True, seed=0):
    rng = np.random.default_rng(seed)
    hr = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
    gray = hr[..., 0]
    return Example(
        "x.png", width, lr=hr[::4, ::4], hr=hr, mask=gray, probs=gray, sr=hr if sr else None
    )


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize("size", [32, 448])
def test_samples_of_any_size_are_drawn(tmp_path, size):
    save_samples([example(size)] * 2, tmp_path / "fig1", footer="preset: demo")
    assert Image.open(tmp_path / "fig1.png").height > 3 * 128


def test_the_comparison_holds_each_image_of_each_example(tmp_path):
    with_sr = [name for name in MODELS if VARIANTS[name].enlarges_image]
    of_hr = [name for name in MODELS if VARIANTS[name].takes_hr]
    shown = {name: [example(sr=name in with_sr)] * 2 for name in MODELS}
    save_comparison(shown, tmp_path / "fig7", footer="")
    images = ElementTree.parse(tmp_path / "fig7.svg").iter("{http://www.w3.org/2000/svg}image")
    above = len(with_sr) + len(of_hr)
    assert len(list(images)) == 2 * (2 + len(MODELS) + above)  # LR and mask, probabilities, above


def test_files_of_many_noisy_examples_stay_small(tmp_path):
    rng = np.random.default_rng(0)
    noise = (140 + rng.normal(0, 14, (128, 128, 1)).repeat(3, axis=2)).astype(np.uint8)
    noisy = replace(example(128), lr=noise[::4, ::4], hr=noise, sr=noise)
    noisy = replace(noisy, mask=np.zeros_like(noisy.mask), probs=np.zeros_like(noisy.probs))
    save_comparison({name: [noisy] * 8 for name in MODELS}, tmp_path / "fig7", footer="")
    assert (tmp_path / "fig7.png").stat().st_size < 1e6
    assert (tmp_path / "fig7.svg").stat().st_size < 1.5e6


def test_the_png_shows_the_pixels_of_a_tile_one_by_one(tmp_path):
    tile = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    labels = Labels(columns=["c"] * 2, rows=["r"], groups=[], footer="")
    figure = draw_grid([[None, tile]], side=128, labels=labels, together=1)
    figure.savefig(tmp_path / "tile.png", dpi=128 / TILE)
    image = np.asarray(Image.open(tmp_path / "tile.png").convert("RGB"))
    y, x = (round(inches * 128 / TILE) for inches in (TOP, LEFT + TILE + GAP))
    assert (image[y : y + 128, x : x + 128] == tile).all()


def test_the_labels_are_written_around():
    labels = Labels(columns=["one"], rows=["two"], groups=["three"], footer="four")
    figure = draw_grid([[np.zeros((8, 8), np.uint8)]], side=128, labels=labels, together=1)
    assert texts(figure) == ["one", "two", "three", "four"]


def test_texts_stay_inside_a_narrow_figure():
    footer = "preset: paper, edited · 100000 iterations · 1695 test images"
    labels = Labels(columns=["4.2 px"], rows=["HR image"], groups=[], footer=footer)
    figure = draw_grid([[None]], side=128, labels=labels, together=1)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert all(box.x1 <= figure.bbox.x1 for box in boxes)


def test_an_empty_place_says_that_there_is_no_sr_image():
    labels = Labels(columns=["c"], rows=["r"], groups=[], footer="")
    figure = draw_grid([[None]], side=128, labels=labels, together=1)
    assert "no SR image" in texts(figure)
