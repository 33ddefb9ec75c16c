"""Thousands of broken params files: each gives one line, none a traceback, none starts work."""

import copy
import math
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shell import run

from stages.common import load_params
from stages.preset import preset_text

ROOT = Path(__file__).parents[1]
VALID = yaml.safe_load(preset_text("smoke"))
EXAMPLES = 3000


def paths(section: dict, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """All keys, sections too, as paths."""
    for key, value in section.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from paths(value, (*above, key))


PATHS = [path for path in paths(VALID) if path != ("data", "path")]
numbers = st.integers(-(10**40), 10**40)
texts = st.text(max_size=20).map(lambda text: f"~{text}")  # no allowed word begins so
lists = st.lists(st.one_of(st.none(), texts, st.booleans()), max_size=3)
sections = st.dictionaries(texts, numbers, max_size=2)
beyond = st.one_of(st.integers(max_value=-1), st.integers(min_value=10**12))
not_numbers = st.sampled_from([math.nan, math.inf, -math.inf])
WRONG = {
    bool: st.one_of(st.none(), numbers, texts, lists, sections, not_numbers),
    int: st.one_of(
        *(st.none(), st.booleans(), beyond, texts, lists, sections, not_numbers),
        *(st.floats(0.1, 0.9), st.sampled_from(["1e-5", "4", "4 images"])),
    ),
    float: st.one_of(
        *(st.none(), st.booleans(), texts, lists, sections, not_numbers),
        *(st.floats(max_value=-1.1), st.floats(min_value=1e12), st.just("1e-5")),
    ),
    list: st.one_of(st.none(), numbers, texts, sections, lists, st.just([])),
    dict: st.one_of(st.none(), numbers, texts, lists),
    str: st.one_of(st.none(), numbers, st.booleans(), lists, sections, not_numbers),
}


@st.composite
def broken(draw) -> dict:
    """A params file with one to three broken places."""
    values = copy.deepcopy(VALID)
    chosen = draw(st.lists(st.sampled_from(PATHS), min_size=1, max_size=3, unique=True))
    for *above, key in chosen:
        section = values
        for name in above:
            section = section.get(name) if isinstance(section, dict) else None
        if not isinstance(section, dict) or key not in section:
            continue  # an earlier place has broken it
        way = draw(st.sampled_from(["wrong", "wrong", "missing", "unknown"]))
        if way == "wrong":
            section[key] = draw(WRONG.get(type(section[key]), st.none()))
        elif way == "missing":
            del section[key]
        else:
            section[draw(st.one_of(texts, st.just(key.upper()), numbers, st.none()))] = 1
    return values


def write(folder: Path, values: Any) -> Path:
    file = folder / "params.yaml"
    file.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    found = tmp_path_factory.mktemp("params")
    shutil.copytree(ROOT / "presets", found / "presets")
    return found


@pytest.mark.slow
def test_each_of_thousands_of_broken_files_gives_one_line(folder, monkeypatch, tried):
    monkeypatch.chdir(folder)
    load_params(write(folder, VALID))
    count = 0

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(broken())
    def check(values: Any) -> None:
        nonlocal count
        file = write(folder, values)
        with pytest.raises(ValueError, match=r"\A\S*params\.yaml: [^\n]+\Z") as error:
            load_params(file)
        assert len(str(error.value)) < 500
        assert str(error.value).isprintable()
        count += 1

    check()
    assert count >= EXAMPLES
    tried("broken params file", count, "one line")


WRONG_VALUES = [
    (("train", "learning_rate", "1e-5"), "write 1.0e-5, not 1e-5"),
    (("iterations", "sr", 10**40), "iterations.sr: 1000000"),
    (("beta", math.nan), "beta: nan is not"),
    (("sweep", "losses", []), "sweep.losses: [] is not a list of one or more"),
    (("objective", None), "objective: null is not a section of keys"),
    (("model", "sr", "stages", [[[]]]), "model.sr.stages: [[[]]] is not an integer"),
    (("beta", "0"), "beta: '0' is not a number"),
]


@pytest.mark.parametrize(
    ("stage", "change", "said"),
    [
        *(("fetch", *wrong) for wrong in WRONG_VALUES),
        (
            "train sr --seed 0 --out runs/seed-0/x",
            *WRONG_VALUES[0],
        ),  # it imports PyTorch, which takes seconds
    ],
    ids=lambda value: "" if isinstance(value, str) else ".".join(map(str, value[:-1])),
)
def test_a_broken_file_starts_no_work(folder, stage, change, said):
    values = copy.deepcopy(VALID)
    *above, key, value = change
    section = values
    for name in above:
        section = section[name]
    section[key] = value
    write(folder, values)
    done = subprocess.run(
        [sys.executable, "-m", *f"stages.{stage}".split()],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: params.yaml: ")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["params.yaml", "presets"]


BROKEN = {
    "beta too large": ("beta: 0.3 ", "beta: 1.3 "),
    "number as a string": ("learning_rate: 2.0e-3", "learning_rate: 2e-3"),
    "key twice": ("beta: 0.3", "beta: 0.3\nbeta: 0.4"),
    "unknown key": ("beta: 0.3", "beta: 0.3\nbata: 1"),
    "unknown preset": ("preset: smoke", "preset: mine"),
    "no preset": ("preset: smoke\n", ""),
    "sweep without losses": ("losses: [dice, bc2]", "losses: []"),
    "matrix without values": ("betas: [0.1]", "betas: null"),
    "matrix of a word": ("losses: [dice, bc2]", "losses: dice"),
    "section that is a word": ("sweep:\n", "sweep: x\nother:\n"),
    "path that is a number": ("path: {} ", "path: 5 "),
    "not YAML": ("beta: 0.3", "beta: ["),
    "tab": ("  stages: 2", "\tstages: 2"),
}


@pytest.mark.slow
def test_a_broken_file_starts_no_stage_of_dvc(clone, tried):
    folder = clone("smoke")
    whole = (folder / "params.yaml").read_text()
    for what, (old, new) in BROKEN.items():
        assert old in whole, what
        (folder / "params.yaml").write_text(whole.replace(old, new, 1))
        done = run("dvc repro", folder, check=False)
        assert done.returncode, what
        assert "Traceback" not in done.stdout + done.stderr, what
        assert "ERROR: " in done.stderr, what
        assert not [*folder.glob("*/raw"), *folder.glob("*/split.json"), *folder.glob("runs")], what
    tried("`dvc repro` with a broken params file", len(BROKEN), "an error, no stage does work")
