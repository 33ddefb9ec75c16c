import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import torch

from stages.common import FINISHED, forget_finished, load_params, read_params, run_stage
from stages.preset import preset_text

ROOT = Path(__file__).parents[1]


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    shutil.copytree("presets", tmp_path / "presets")
    (tmp_path / "params.yaml").write_text(preset_text("smoke"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_stage_reads_the_parameters_that_it_names(project):
    params = read_params("beta", "data.size", "train")
    assert (params.beta, params.data.size, params.train.batch_size) == (0.3, 64, 4)


@pytest.mark.parametrize("read", [lambda p: p.loss, lambda p: p.data.scale])
def test_a_stage_cannot_read_a_parameter_that_it_does_not_name(project, read):
    with pytest.raises(AttributeError):
        read(read_params("beta", "data.size"))


def test_a_preset_without_a_file_is_refused(project):
    text = Path("params.yaml").read_text().replace("preset: smoke", "preset: mine")
    Path("params.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"preset: 'mine' is not one of demo, own, paper, "):
        load_params()


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "\x00", "- 1", "", "a: 2024-99-99"])
def test_a_file_that_is_not_yaml_gives_one_line(project, text):
    Path("params.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"^params\.yaml: [^\n]+$"):
        load_params()


def while_unwinding(first: Exception, second: Exception) -> Exception:
    """An error that came up as another one left its contexts."""
    second.__context__ = first
    return second


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
        cv2.error("OpenCV(4.11.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to"),
        RuntimeError("can't start new thread"),
        while_unwinding(MemoryError(), KeyError("name")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_full_memory_ends_a_stage_with_what_to_try(error):
    def main() -> None:
        raise error

    with pytest.raises(SystemExit, match=r"^error: not enough memory; try train\.micro_batch: 1$"):
        run_stage(main, "train.micro_batch: 1")


def test_the_state_of_a_training_is_forgotten_when_its_model_is_read(project):
    for name, model in (("a", "runs/sr"), ("b", "runs/cssr"), ("c", None)):
        Path("state", name).mkdir(parents=True)
        if model:
            Path("state", name, FINISHED).write_text(model)
    forget_finished(Path("runs/sr/"), Path("runs/ss_hr"))
    assert sorted(path.name for path in Path("state").iterdir()) == ["b", "c"]


def run_module(module: str, root: Path = ROOT) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", module],
        env={"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_missing_params_file_ends_a_stage_with_one_line(project):
    Path("params.yaml").unlink()
    done = run_module("stages.split")
    assert (done.returncode, done.stderr) == (
        1,
        "error: params.yaml: no such file; python -m stages.preset demo writes it\n",
    )


def test_a_stage_before_its_turn_says_which_file_is_not_there(project):
    done = run_module("stages.prepare")
    assert (done.returncode, done.stderr) == (
        1,
        "error: data/split.json is not there; `dvc repro` runs the stage that makes it\n",
    )


def test_a_trainings_code_is_what_runs_and_is_imported_but_for_the_plumbing(tmp_path, monkeypatch):
    for folder in ("cssr", "stages"):
        shutil.copytree(folder, tmp_path / folder)
    code = "import cssr.training.losses, stages.common\nprint(*stages.common.code_files())\n"
    (tmp_path / "stages/probe.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    files = set(run_module("stages.probe", tmp_path).stdout.split())
    assert {"stages/probe.py", "cssr/training/losses.py", "cssr/validation/metrics.py"} <= files
    assert not {"stages/common.py", "cssr/params.py", "cssr/paper.py"} & files
