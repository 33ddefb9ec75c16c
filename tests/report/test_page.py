import re
from dataclasses import replace
from html import unescape

import pytest

from cssr.paper import MODELS
from cssr.report.figures import FIGURES
from cssr.report.header import NOT_COMPARABLE
from cssr.report.page import write_page

SVG = """<svg width="72pt" height="36pt" xmlns="http://www.w3.org/2000/svg">
<g id="{}" fill="#eee"/></svg>"""
HOSTILE = "</script><b>&\"'.png"


@pytest.fixture(scope="module")
def write(tmp_path_factory, shared_results):
    """Write the page with these changes, return its text."""
    file = tmp_path_factory.mktemp("page") / "index.html"
    content = {
        "results": shared_results,
        "header": ["preset: demo", NOT_COMPARABLE, "device: cpu"],
        "notes": ["A note."],
        "figures": {name: SVG.format(name) for name in FIGURES},
    }

    def write_page_with(**changes):
        write_page(file, **content | changes)
        return file.read_text(encoding="utf-8")

    return write_page_with


@pytest.fixture(scope="module")
def page(write):
    return write()


def test_each_model_has_a_switch_and_a_row(page):
    assert [page.count(f">{title}<") for title in MODELS.values()] == [2] * len(MODELS)


def test_each_example_has_a_switch(page, shared_results):
    names = re.findall(r'name="image".*?alt="(.*?)"', page, re.DOTALL)
    assert names == [example.name for example in shared_results.examples["cssr"]]


def test_each_figure_is_there_with_its_title(page):
    for name, figure in FIGURES.items():
        shown = f"Fig. {name[3:]}" if name.startswith("fig") else "Claims"
        assert f"<strong>{shown}. {figure.title}.</strong>" in page
        assert f'id="{name}"' in unescape(page)


def test_a_figure_takes_its_size_from_its_svg(page):
    assert 'width="125" height="62"' in page  # 72 pt by 36 pt, at 1.3


def test_the_header_and_the_notes_are_shown(page):
    assert "<dt>preset</dt><dd>demo</dd>" in page
    assert "<li>A note.</li>" in page


def test_the_demo_is_not_comparable_with_the_paper(page):
    assert f'<p class="warning">{NOT_COMPARABLE}</p>' in unescape(page)


def test_the_papers_own_setting_carries_no_warning(write):
    assert "NOT comparable" not in write(header=["preset: paper"])


def test_names_and_notes_cannot_be_markup(page, write, shared_results):
    examples = {
        model: [replace(example, name=HOSTILE) for example in shown]
        for model, shown in shared_results.examples.items()
    }
    hostile = write(
        results=replace(shared_results, examples=examples),
        notes=[HOSTILE],
        header=[f"preset: {HOSTILE}"],
    )
    assert "<b>" not in hostile
    assert hostile.count("</script>") == page.count("</script>")
    assert HOSTILE in unescape(hostile)


def test_no_address_but_of_namespaces_is_in_the_page(page):
    assert set(re.findall(r"https?://[^\s\"'&]+", page)) == {"http://www.w3.org/2000/svg"}


def test_the_network_is_forbidden(page):
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', page, re.DOTALL)[1]
    assert "default-src 'none'" in policy
    assert "img-src data:;" in policy


def test_best_and_second_best_are_marked(page):
    assert "<strong>29.04</strong>" in page
    assert "<u>28.52</u>" in page


def test_a_number_that_is_absent_has_no_value_to_sort_by(page):
    fields = re.findall(r"<td.*?>.*?(?=<)", page)
    absent = [field for field in fields if "data-value" not in field]
    assert {field.split(">")[1] for field in absent} == {"–", "not legible"}
