import re
from dataclasses import replace
from html import unescape

import pytest

from cssr.report.header import NOT_COMPARABLE
from cssr.report.page import FIGURES, write_page
from cssr.report.results import MODELS, read_cell, read_examples

SVG = """<svg width="72pt" height="36pt" xmlns="http://www.w3.org/2000/svg">
<g id="{}" fill="#eee"/></svg>"""
HOSTILE = "</script><b>&\"'.png"


@pytest.fixture
def content(fake):
    """Arguments of write_page, from made-up results."""
    fake.write()
    folders = {name: fake.root / "results" / name for name in MODELS}
    return {
        "cells": {name: read_cell(folder) for name, folder in folders.items()},
        "examples": {name: read_examples(folder) for name, folder in folders.items()},
        "header": ["preset: demo", NOT_COMPARABLE, "device: cpu"],
        "notes": ["A note."],
        "figures": {name: SVG.format(name) for name in FIGURES},
    }


@pytest.fixture
def write(tmp_path, content):
    """Write the page with these changes, return its text."""

    def write_page_with(**changes):
        write_page(tmp_path / "index.html", **content | changes)
        return (tmp_path / "index.html").read_text(encoding="utf-8")

    return write_page_with


def test_two_pages_of_the_same_results_are_the_same_bytes(write):
    assert write() == write()


@pytest.mark.parametrize("name", MODELS)
def test_each_model_has_a_switch_and_a_row(write, name):
    title = "({}) {}".format(*MODELS[name])
    assert write().count(f">{title}<") == 2


def test_each_example_has_a_switch(write, content):
    names = re.findall(r'name="image".*?alt="(.*?)"', write(), re.DOTALL)
    assert names == [example.name for example in content["examples"]["cssr"]]


@pytest.mark.parametrize("name", FIGURES)
def test_each_figure_is_there_with_its_title(write, name):
    page = write()
    assert f"<strong>Fig. {name[3:]}. {FIGURES[name][0]}.</strong>" in page
    assert f'id="{name}"' in unescape(page)


def test_a_figure_takes_its_size_from_its_svg(write):
    assert 'width="125" height="62"' in write()  # 72 pt by 36 pt, at 1.3


def test_the_header_and_the_notes_are_shown(write):
    page = write()
    assert "<dt>preset</dt><dd>demo</dd>" in page
    assert "<li>A note.</li>" in page


def test_the_demo_is_not_comparable_with_the_paper(write):
    assert f'<p class="warning">{NOT_COMPARABLE}</p>' in unescape(write())


def test_the_papers_own_setting_carries_no_warning(write):
    assert "NOT comparable" not in write(header=["preset: paper"])


def test_names_and_notes_cannot_be_markup(write, content):
    examples = {
        model: [replace(example, name=HOSTILE) for example in shown]
        for model, shown in content["examples"].items()
    }
    plain = write()
    page = write(examples=examples, notes=[HOSTILE], header=[f"preset: {HOSTILE}"])
    assert "<b>" not in page
    assert page.count("</script>") == plain.count("</script>")
    assert HOSTILE in unescape(page)


def test_no_address_but_of_namespaces_is_in_the_page(write):
    assert set(re.findall(r"https?://[^\s\"'&]+", write())) == {"http://www.w3.org/2000/svg"}


def test_the_network_is_forbidden(write):
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', write(), re.DOTALL)[1]
    assert "default-src 'none'" in policy
    assert "img-src data:;" in policy


def test_best_and_second_best_are_marked(write):
    cells = re.findall(r'data-value="2\d\.\d+">(.*?)<', write().replace("<strong>", "B "))
    assert "B 29.04" in cells
    assert "<u>28.52</u>" in write()


def test_a_number_that_is_absent_has_no_value_to_sort_by(write):
    absent = [
        field for field in re.findall(r"<td.*?>.*?(?=<)", write()) if "data-value" not in field
    ]
    assert {field.split(">")[1] for field in absent} == {"–", "not legible"}


def test_an_image_without_crack_says_so(write, content):
    examples = {
        model: [replace(example, width=0.0) for example in shown]
        for model, shown in content["examples"].items()
    }
    assert write(examples=examples).count("<span>no crack</span>") == 3
