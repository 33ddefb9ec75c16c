import base64
import json
import re
import shutil
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cssr.inspection import gallery
from cssr.inspection.gallery import write_gallery
from cssr.inspection.summary import FILES

NAMES = ("a <b>.png", "b.png", "sub/c.png")
LENGTHS = (10.0, 500.0, 0.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Results of three photos, the last without crack, and one that could not be read."""
    folder = tmp_path_factory.mktemp("gallery")
    settings = {"model": "0123456789", "threshold": 0.5, "min_area": 16, "mm_per_px": None}
    for k, (name, length) in enumerate(zip(NAMES, LENGTHS, strict=True)):
        (folder / name).mkdir(parents=True)
        for picture in ("preview.jpg", "preview_overlay.jpg"):
            Image.fromarray(np.full((30, 40, 3), 60 * k, np.uint8)).save(folder / name / picture)
        for written in FILES:
            (folder / name / written).touch()
        cracks = int(length > 0)
        pd.DataFrame({"crack": [1] * cracks, "length_px": [length] * cracks}).to_csv(
            folder / name / "cracks.csv", index=False
        )
        width = 3.0 - k if cracks else None
        summary = {"height": 30, "width": 40, "scale": 4, "cracks": cracks, "settings": settings}
        summary |= {"length_px": length, "width_mean_px": width, "width_max_px": width}
        (folder / name / "photo.json").write_text(json.dumps(summary))
    write_gallery(folder, {"bad.jpg": "damaged"})
    return folder


@pytest.fixture
def page(open_page, folder):
    return open_page((folder / "index.html").as_uri())


def names(page):
    return page.locator("#photos .name").all_inner_texts()


def test_the_table_holds_the_cracks_of_all_photos(folder):
    table = pd.read_csv(folder / "cracks.csv")
    assert list(table.photo) == list(NAMES[:2])
    run = ["threshold", "model", "scale", "mm_per_px"]
    assert list(table.columns) == ["photo", "crack", "length_px", *run]


def test_a_second_table_has_a_row_for_each_photo(folder):
    table = pd.read_csv(folder / "photos.csv").set_index("photo")
    assert list(table.index) == [NAMES[0], NAMES[1], "bad.jpg", NAMES[2]]
    assert list(table.cracks.dropna()) == [1, 1, 0]
    assert list(table.error.dropna()) == ["damaged"]


def test_the_page_tells_totals_and_failures(page):
    assert page.locator("h1").inner_text() == "Cracks in 3 photos"
    assert page.locator(".totals dd").all_inner_texts() == ["2 of 3", "2", "510 px", "3.0 px"]
    assert "bad.jpg: damaged" in page.locator(".failed").inner_text()
    assert names(page) == list(NAMES)


def test_of_many_photos_the_pictures_are_smaller(folder, monkeypatch, tmp_path):
    shutil.copytree(folder, tmp_path / "many")
    monkeypatch.setattr(gallery, "PAGE_BYTES", 1)
    monkeypatch.setattr(gallery, "SMALLEST_SIDE", 20)
    gallery.write_gallery(tmp_path / "many", {})
    text = (tmp_path / "many/index.html").read_text()
    pictures = re.findall(r"data:image/jpeg;base64,([^\"']+)", text)
    sizes = [Image.open(BytesIO(base64.b64decode(picture))).size for picture in pictures]
    assert sizes == [(20, 15)] * 6


@pytest.mark.parametrize(("order", "first"), [("length", 1), ("width", 0), ("name", 0)])
def test_photos_are_put_in_order(page, order, first):
    page.locator("#order").select_option(order)
    assert names(page)[0] == NAMES[first]


def test_marks_are_switched_by_key_and_box(page):
    card = page.locator("#photos li").first
    page.keyboard.press("m")
    assert card.locator("img.plain").is_visible()
    assert not card.locator("img.marked").is_visible()
    page.locator("#marks").check()
    assert card.locator("img.marked").is_visible()


def test_a_photo_shown_large_has_links_to_its_files(page, folder):
    page.locator("#photos li button").first.click()
    links = page.locator("dialog nav a").evaluate_all("links => links.map(link => link.href)")
    assert links == [(folder / NAMES[0] / name).as_uri() for name in FILES]


def test_a_photo_is_shown_large_and_arrows_go_on(page):
    page.locator("#photos li button").first.focus()
    page.keyboard.press("Enter")
    title = page.locator("dialog strong")
    assert title.inner_text() == NAMES[0]
    page.keyboard.press("ArrowRight")
    assert title.inner_text() == NAMES[1]
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert title.inner_text() == NAMES[0]
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()


@pytest.mark.parametrize("width", [360, 1280])
def test_no_width_scrolls_sideways(open_page, folder, width):
    page = open_page((folder / "index.html").as_uri(), viewport={"width": width, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_dark_and_light_differ(open_page, folder):
    address = (folder / "index.html").as_uri()
    backs = {
        open_page(address, color_scheme=scheme).evaluate(
            "getComputedStyle(document.body).backgroundColor"
        )
        for scheme in ("dark", "light")
    }
    assert len(backs) == 2
