from pathlib import Path

import pytest

from benchmarks.workplaces import Workplace, variations_of
from stages.preset import read_preset

PARAMS = read_preset("real_small").model_dump()


@pytest.mark.parametrize("name", variations_of(PARAMS))
def test_a_variation_changes_what_it_names_and_nothing_else(name, tmp_path):
    variation = variations_of(PARAMS)[name]
    base = Workplace(tmp_path / "seed-1", PARAMS, 1)
    place = Workplace(tmp_path / "varied", PARAMS, 1, variation, base)
    assert differing(base.folder, place.folder) == (
        {variation.edit[0]} if variation.edit else {"params.yaml"}
    )
    assert place.evaluations(variation.cells)
    assert (place.folder / "data").is_symlink() == variation.shares


def differing(one: Path, other: Path) -> set[str]:
    """Files that are not the same, but for the description of the machine."""
    found = {
        file.relative_to(folder).as_posix()
        for folder in (one, other)
        for file in folder.rglob("*")
        if file.is_file()
    }
    return {name for name in found if (one / name).read_bytes() != (other / name).read_bytes()}


def test_jobs_that_make_what_is_shared_run_where_it_lies(tmp_path):
    base = Workplace(tmp_path / "seed-1", PARAMS, 1)
    variation = variations_of(PARAMS)["sr_random"]
    place = Workplace(tmp_path / "varied", PARAMS, 1, variation, base)
    plan = place.plan(["evaluate@cssr"])
    assert {name for folder, name in plan if folder == place.folder} == {
        "train_joint@cssr",
        "evaluate@cssr",
    }
    assert (base.folder, "train_sr") in plan[place.folder, "train_joint@cssr"]


def test_a_workplace_of_other_parameters_is_refused(tmp_path):
    Workplace(tmp_path / "seed-0", PARAMS, 0)
    with pytest.raises(ValueError, match="was begun with other parameters"):
        Workplace(tmp_path / "seed-0", PARAMS | {"beta": 0.7}, 0)
