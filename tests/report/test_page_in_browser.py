"""The page in a real Chromium: `make browser` installs one."""

import copy
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cssr.paper import MODELS
from cssr.report.figures import FIGURES
from cssr.report.page import write_page
from cssr.validation.metrics import THRESHOLDS, iou_curve

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

SVG = '<svg width="490pt" height="266pt" xmlns="http://www.w3.org/2000/svg"/>'
COMMITTED = Path(__file__).parents[2] / "reports" / "index.html"
NAMES = list(MODELS)
CSSR, INVERSE = NAMES.index("cssr"), NAMES.index("inverse")
OUTCOMES = ("tp", "fp", "fn", "tn")
RED = "id => +getComputedStyle(document.getElementById(id)).backgroundColor.match(/\\d+/)"
PREFERRED = {name: 0.2 + 0.05 * index for index, name in enumerate(NAMES)}


@pytest.fixture(scope="module")
def examples(shared_results):
    return shared_results.examples


@pytest.fixture(scope="module")
def address(shared_results, tmp_path_factory):
    """The address of a page whose models prefer different thresholds."""
    models = copy.deepcopy(shared_results.models)
    for name, result in models.items():
        result.seeds[0].test["val_threshold"] = PREFERRED[name]
    file = tmp_path_factory.mktemp("page") / "index.html"
    write_page(
        file,
        results=replace(shared_results, models=models),
        header=["preset: demo"],
        notes=[],
        figures=dict.fromkeys(FIGURES, SVG),
    )
    return file.as_uri()


@pytest.fixture
def visit(open_page, address):
    """Opens the page, and waits until it has counted."""

    def visit_page(**options):
        page = open_page(address, **options)
        playwright.expect(page.locator("#iou")).not_to_have_text("–")
        return page

    return visit_page


def choose(page, group, index):
    page.locator(f"input[name={group}][value='{index}']").check()


def set_threshold(page, percent):
    page.locator("#threshold").fill(f"{percent / 100:.2f}")


def text(page, name):
    return page.locator(f"#{name}").inner_text()


def count(page, name):
    return int(text(page, name).replace(",", ""))


def painted(page, canvas):
    """Gray values of a canvas, (H, W)."""
    data = page.evaluate(
        "id => [...document.getElementById(id).getContext('2d').getImageData(0, 0, 64, 64).data]",
        canvas,
    )
    return np.array(data, np.uint8).reshape(64, 64, 4)[..., 0]


def iou_of(example, percent):
    """IoU as the evaluation computes it, of the probabilities that the page holds."""
    probs = torch.from_numpy(example.probs.astype(np.float32) / 255)
    mask = torch.from_numpy((example.mask > 0).astype(np.float32))
    return f"{float(iou_curve(probs[None, None], mask[None, None])[0, percent - 1]):.3f}"


@pytest.mark.parametrize("model", [0, CSSR])
def test_the_iou_of_the_page_is_that_of_the_metrics(visit, examples, model):
    page, shown, expected = visit(), {}, {}
    choose(page, "model", model)
    for image, example in enumerate(examples[NAMES[model]]):
        choose(page, "image", image)
        for percent in (1, 5, 20, 33, 40, 60, 80, 99):
            set_threshold(page, percent)
            shown[image, percent] = text(page, "iou")
            expected[image, percent] = iou_of(example, percent)
    assert shown == expected


def test_the_slider_redraws_the_mask(visit, examples):
    page = visit()
    probs = examples["cssr"][0].probs.astype(np.float32) / 255
    for percent in (5, 20, 60):
        set_threshold(page, percent)
        assert (painted(page, "mask") == 255 * (probs >= THRESHOLDS[percent - 1])).all()
        assert text(page, "at") == f"{percent / 100:.2f}"


def test_the_counts_of_the_legend_are_those_of_the_pixels(visit, examples):
    page = visit()
    example = examples["cssr"][0]
    truth = example.mask > 0
    for percent in (5, 40, 90):
        set_threshold(page, percent)
        found = example.probs / np.float32(255) >= THRESHOLDS[percent - 1]
        outcomes = (found & truth, found & ~truth, ~found & truth, ~found & ~truth)
        shown = [count(page, name) for name in OUTCOMES]
        assert shown == [pixels.sum() for pixels in outcomes]


def test_the_difference_has_the_colours_of_its_legend(visit):
    page, seen = visit(), set()
    reds = {name: page.evaluate(RED, f"{name}-colour") for name in OUTCOMES}
    for percent in (5, 90):
        set_threshold(page, percent)
        pixels = zip(*np.unique(painted(page, "difference"), return_counts=True), strict=True)
        counts = {name: count(page, name) for name in OUTCOMES if count(page, name)}
        assert dict(pixels) == {reds[name]: number for name, number in counts.items()}
        seen |= counts.keys()
    assert seen == set(OUTCOMES)


def test_a_model_starts_at_the_threshold_that_its_validation_prefers(visit):
    page, shown = visit(), {}
    for index, name in enumerate(NAMES):
        choose(page, "model", index)
        shown[name] = float(text(page, "at"))
    assert shown == pytest.approx(PREFERRED)


def test_the_button_goes_back_to_validations_threshold(visit):
    page = visit()
    set_threshold(page, 90)
    page.locator("#preferred").click()
    assert text(page, "at") == f"{PREFERRED['cssr']:.2f}"


def test_only_a_model_with_an_sr_image_shows_one(visit):
    page = visit()
    assert page.locator("#sr img").count() == 1
    choose(page, "model", INVERSE)
    assert page.locator("#sr img").count() == 0
    assert text(page, "sr") == "(g) segments the LR image and makes no SR image"


def test_another_image_keeps_model_and_threshold(visit):
    page = visit()
    choose(page, "model", INVERSE)
    set_threshold(page, 70)
    choose(page, "image", 2)
    assert text(page, "at") == "0.70"
    assert page.locator("#hr img").get_attribute("alt") == "HR image fake_2.png"
    assert "Inverse" in page.locator("#probability img").get_attribute("alt")


def test_letters_choose_the_model_and_digits_the_image(visit):
    page = visit()
    page.locator("#viewer").focus()
    page.keyboard.press("b")
    page.keyboard.press("3")
    assert "Bicubic" in page.locator("#probability img").get_attribute("alt")
    assert page.locator("#hr img").get_attribute("alt") == "HR image fake_2.png"


def test_plus_minus_and_v_set_the_threshold(visit):
    page = visit()
    page.locator("#viewer").focus()
    seen = []
    for key in ("+", "+", "-", "v"):
        page.keyboard.press(key)
        seen.append(text(page, "at"))
    assert seen == ["0.46", "0.47", "0.46", "0.45"]


def test_arrow_keys_move_what_has_the_focus(visit):
    page = visit()
    page.locator("#threshold").focus()
    page.keyboard.press("ArrowRight")
    assert text(page, "at") == "0.46"
    page.locator("input[name=model]:checked").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("input[name=model]:checked").get_attribute("value") == str(INVERSE)


def test_keys_with_ctrl_stay_the_browsers(visit):
    page = visit()
    page.locator("#viewer").focus()
    page.keyboard.press("Control+b")
    assert page.locator("input[name=model]:checked").get_attribute("value") == str(CSSR)


def test_every_control_can_be_reached_by_tab(visit):
    page, reached = visit(), set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.name || document.activeElement.id"))
    assert reached >= {"image", "model", "threshold", "preferred"}


def column(page, index):
    return page.locator(f"#models tbody tr > :nth-child({index + 1})").all_inner_texts()


def test_a_heading_sorts_its_column_down_and_up_with_absent_numbers_last(visit):
    page = visit()
    heading = page.locator("#models thead th").nth(1)
    heading.locator("button").click()
    assert column(page, 1) == ["29.04", "28.52", "27.61", "–", "–", "–", "–"]
    assert heading.get_attribute("aria-sort") == "descending"
    heading.locator("button").click()
    assert column(page, 1) == ["27.61", "28.52", "29.04", "–", "–", "–", "–"]
    assert heading.get_attribute("aria-sort") == "ascending"


def test_the_models_can_be_brought_back_into_their_order(visit):
    page = visit()
    before = column(page, 0)
    for index in (2, 0):
        page.locator("#models thead button").nth(index).press("Enter")
    assert column(page, 0) == before
    assert page.locator("#models [aria-sort]").count() == 1


def test_dark_and_light_have_their_own_background(visit):
    script = "getComputedStyle(document.body).backgroundColor"
    light, dark = (visit(color_scheme=scheme).evaluate(script) for scheme in ("light", "dark"))
    assert min(map(int, light[4:-1].split(","))) > 200
    assert max(map(int, dark[4:-1].split(","))) < 60


def test_the_body_does_not_scroll_sideways(visit):
    page = visit()
    for width in (320, 360, 720, 1280):
        page.set_viewport_size({"width": width, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_committed_page_shows_its_figures_and_every_image_of_every_model(open_page):
    page = open_page(COMMITTED.as_uri(), viewport={"width": 360, "height": 740})
    figures = page.locator("#figures img")
    loaded = figures.evaluate_all("all => all.map(image => image.complete && image.naturalWidth)")
    assert len(loaded) == len([figure for figure in FIGURES.values() if not figure.of_seeds])
    assert min(loaded) > 100
    seen = set()
    for image in range(page.locator("input[name=image]").count()):
        choose(page, "image", image)
        for model in range(len(NAMES)):
            choose(page, "model", model)
            playwright.expect(page.locator("#iou")).to_have_text(re.compile(r"0\.\d{3}"))
            counts = {name: count(page, name) for name in OUTCOMES}
            seen.add((image, *counts.values()))
    assert len({sum(counts) for _, *counts in seen}) == 1
    assert len(seen) > 7
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
