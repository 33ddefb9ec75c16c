"""Compare experiments with the results in the workspace, to reports/variations.md.

Experiments are those of `dvc exp run`; only what they computed anew is compared.
"""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from dvc.api import DVCFileSystem
from dvc.repo import Repo

from cssr.files import write_whole
from cssr.params import Params, parse_params
from cssr.report.header import find_edits, header_lines
from cssr.report.results import Result, Results, read_result
from cssr.report.variations import Experiment, Key, variations_page
from stages.common import LOCK, PARAMS_FILE, REPORTS, RESULTS, load_params, run_stage
from stages.report import results_of, setting_of


def revisions() -> dict[str, str]:
    """The commits of all experiments by name; where two share one, that of HEAD counts."""
    with Repo() as repo:
        everywhere = repo.experiments.ls(all_commits=True)
        here = repo.experiments.ls()
    found = [*everywhere.values(), *here.values()]
    return {name: commit for experiments in found for name, commit in experiments}


def result_hashes(lock: Mapping[str, Any]) -> dict[str, str]:
    """The hashes of the folders of results that a lock knows."""
    outs = [out for stage in lock["stages"].values() for out in stage.get("outs", [])]
    return {out["path"]: out["md5"] for out in outs if Path(out["path"]).is_relative_to(RESULTS)}


def key_of(folder: Path) -> Key:
    """The model, or the loss and β, of a folder such as cssr or sweep/bc2-0.1."""
    if len(folder.parts) == 1:
        return folder.name
    loss, _, beta = folder.name.rpartition("-")
    return loss, float(beta)


def read_new_results(fs: DVCFileSystem, known: Mapping[str, str], copy: Path) -> dict[Key, Result]:
    """The results of an experiment that the workspace's lock does not have.

    Args:
        fs: the experiment's files.
        known: hashes of the workspace's results.
        copy: an empty folder for them.
    """
    found: dict[Key, dict] = {}
    for path, md5 in result_hashes(yaml.safe_load(fs.read_text(str(LOCK)))).items():
        if known.get(path) != md5:
            fs.get(path, str(copy / path), recursive=True)
            seed, *model = Path(path).relative_to(RESULTS).parts
            seeds = found.setdefault(key_of(Path(*model)), {})
            seeds[int(seed.removeprefix("seed-"))] = read_result(copy / path)
    return {key: Result(seeds) for key, seeds in found.items()}


def read_experiments(
    names: list[str], params: Params, baseline: Results, copies: Path
) -> Iterator[Experiment]:
    """The experiments of these names, or all in the order of their names.

    Args:
        names: DVC's.
        params: the workspace's.
        baseline: the workspace's results.
        copies: an empty folder for theirs.

    Raises:
        ValueError: if there is no experiment of a name, or it is on other test images.
    """
    commits = revisions()
    known = result_hashes(yaml.safe_load(LOCK.read_text(encoding="utf-8")))
    images = baseline.all[0].images[["name", "crack"]]
    for name in names or sorted(commits):
        if name not in commits:
            raise ValueError(
                f"{name} is not an experiment; `dvc exp list --all-commits` names them"
            )
        fs = DVCFileSystem(rev=commits[name])
        changed = parse_params(yaml.safe_load(fs.read_text(str(PARAMS_FILE)))).model_dump()
        results = read_new_results(fs, known, copies / name)
        for result in results.values():
            if not next(iter(result.seeds.values())).images[["name", "crack"]].equals(images):
                raise ValueError(f"{name} was evaluated on other test images than the workspace")
        yield Experiment(name, find_edits(changed, params.model_dump()), results)


def main() -> None:
    """Write the comparison."""
    parser = argparse.ArgumentParser(prog="python -m stages.variations", description=__doc__)
    parser.add_argument("names", nargs="*", help="experiments; all by default")
    names = parser.parse_args().names
    params = load_params()
    baseline = results_of(params)
    header = header_lines(setting_of(params), baseline.all)
    with TemporaryDirectory() as copies:
        experiments = list(read_experiments(names, params, baseline, Path(copies)))
        page = variations_page(baseline, experiments, header=header)
    write_whole(REPORTS / "variations.md", page.encode())
    print(f"{REPORTS / 'variations.md'} compares {len(experiments)} experiments")


if __name__ == "__main__":
    run_stage(main)
