"""The schedules of `benchmarks.scale`, and what it simulates, without Ray."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dvc.repo import Repo

from benchmarks.schedule import Costs, bound, draw_seconds, makespan, programme

ROOT = Path(__file__).parents[1]
NEEDS = {"a": set(), "b": set(), "c": {"a"}, "d": {"a"}, "e": {"c", "d"}}
SECONDS = {"a": 3.0, "b": 1.0, "c": 2.0, "d": 4.0, "e": 1.0}


def test_one_node_takes_the_sum_and_many_the_longest_path():
    assert makespan(NEEDS, SECONDS, 1) == bound(NEEDS, SECONDS, 1) == 11
    assert makespan(NEEDS, SECONDS, 9) == bound(NEEDS, SECONDS, 9) == 8


def test_a_node_costs_on_the_path_and_the_head_beside_it():
    assert makespan(NEEDS, SECONDS, 9, Costs(node=1)) == 8 + 3
    # 2 sent; a and b taken up apart, then 2 sent; c, then d taken up, 1 sent; e taken up
    costs = Costs(send=0.1, take=0.01)
    assert makespan(NEEDS, SECONDS, 9, costs) == pytest.approx(8 + 0.5 + 0.03)


def test_a_head_that_is_late_takes_up_together_what_has_come_back():
    needs = {str(k): set() for k in range(10)}
    seconds = {name: 1.0 + 0.01 * int(name) for name in needs}
    assert makespan(needs, seconds, 10, Costs(entry=1)) == pytest.approx(1 + 2 * 10)


def test_no_schedule_is_shorter_than_the_bound():
    needs = programme(2)
    seconds = draw_seconds(needs, np.random.default_rng(1).uniform(1, 9, 40), mean=60)
    for nodes in (1, 3, 16, 64):
        assert bound(needs, seconds, nodes) <= makespan(needs, seconds, nodes)


def test_the_programme_is_that_of_dvc_yaml():
    with Repo(ROOT) as repo:
        graph = repo.index.graph
        away = {s for s in graph if s.outs[0].def_path.startswith(("runs/", "results/"))}
        sizes = sorted(len(away.intersection(graph.successors(stage))) for stage in away)
    simulated = programme(seeds=1, losses=6, betas=2)  # of params.yaml
    assert sizes == sorted(len(before) for before in simulated.values())
    assert len(programme(3)) == 186 + 183


def test_the_simulation_prints_a_row_for_each_number_of_nodes():
    command = "-m benchmarks.scale --nodes 1 16 --seeds 1 --costs 4 0.1 0.3 0"
    done = subprocess.run(
        [sys.executable, *command.split()], cwd=ROOT, capture_output=True, text=True, check=True
    )
    heading, _, *rows = done.stdout.splitlines()
    assert "bound / took" in heading
    assert [row.split(" | ")[0] for row in rows] == ["| 1", "| 16"]
