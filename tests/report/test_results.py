import json
import re

import pytest

from cssr.report.results import (
    best_betas,
    check_same_examples,
    check_trained_with,
    read_cell,
    read_examples,
    require,
)


@pytest.mark.parametrize("name", ["metrics.json", "run.json", "curve.csv"])
def test_a_missing_file_is_named(fake, name):
    folder = fake.write_cell("cssr", level=0.5)
    (folder / name).unlink()
    with pytest.raises(ValueError, match=f"{name} is missing; run `dvc repro`"):
        read_cell(folder)


@pytest.mark.parametrize("name", ["metrics.json", "run.json", "curve.csv"])
def test_a_truncated_file_is_named(fake, name):
    folder = fake.write_cell("cssr", level=0.5)
    (folder / name).write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=name):
        read_cell(folder)


def test_a_missing_metric_is_named(fake):
    folder = fake.write_cell("cssr", level=0.5)
    fake.write_json(folder / "metrics.json", {"test": {"aiu": 0.5, "iou_max": 0.6}, "val": {}})
    with pytest.raises(ValueError, match=r"metrics.json: test.threshold is None, not a number"):
        read_cell(folder)


def test_nan_is_no_number(tmp_path):
    metrics = json.loads('{"aiu": NaN}')
    with pytest.raises(ValueError, match=r"val.aiu is nan"):
        require(metrics, "aiu", file=tmp_path, part="val")


def test_a_curve_has_one_value_per_threshold(fake):
    cell = read_cell(fake.write_cell("cssr", level=0.5))
    assert {name: len(column) for name, column in cell.curve.items()} == {
        "threshold": 99,
        "iou": 99,
        "iou_crack": 99,
        "iou_val": 99,
    }


def test_a_cell_trained_with_another_beta_is_refused(fake):
    cell = read_cell(fake.write_cell("cssr", level=0.5, beta=0.3))
    with pytest.raises(ValueError, match=r"run.json: beta is 0.3, the parameters say 0.7"):
        check_trained_with(cell, loss="bc2", beta=0.7)


def test_best_beta_is_chosen_on_validation_and_not_on_test(fake):
    test_prefers = fake.write_cell("sweep/bc2-0.1", level=0.6, val_aiu=0.2)
    val_prefers = fake.write_cell("sweep/bc2-0.5", level=0.4, val_aiu=0.3)
    sweep = {("bc2", 0.1): read_cell(test_prefers), ("bc2", 0.5): read_cell(val_prefers)}
    assert best_betas(sweep) == {"bc2": 0.5}


def test_examples_come_thinnest_first(fake):
    folder = fake.write_cell("cssr", level=0.5)
    fake.write_examples("cssr")
    rows = [(0, "wide.png", 4), (1, "thin.png", 2)]
    fake.write_csv(folder / "examples/examples.csv", ["index", "name", "width"], rows)
    assert [example.name for example in read_examples(folder)] == ["thin.png", "wide.png"]


def test_only_a_model_with_an_sr_image_has_one(fake):
    for name in ("cssr", "inverse"):
        fake.write_cell(name, level=0.5)
        fake.write_examples(name)
    has = [
        read_examples(fake.root / "results" / name)[0].sr is not None
        for name in ("cssr", "inverse")
    ]
    assert has == [True, False]


def test_a_missing_example_is_named(fake):
    folder = fake.write_cell("cssr", level=0.5)
    fake.write_examples("cssr")
    (folder / "examples/01_probs.png").unlink()
    with pytest.raises(ValueError, match=re.escape("01_probs.png is missing")):
        read_examples(folder)


def test_a_broken_example_is_named(fake):
    folder = fake.write_cell("cssr", level=0.5)
    fake.write_examples("cssr")
    (folder / "examples/01_hr.png").write_bytes(b"\x89PNG")
    with pytest.raises(ValueError, match=re.escape("01_hr.png cannot be read")):
        read_examples(folder)


def test_examples_of_different_images_are_refused(fake):
    folder = fake.write_cell("cssr", level=0.5)
    fake.write_examples("cssr")
    shown = read_examples(folder)
    with pytest.raises(ValueError, match="inverse and cssr hold examples of different images"):
        check_same_examples({"cssr": shown, "inverse": shown[1:]})
