from dataclasses import replace

import pytest

from cssr.report.header import (
    Setting,
    find_edits,
    footer_line,
    header_lines,
    preferred_beta_note,
)

DEMO = Setting("demo", (0,), (), "synthetic", 1000)
PAPER = Setting("paper", (0,), (), "khanhha", 1000)
EDITED = Setting("paper", (0,), ("beta 0.7 (paper: 0.3)",), "khanhha", 1000)


@pytest.mark.parametrize(
    ("params", "preset", "edits"),
    [
        ({"beta": 0.3}, {"beta": 0.3}, ()),
        ({"beta": 0.7}, {"beta": 0.3}, ("beta 0.7 (demo: 0.3)",)),
        ({"train": {"a": 1, "b": 2}}, {"train": {"a": 3, "b": 2}}, ("train.a 1 (demo: 3)",)),
        ({"betas": [0.1, 0.2]}, {"betas": [0.1]}, ("betas [0.1, 0.2] (demo: [0.1])",)),
        ({"path": {"own": "own.zip"}}, {"path": {}}, ("path.own own.zip (demo: absent)",)),
    ],
)
def test_each_changed_parameter_is_an_edit(params, preset, edits):
    assert find_edits({"preset": "demo", **params}, {"preset": "demo", **preset}) == edits


def test_an_edited_preset_says_so():
    assert EDITED.title == "preset: paper, edited: beta 0.7 (paper: 0.3)"


def test_the_header_names_everything(results):
    assert header_lines(DEMO, results.all) == [
        "preset: demo",
        "these numbers are NOT comparable with the paper's: not its setting",
        "data: synthetic; HR 64×64 px, LR 16×16 px (×4)",
        "images: 200 train, 40 val, 60 test",
        "iterations per training: 300; of the SR network alone before: 1000",
        "seed: 0",
        "device: cpu",
        "versions: python 3.11.9, torch 2.11.0",
    ]


@pytest.mark.parametrize(("setting", "warned"), [(DEMO, True), (PAPER, False), (EDITED, True)])
def test_only_the_unedited_paper_preset_is_comparable(results, setting, warned):
    assert ("NOT comparable" in "\n".join(header_lines(setting, results.all))) == warned


def test_different_devices_stand_side_by_side(results):
    results.models["inverse"].run["device"] = "NVIDIA H200"
    assert "device: cpu / NVIDIA H200" in header_lines(DEMO, results.all)


def test_several_seeds_are_named(results):
    setting = replace(DEMO, seeds=(0, 2))
    assert "seeds: 0, 2; numbers are means over them" in header_lines(setting, results.all)
    assert "seeds 0, 2 ·" in footer_line(setting, results.all)


def test_the_figures_name_the_preset(results):
    footer = footer_line(DEMO, results.all)
    assert footer == "preset: demo · seed 0 · 300 iterations · 60 test images"


@pytest.mark.parametrize(
    ("val_aiu", "beta", "prefers"),
    [
        ({0.1: 0.4, 0.5: 0.3}, 0.1, None),
        ({0.1: 0.4, 0.5: 0.45}, 0.1, "prefers β = 0.5"),
        ({0.1: 0.4, 0.5: 0.45}, 0.3, None),  # not in the sweep, but (f) itself has 0.5
        ({0.1: 0.4, 0.5: 0.55}, 0.3, "prefers β = 0.5"),
    ],
)
def test_another_preferred_beta_is_told(results, val_aiu, beta, prefers):
    results.models["cssr"].val["aiu"] = 0.5
    for b, aiu in val_aiu.items():
        results.sweep["bc2", b].val["aiu"] = aiu
    note = preferred_beta_note(results, loss="bc2", beta=beta)
    assert (note is None) if prefers is None else (prefers in note)
