"""dvc.yaml says of each stage what its code really uses."""

import ast
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cssr.models.variants import VARIANTS
from cssr.paper import LOSSES, MODELS
from cssr.report.curves import LOOKS
from cssr.training import losses
from stages.common import PLUMBING
from stages.train import params_of

DVC = yaml.safe_load(Path("dvc.yaml").read_text())
STAGES = {name: stage.get("do", stage) for name, stage in DVC["stages"].items()}
MODULES = sorted(path for folder in ("cssr", "stages") for path in Path(folder).rglob("*.py"))
TRAININGS = [name for name, stage in STAGES.items() if "stages.train " in stage["cmd"]]


def module_of(name: str) -> str:
    return STAGES[name]["cmd"].split()[2]


@pytest.fixture(scope="module")
def imported() -> dict[str, set[Path]]:
    """Files of the project that each stage's module imports, found in a process of its own."""
    code = (
        "import importlib, sys, pathlib\n"
        "for module in sys.argv[1:]:\n"
        "    importlib.import_module(module)\n"
        "    print(*[pathlib.Path(m.__file__).relative_to(pathlib.Path.cwd()).as_posix() "
        "for n, m in sys.modules.items() if n.split('.')[0] in ('cssr', 'stages')])\n"
        "    for n in [n for n in sys.modules if n.split('.')[0] in ('cssr', 'stages')]:\n"
        "        del sys.modules[n]\n"
    )
    modules = sorted({module_of(name) for name in STAGES})
    done = subprocess.run(
        [sys.executable, "-c", code, *modules], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    files = [{Path(f) for f in line.split()} for line in lines]
    return dict(zip(modules, files, strict=True))


def test_the_plumbing_is_what_no_result_depends_on():
    assert {path.as_posix() for path in PLUMBING} == {
        "cssr/__init__.py",
        "cssr/device.py",
        "cssr/errors.py",
        "cssr/files.py",
        "cssr/paper.py",
        "cssr/params.py",
        "stages/__init__.py",
        "stages/common.py",
        "stages/monitor.py",
    }


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_all_code_that_it_imports_but_the_plumbing(name, imported):
    listed = {Path(dep) for dep in STAGES[name]["deps"]}
    files = imported[module_of(name)]
    code = {file for file in files if file.name != "__init__.py" or file.parent.parent == Path()}
    missing = {file for file in code if not listed & {file, *file.parents}}
    assert missing <= PLUMBING


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_no_code_that_it_does_not_import(name, imported):
    listed = {Path(dep) for dep in STAGES[name]["deps"] if dep.startswith(("cssr", "stages"))}
    used = {path for file in imported[module_of(name)] for path in (file, *file.parents)}
    assert listed <= used


def test_each_file_of_a_folder_in_deps_is_imported_by_a_stage_that_depends_on_it(imported):
    """But for the page of `stages.variations`, which is no stage of dvc.yaml."""
    others = {Path("cssr/report/variations.py")}
    files = {file for file in MODULES if file.name != "__init__.py"}
    for folder in {Path(dep) for stage in STAGES.values() for dep in stage["deps"]}:
        users = [name for name, stage in STAGES.items() if folder.as_posix() in stage["deps"]]
        used = set().union(*(imported[module_of(name)] for name in users))
        there = {file for file in files if folder in file.parents}
        assert there - used <= others


def names_imported(nodes) -> set[str]:
    """Packages from which nodes of a syntax tree import."""
    found = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [getattr(node, "module", None) or node.names[0].name for node in found]
    return {name.split(".")[0] for name in names}


def test_what_stages_run_imports_the_projects_modules_at_the_top(imported):
    for file in set().union(*imported.values()) - {Path("cssr/__init__.py")}:
        tree = ast.parse(file.read_text())
        late = [node for node in ast.walk(tree) if node not in tree.body]
        assert not names_imported(late) & {"cssr", "stages"}, file


@pytest.mark.parametrize("file", [m for m in MODULES if m.name == "__init__.py"], ids=str)
def test_importing_a_package_imports_no_module_of_the_project(file):
    assert not names_imported(ast.parse(file.read_text()).body) & {"cssr", "stages"}


def units() -> dict[str, set[str]]:
    """Packages and top-level modules, each with those that it imports."""
    found: dict[str, set[str]] = {}
    for file in MODULES:
        unit = "stages" if file.parts[0] == "stages" else "/".join(file.parts[:2])
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                parts = name.split(".")
                if parts[0] in ("cssr", "stages"):
                    other = "/".join(parts[:2]) if parts[0] == "cssr" else "stages"
                    other = other if Path(other).is_dir() else f"{other}.py"
                    found.setdefault(unit, set()).add(other)
        found.setdefault(unit, set())
    return {unit: others - {unit} for unit, others in found.items()}


def test_no_package_imports_one_that_imports_it():
    graph = units()
    while leaves := [unit for unit, others in graph.items() if not others & graph.keys()]:
        graph = {unit: others for unit, others in graph.items() if unit not in leaves}
    assert graph == {}


def test_the_units_and_what_they_import_can_be_kept_in_mind():
    graph = {unit: others for unit, others in units().items() if unit != "cssr/__init__.py"}
    assert len(graph) <= 18
    assert sum(len(others & graph.keys()) for others in graph.values()) <= 50


def test_no_two_modules_of_the_library_have_the_same_name():
    names = [file.stem for file in MODULES if file.parts[0] == "cssr" and file.stem != "__init__"]
    assert len(set(names)) == len(names)


def test_the_models_of_dvc_yaml_are_those_of_the_paper():
    (variables,) = DVC["vars"]
    assert variables["models"] == list(MODELS)


def test_dvcs_plots_of_the_models_are_those_of_the_paper():
    plots = [next(iter(plot.values())) for plot in DVC["plots"]]
    files = [list(plot["y"]) for plot in plots if plot["template"] == "files"]
    assert [[file.split("/")[2] for file in each] for each in files] == [list(MODELS)] * 2


def variants_of(name: str) -> list[str]:
    """Variants that a stage trains."""
    variant = STAGES[name]["cmd"].split()[3]
    return STAGES[name]["matrix"]["model"] if variant == "${item.model}" else [variant]


def test_every_variant_is_trained_once_and_cssr_by_the_sweep_too():
    trained = [variant for name in TRAININGS for variant in variants_of(name)]
    assert sorted(trained) == sorted([*VARIANTS, "cssr"])


@pytest.mark.parametrize("name", TRAININGS)
def test_a_training_lists_exactly_the_parameters_that_it_reads(name):
    for variant in variants_of(name):
        wanted = params_of(variant, sweep=name == "sweep")
        assert sorted(STAGES[name]["params"]) == sorted(wanted)


@pytest.mark.parametrize("name", ["watch", "fetch", "split", "prepare"])
def test_a_stage_lists_exactly_the_parameters_that_it_reads(name):
    listed = [key.replace(".${key}", "") for key in STAGES[name]["params"]]
    assert sorted(listed) == sorted(importlib.import_module(module_of(name)).PARAMS)


@pytest.mark.parametrize(("name", "kind"), [("evaluate", "model"), ("evaluate_sweep", "sweep")])
def test_an_evaluation_lists_exactly_the_parameters_that_it_reads(name, kind):
    used = importlib.import_module("stages.evaluate").PARAMS[kind]
    assert sorted(STAGES[name]["params"]) == sorted(used)


def test_the_report_depends_on_every_parameter_and_on_the_papers_words():
    assert STAGES["report"]["params"] == [{"params.yaml": None}]
    assert "cssr/paper.py" in STAGES["report"]["deps"]


def test_the_paper_has_a_title_for_each_loss_and_each_of_them_is_a_function():
    assert list(LOSSES) == list(losses.LOSSES)


@pytest.mark.parametrize("name", ["columns", "files"])
def test_dvcs_plots_have_the_colours_of_the_figures_in_their_order(name):
    template = json.loads(Path(f".dvc/plots/{name}.json").read_text())
    colour = template["encoding"]["color"]
    assert colour["sort"] is None
    assert colour["scale"] == {"range": [look.colour for look in LOOKS]}


def test_the_lock_is_that_of_these_stages():
    locked = yaml.safe_load(Path("dvc.lock").read_text())["stages"]
    assert {name.split("@")[0] for name in locked} == set(STAGES) - {"watch"}
    for name, stage in locked.items():
        deps = [dep["path"] for dep in stage["deps"] if dep["path"].startswith(("cssr", "stages"))]
        wanted = [dep for dep in STAGES[name.split("@")[0]]["deps"] if dep in deps]
        assert sorted(deps) == sorted(wanted), name


def test_contributing_names_each_package_and_only_files_that_exist():
    text = Path("CONTRIBUTING.md").read_text()
    packages = {path.parent.name for path in Path("cssr").glob("*/__init__.py")}
    assert packages == set(re.findall(r"^\| `(\w+)/` ", text, re.MULTILINE))
    named = re.findall(r"`([a-z_\d./]+\.(?:py|yaml|md|toml|lock))`", text)
    names = "", "cssr", "stages", "cluster", "cssr/report", "tests/report"
    folders = [Path(name) for name in names]
    assert [name for name in named if not any((each / name).exists() for each in folders)] == []
