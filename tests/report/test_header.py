import pytest

from cssr.report.header import (
    Setting,
    find_edits,
    footer_line,
    header_lines,
    preferred_beta_note,
)
from cssr.report.results import read_cell

DEMO = Setting("demo", 0, (), "synthetic", 1000)
WARNING = "NOT comparable with the paper's"


@pytest.fixture
def cell(fake):
    return read_cell(fake.write_cell("cssr", level=0.5))


def test_each_changed_parameter_is_an_edit():
    params = {"preset": "demo", "beta": 0.7, "train": {"iterations": 10, "batch_size": 8}}
    preset = {"preset": "demo", "beta": 0.3, "train": {"iterations": 300, "batch_size": 8}}
    assert find_edits(params, preset) == (
        "beta 0.7 (demo: 0.3)",
        "train.iterations 10 (demo: 300)",
    )


def test_an_edited_list_is_shown_whole():
    params = {"preset": "demo", "sweep": {"betas": [0.1, 0.2]}}
    preset = {"preset": "demo", "sweep": {"betas": [0.1]}}
    assert find_edits(params, preset) == ("sweep.betas [0.1, 0.2] (demo: [0.1])",)


def test_the_preset_itself_has_no_edits():
    params = {"preset": "demo", "beta": 0.7}
    assert find_edits(params, params) == ()


def test_an_edited_preset_says_so():
    setting = Setting("demo", 0, ("beta 0.7 (demo: 0.3)",), "synthetic", 1000)
    assert setting.title == "preset: demo, edited: beta 0.7 (demo: 0.3)"


def test_the_header_names_everything(cell):
    assert header_lines(DEMO, [cell]) == [
        "preset: demo",
        "these numbers are NOT comparable with the paper's: not its setting",
        "data: synthetic; HR 64×64 px, LR 16×16 px (×4)",
        "images: 200 train, 40 val, 60 test",
        "iterations per training: 300; of the SR network alone before: 1000",
        "seed: 0",
        "device: cpu",
        "versions: python 3.11.9, torch 2.11.0",
    ]


@pytest.mark.parametrize(
    ("setting", "warned"),
    [
        (DEMO, True),
        (Setting("paper", 0, (), "khanhha", 1000), False),
        (Setting("paper", 0, ("beta 0.7 (paper: 0.3)",), "khanhha", 1000), True),
    ],
)
def test_only_the_unedited_paper_preset_is_comparable(cell, setting, warned):
    assert (WARNING in "\n".join(header_lines(setting, [cell]))) == warned


def test_different_devices_stand_side_by_side(fake, cell):
    other = read_cell(fake.write_cell("inverse", level=0.5))
    other.run["device"] = "NVIDIA H200"
    assert "device: cpu / NVIDIA H200" in header_lines(DEMO, [cell, other])


def test_the_figures_name_the_preset(cell):
    assert footer_line(DEMO, [cell]) == "preset: demo · seed 0 · 300 iterations · 60 test images"


@pytest.mark.parametrize(
    ("val_aiu", "beta", "prefers"),
    [
        ({0.1: 0.4, 0.5: 0.3}, 0.1, None),
        ({0.1: 0.4, 0.5: 0.45}, 0.1, "prefers β = 0.5"),
        ({0.1: 0.4, 0.5: 0.45}, 0.3, None),  # not in the sweep, but (f) itself has 0.5
        ({0.1: 0.4, 0.5: 0.55}, 0.3, "prefers β = 0.5"),
    ],
)
def test_another_preferred_beta_is_told(fake, val_aiu, beta, prefers):
    chosen = read_cell(fake.write_cell("cssr", level=0.5, val_aiu=0.5, beta=beta))
    sweep = {
        ("bc2", b): read_cell(fake.write_cell(f"sweep/bc2-{b}", level=0.5, val_aiu=aiu, beta=b))
        for b, aiu in val_aiu.items()
    }
    note = preferred_beta_note(chosen, sweep, loss="bc2", beta=beta)
    assert (note is None) if prefers is None else (prefers in note)
