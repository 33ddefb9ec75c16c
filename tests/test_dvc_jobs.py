import shutil
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo

from benchmarks.dvc_jobs import jobs_of, order_of, to_do
from stages.preset import preset_text, read_preset

ROOT = Path(__file__).parents[1]
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text())


def jobs_for(preset: str):
    return jobs_of(PIPELINE, read_preset(preset).model_dump())


@pytest.mark.parametrize("preset", ["demo", "own", "paper", "real_small"])
def test_jobs_and_their_order_are_those_of_dvc(preset, tmp_path, monkeypatch):
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    (tmp_path / "params.yaml").write_text(preset_text(preset))
    jobs = jobs_for(preset)
    monkeypatch.chdir(tmp_path)  # DVC names stages as seen from there
    with Repo.init(tmp_path, no_scm=True) as repo:
        index = repo.index
        assert {name: " ".join(job.command) for name, job in jobs.items()} == {
            stage.addressing: stage.cmd for stage in index.stages
        }
        assert {name: sorted(job.makes) for name, job in jobs.items()} == {
            stage.addressing: sorted(out.def_path for out in stage.outs) for stage in index.stages
        }
        assert order_of(jobs) == {
            stage.addressing: {other.addressing for other in index.graph.successors(stage)}
            for stage in index.stages
        }


@pytest.mark.parametrize(
    ("done", "left"),
    [
        ((), "watch@own fetch split prepare train_sr train_joint@cssr evaluate@cssr"),
        (("prepare",), "train_sr train_joint@cssr evaluate@cssr"),
        (("train_joint@cssr",), "watch@own fetch split prepare evaluate@cssr"),
        (("evaluate@cssr",), ""),
    ],
)
def test_to_do_is_what_is_not_done_and_needed_by_it(done, left):
    order = order_of(jobs_for("own"))
    assert to_do(["evaluate@cssr"], order, done.__contains__) == set(left.split())
