import copy
import shutil
from pathlib import Path

import pytest
import yaml

from cssr.params import parse_params
from stages import preset
from stages.common import preset_names, run_stage
from stages.preset import preset_text, read_preset

PAPERS_OWN = {"paper": {"losses"}}  # stated although the demo has the same: others are added there


@pytest.fixture
def values() -> dict:
    return yaml.safe_load(Path("presets/demo.yaml").read_text())


def changed(values: dict, key: str, value: object) -> dict:
    values = copy.deepcopy(values)
    section = values
    *sections, name = key.split(".")
    for part in sections:
        section = section[part]
    section[name] = value
    return values


def message(values: object) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        parse_params(values)
    return str(caught.value)


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_is_valid_and_names_itself(name):
    assert read_preset(name).preset == name


def test_the_committed_params_are_the_demo_preset():
    assert Path("params.yaml").read_text() == Path("presets/demo.yaml").read_text()


def test_the_paper_preset_holds_the_papers_numbers():
    p = read_preset("paper")
    assert (p.data.source, p.data.size, p.data.scale, p.split.val) == ("khanhha", 448, 4, 481)
    assert (p.model.sr.stages, p.model.sr.features, p.model.sr.width) == (6, 256, 64)
    assert (p.model.ss.encoder, p.model.ss.decoder) == ([64, 128, 256, 512, 512], 32)
    assert p.model.ss.pretrained
    assert (p.train.learning_rate, p.train.batch_size) == (1e-5, 6)
    assert (p.iterations.sr, p.iterations.models) == (100_000, 100_000)
    assert p.sweep.losses == ["dice", "boundary_gdice", "bc1", "bc2", "gbc1", "gbc2"]
    assert p.sweep.betas == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    assert (p.objective.alpha_start, p.objective.alpha_per_epoch) == (0.01, 0.01)
    assert (p.loss, p.objective.gamma) == ("bc2", 0.5)


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("beta", 1.3, "beta: 1.3 is not in [0, 1]"),
        ("beta", "x", "beta: 'x' is not a number"),
        ("beta", float("nan"), "beta: nan is not a finite number"),
        ("beta", True, "beta: true is not a number"),
        ("beta", None, "beta: null is not a number"),
        ("split.seed", -1, "split.seed: -1 is not in 0 … 4,294,967,295"),
        (
            "loss",
            "bc3",
            "loss: 'bc3' is not one of 'dice', 'boundary_gdice', 'bc1', 'bc2', 'gbc1', 'gbc2', "
            "'boundary_gdice_printed'",
        ),
        ("seeds", [], "seeds: [] is not a list of one or more different values"),
        ("seeds", [1, 1], "seeds: [1, 1] is not a list of one or more different values"),
        ("betta", 1, "betta: unknown key (did you mean beta?)"),
        ("iterations.models", 10.5, "iterations.models: 10.5 is not an integer"),
        (
            "iterations.models",
            10**30,
            "iterations.models: 1000000000000000000000000000000 is not in 1 … 1,000,000,000",
        ),
        ("train", 3, "train: 3 is not a section of keys"),
        ("train.xyzzy", 3, "train.xyzzy: unknown key (known: batch_size, learning_rate"),
        ("train.learning_rate", "1e-5", "(YAML reads it as a string: write 1.0e-5, not 1e-5)"),
        ("sweep.betas", [], "sweep.betas: [] is not a list of one or more different values"),
        ("sweep.betas", [0.1, 0.1], "sweep.betas: [0.1, 0.1] is not a list of one or more"),
        ("sweep.betas", [0.1, 2.0], "sweep.betas.1: 2.0 is not in [0, 1]"),
        ("sweep.betas", [0.1, 1], "sweep.betas.1: 1 has no decimal point: write 1.0"),
        ("data.scale", 3, "data.scale: 3 is not one of 2, 4, 8"),
        ("data.size", 100, "data.size: 100 is not a multiple of 64 (16 × data.scale)"),
        ("data.size", 256, "data.size: 256 is not ≤ data.image_size (128)"),
        ("data.source", "path", "data.path: {} is not name: folder or zip (data.source: path)"),
        ("data.path", {"a/b": "x"}, "is not a name of letters"),
        ("data.synthetic.crack_width", [3.0, 1.0], "is not [least, greatest]"),
        ("data.source", "khanhha", "data.image_size: 128 is not 448, the side of Khanhha's images"),
        ("data.synthetic.crack_width", [3.0], "is not a list of 2 values"),
        ("data.synthetic.crack_width", [1.0, 1.0e9], "is not ≤ 32 px (data.image_size / 4)"),
        ("data.path", None, "data.path: null is not a section of keys"),
        ("data.path", {1: "a.zip"}, "data.path.1: 1 is not a string"),
        ("split.val", 240, "split.val: 240 is not < data.synthetic.train (240)"),
        ("model.sr.features", 5000, "model.sr.features: 5000 is not in 1 … 4096"),
        ("train.micro_batch", 5, "train.micro_batch: 5 is not ≤ train.batch_size (3)"),
        ("train.devices", 2, "train.devices: 2 does not divide train.batch_size (3)"),
        ("model.ss.pretrained", True, "only with VGG-16's [64, 128, 256, 512, 512]"),
        ("device", "tpu", "device: 'tpu' is not auto, cpu, cuda or cuda:N"),
        ("device", "cuda:", "device: 'cuda:' is not auto, cpu, cuda or cuda:N"),
        ("device", "cuda:²", "device: 'cuda:²' is not auto, cpu, cuda or cuda:N"),
        ("device", "cpu:0", "device: 'cpu:0' is not auto, cpu, cuda or cuda:N"),
    ],
)
def test_the_error_names_the_key_the_value_and_what_is_allowed(values, key, value, line):
    text = message(changed(values, key, value))
    assert line in text
    assert "\n" not in text


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_states_only_what_differs_from_the_demos(name):
    texts = (Path(f"presets/{each}.yaml").read_text() for each in (name, "demo"))
    changes, default = map(yaml.safe_load, texts)

    def same(values: dict, others: dict) -> list[str]:
        inner = [same(values[key], others[key]) for key in values if isinstance(values[key], dict)]
        return sum(inner, [key for key in values if values[key] == others.get(key)])

    assert name == "demo" or set(same(changes, default)) <= PAPERS_OWN.get(name, set())


def test_a_loss_that_is_added_to_the_demo_is_none_of_the_papers(tmp_path, monkeypatch):
    shutil.copytree("presets", tmp_path / "presets")
    monkeypatch.chdir(tmp_path)
    demo = Path("presets/demo.yaml")
    demo.write_text(demo.read_text().replace("gbc2]", "gbc2, boundary_gdice_printed]"))
    losses = {name: read_preset(name).sweep.losses for name in ("demo", "paper")}
    assert losses["demo"] == [*losses["paper"], "boundary_gdice_printed"]


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_is_written_whole_with_the_demos_comments(name):
    text = preset_text(name)
    assert parse_params(yaml.safe_load(text)) == read_preset(name)
    assert "  log_every: " in text
    assert "# u-net" in text.lower()


def test_a_presets_own_comment_replaces_the_demos():
    assert "alpha_per_epoch: 0.6      # 0.6 × training images" in preset_text("own")


def test_a_missing_key_is_named(values):
    del values["iterations"]["models"]
    assert message(values) == (
        "iterations.models: missing (it belongs in presets/demo.yaml, from which "
        "python -m stages.preset NAME writes params.yaml)"
    )


def test_a_mistyped_key_is_named_before_the_one_that_is_missing(values):
    values["betta"] = values.pop("beta")
    assert message(values) == "betta: unknown key (did you mean beta?) (and 1 more)"


def test_a_key_that_is_no_text_is_named(values):
    assert message({**values, 1: 2}) == "1: 1 is not a key: keys are strings"


def test_a_key_of_a_section_that_is_no_text_is_named(values):
    values["train"][1] = 2
    assert message(values) == "train.1: 1 is not a key: keys are strings"


def test_the_number_of_further_errors_is_given(values):
    assert message({**values, "beta": 2, "loss": "a"}).endswith("(and 1 more)")


@pytest.mark.parametrize("values", [None, [], "text", 3])
def test_a_file_that_is_no_mapping_is_refused(values):
    assert "is not a mapping of keys to values" in message(values)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("trian: {batch_size: 4}", "trian: unknown key (did you mean train?)"),
        ("", "is not a mapping"),
        ("loss: {a: 1}", "loss: {'a': 1} is not one of"),
        ("a: [", "while parsing"),
        ("beta: 3.0", "beta: 3.0 is not in [0, 1]"),
        ("beta: 0.5", "preset: 'demo' is not 'mine', the name of the file"),
    ],
)
def test_a_mistake_in_a_preset_is_one_line_and_params_yaml_stays(
    text, said, tmp_path, monkeypatch, capsys
):
    shutil.copytree("presets", tmp_path / "presets")
    monkeypatch.chdir(tmp_path)
    Path("presets/mine.yaml").write_text(text)
    monkeypatch.setattr("sys.argv", ["preset", "mine"])
    with pytest.raises(SystemExit) as end:
        run_stage(preset.main)
    assert str(end.value).startswith("error: presets/mine.yaml: ")
    assert said in str(end.value)
    assert "\n" not in str(end.value)
    assert not Path("params.yaml").exists()
