"""dvc.yaml says of each stage what its code really uses."""

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cssr.report.figures import LOSS_LOOKS, MODEL_LOOKS
from cssr.report.page import TEMPLATES
from stages.common import PLUMBING

STAGES = yaml.safe_load(Path("dvc.yaml").read_text())["stages"]
MODULES = sorted(path for folder in ("cssr", "stages") for path in Path(folder).rglob("*.py"))


def definition(name: str) -> dict:
    return STAGES[name].get("do", STAGES[name])


def module_of(name: str) -> str:
    return definition(name)["cmd"].split()[2]


@pytest.fixture(scope="module")
def imported() -> dict[str, set[str]]:
    """Files of the project that each stage's module imports, found in a process of its own."""
    code = (
        "import importlib, sys, pathlib; importlib.import_module(sys.argv[1]); "
        "print(*[pathlib.Path(m.__file__).relative_to(pathlib.Path.cwd()).as_posix() "
        "for n, m in sys.modules.items() if n.split('.')[0] in ('cssr', 'stages')])"
    )
    found = {}
    for module in {module_of(name) for name in STAGES}:
        command = [sys.executable, "-c", code, module]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[module] = {file for file in done.stdout.split() if not file.endswith("__init__.py")}
    return found


def test_the_plumbing_is_what_no_result_depends_on():
    assert {path.as_posix() for path in PLUMBING} == {
        "cssr/device.py",
        "cssr/errors.py",
        "cssr/files.py",
        "cssr/params.py",
        "stages/common.py",
        "stages/early_ends.py",
    }


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_lists_exactly_the_modules_that_it_imports_but_for_the_plumbing(name, imported):
    listed = [dep for dep in definition(name)["deps"] if dep.endswith(".py")]
    wanted = imported[module_of(name)] - set(map(str, PLUMBING))
    assert sorted(listed) == sorted(wanted), "dvc.yaml's deps are not what the stage imports"


def names_imported(nodes) -> set[str]:
    """Packages from which nodes of a syntax tree import."""
    found = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [getattr(node, "module", None) or node.names[0].name for node in found]
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("name", STAGES)
def test_what_a_stage_runs_imports_the_projects_modules_at_the_top(name, imported):
    for file in imported[module_of(name)]:
        tree = ast.parse(Path(file).read_text())
        late = [node for node in ast.walk(tree) if node not in tree.body]
        assert not names_imported(late) & {"cssr", "stages"}, file


@pytest.mark.parametrize("file", [m for m in MODULES if m.name == "__init__.py"], ids=str)
def test_importing_a_package_imports_no_module_of_the_project(file):
    assert not names_imported(ast.parse(file.read_text()).body) & {"cssr", "stages"}


def kinds_of(name: str) -> list[str]:
    """Keys of the stage's entries in its module's PARAMS, where that is a dict."""
    if "sweep" in name:
        return ["sweep"]
    if name == "evaluate":
        return ["model"]
    variant = definition(name)["cmd"].split()[3]
    return STAGES[name]["matrix"]["model"] if variant == "${key}" else [variant]


@pytest.mark.parametrize("name", [name for name in STAGES if name != "report"])
def test_a_stage_lists_exactly_the_parameters_that_it_reads(name):
    used = importlib.import_module(module_of(name)).PARAMS
    listed = sorted(key.replace(".${key}", "") for key in definition(name)["params"])
    every = [used[kind] for kind in kinds_of(name)] if isinstance(used, dict) else [used]
    assert [sorted(keys) for keys in every] == [listed] * len(every)


@pytest.mark.parametrize(("name", "looks"), [("models", MODEL_LOOKS), ("losses", LOSS_LOOKS)])
def test_dvcs_plots_have_the_colours_of_the_figures(name, looks):
    template = json.loads(Path(f".dvc/plots/{name}.json").read_text())
    scale = template["encoding"]["color"]["scale"]
    colours = dict(zip(scale["domain"], scale["range"], strict=True))
    assert colours == {key: look.colour for key, look in looks.items()}


def test_the_report_depends_on_the_templates_of_its_page():
    assert TEMPLATES.relative_to(Path.cwd()).as_posix() in definition("report")["deps"]


def test_the_report_depends_on_every_parameter():
    assert definition("report")["params"] == [{"params.yaml": None}]
