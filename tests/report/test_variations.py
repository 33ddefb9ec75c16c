import copy
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import publish_results
from benchmarks.run_variations import variations
from cssr.paper import MODELS
from cssr.report.header import flatten
from cssr.report.results import Result
from cssr.report.tables import ABSENT
from cssr.report.variations import Experiment, variations_page
from stages import report
from stages.preset import read_preset
from stages.variations import key_of


def lower(result, by):
    """A copy of a result whose AIU is lower."""
    seeds = copy.deepcopy(result.seeds)
    for seed in seeds.values():
        seed.test["aiu"] -= by
        seed.images["aiu"] -= by
    return Result(seeds)


def rows_of(page, section):
    lines = page.split(f"## {section}\n\n")[1].split("\n\n")[0].splitlines()[2:]
    return [[field.strip() for field in line.strip("|").split("|")] for line in lines]


def test_an_experiment_is_compared_with_the_same_of_the_baseline(of_three_seeds):
    models, sweep = of_three_seeds.models, of_three_seeds.sweep
    new = {("gbc1", 0.7): sweep["bc2", 0.1]}
    changed = {"cssr": lower(models["cssr"], 0.1), ("bc2", 0.1): lower(sweep["bc2", 0.1], 0.2)}
    experiments = [Experiment("flat", ["a 1 (b: 2)"], changed), Experiment("idle", [], {})]
    experiments.append(Experiment("other", [], new))
    page = variations_page(of_three_seeds, experiments, header=[])
    assert "- The baseline's results: idle.\n" in page
    cssr, bc2 = rows_of(page, "Difference from the baseline")
    ((*_, title, aiu),) = [r[:4] for r in rows_of(page, "Without a counterpart in the baseline")]
    assert (title, aiu.split()[0]) == ("(E) GBC1, β = 0.7", f"{sweep['bc2', 0.1].test['aiu']:.3f}")
    assert cssr[:3] == ["flat", "a 1 (b: 2)", "(f) CSSR (SR → SS)"]
    assert cssr[3] == "−0.100 [−0.100, −0.100] worse"
    assert bc2[2:4] == ["(D) BC2, β = 0.1", "−0.200 [−0.200, −0.200] worse"]
    ((*_, aiu),) = [row[:4] for row in rows_of(page, "CSSR less bicubic → SS in each experiment")]
    expected = models["cssr"].test["aiu"] - 0.1 - models["bicubic_ss"].test["aiu"]
    assert float(aiu.split()[0]) == pytest.approx(expected, abs=5e-4)


def test_an_experiment_is_compared_on_the_seeds_that_both_have(of_three_seeds):
    cssr = lower(of_three_seeds.models["cssr"], 0.1).seeds
    results = [Result({1: cssr[1], 7: cssr[2]}), Result({7: cssr[0]})]
    experiments = [Experiment("other seeds", [], {"cssr": result}) for result in results]
    page = variations_page(of_three_seeds, experiments, header=[])
    shared, apart = rows_of(page, "Difference from the baseline")
    assert shared[3:5] == ["−0.100 [−0.100, −0.100] worse", "−0.100"]
    assert set(apart[3:]) == {ABSENT}
    assert set(rows_of(page, "CSSR less bicubic → SS in each experiment")[1][3:]) == {ABSENT}


def test_what_is_printed_is_compared_with_what_it_is_printed_for(of_three_seeds):
    baseline = replace(
        of_three_seeds, sweep={("boundary_gdice", 0.1): of_three_seeds.sweep["dice", 0.1]}
    )
    new = {("boundary_gdice_printed", 0.1): of_three_seeds.sweep["bc2", 0.1]}
    page = variations_page(baseline, [Experiment("printed", [], new)], header=[])
    ((*_, model, aiu),) = [row[:4] for row in rows_of(page, "Difference from the baseline")]
    assert model == "(B′) Boundary + GDice, as printed, β = 0.1"
    assert aiu.startswith("+0.0")


@pytest.mark.parametrize(
    ("folder", "key"), [("cssr", "cssr"), ("sweep/boundary_gdice-0.1", ("boundary_gdice", 0.1))]
)
def test_the_folder_of_a_result_names_its_model_or_loss_and_beta(folder, key):
    assert key_of(Path(folder)) == key


@pytest.mark.parametrize("preset", ["real_small", "real"])
def test_the_variations_change_parameters_that_there_are(preset):
    params = read_preset(preset)
    for changes, _ in variations(params).values():
        assert changes.keys() <= flatten(params.model_dump()).keys()


def test_what_is_published_has_the_numbers_and_shows_no_photo(fake, monkeypatch):
    root = fake.write(seeds=[0, 1])
    monkeypatch.setattr(sys, "argv", ["report"])
    report.main()
    Path("reports/variations.md").write_text("# Experiments\n")
    for result in root.glob("results/**/metrics.json"):
        run = root / "runs" / result.parent.relative_to(root / "results")
        run.mkdir(parents=True)
        (run / "log.csv").write_text("iteration,images_per_second\n900,1\n1800,0.5\n")
        (run / "model.json").write_text('{"batch_size": 2}')
    subprocess.run("git init -q && git add -A", shell=True, check=True)
    subprocess.run(
        "git -c user.name=t -c user.email=t@example.org commit -qm made-up", shell=True, check=True
    )
    publish_results.main()
    out = root / "docs/results/demo"
    names = {file.name for file in out.iterdir()}
    assert names >= {"claims.md", "claims.png", "variations.md", "table1.md", "params.yaml"}
    assert not names & {"fig1.png", "fig7.png", "index.html"}
    trainings = pd.read_csv(out / "trainings.csv", index_col="training")
    assert len(trainings) == 2 * (len(MODELS) + 4)
    assert trainings["hours"].tolist() == [1.5] * len(trainings)
    psnr = pd.read_csv(out / "psnr.csv")
    assert psnr["seed-1/cssr"].mean() == pytest.approx(
        trainings.loc["seed-1/cssr", "test_psnr"], abs=1e-3
    )
    assert "seed-0/ss_hr" not in psnr
    assert json.loads((out / "environment.json").read_text())["device"] == ["cpu"]
