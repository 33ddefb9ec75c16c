"""How long a programme takes on some nodes: schedules without and with what the cluster costs."""

import heapq
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

Needs = Mapping[str, set[str]]  # of each stage, those that come before it
EVALUATION = 0.1  # of the time of a training


@dataclass(frozen=True)
class Costs:
    """Seconds that the cluster takes beside the stages.

    Args:
        node: of a stage, at its node.
        send: of a stage, at the head, before it is sent.
        take: of a stage, at the head, after it has come back.
        entry: of a batch, at the head, for each stage of the programme (dvc.lock is written anew).
    """

    node: float = 0.0
    send: float = 0.0
    take: float = 0.0
    entry: float = 0.0


def programme(seeds: int, losses: int = 6, betas: int = 9) -> dict[str, set[str]]:
    """What each training and evaluation of dvc.yaml needs of the others."""
    needs: dict[str, set[str]] = {}
    for seed in range(seeds):
        sr = f"train_sr@{seed}"
        bicubic = f"train_ss@{seed}-ss_bicubic"
        trainings = {f"train_ss@{seed}-{model}": set() for model in ("ss_hr", "bicubic_ss")}
        trainings |= {
            bicubic: set(),
            f"train_sr_ss@{seed}": {sr},
            f"train_ss_sr@{seed}": {sr, bicubic},
        }
        trainings |= {f"train_joint@{seed}-{model}": {sr} for model in ("cssr", "inverse")}
        for k in range(losses * betas):
            trainings[f"sweep@{seed}-{k // betas}-{k % betas}"] = {sr}
        needs |= {sr: set(), **trainings, **{f"evaluate {name}": {name} for name in trainings}}
    return needs


def draw_seconds(
    needs: Needs, measured: np.ndarray, mean: float, seed: int = 0
) -> dict[str, float]:
    """Seconds of each stage: drawn from what trainings took, scaled to a mean; evaluations less."""
    drawn = np.random.default_rng(seed).choice(measured / measured.mean() * mean, len(needs))
    return {
        name: value * EVALUATION if name.startswith("evaluate") else value
        for name, value in zip(needs, drawn.tolist(), strict=True)
    }


def makespan(
    needs: Needs, seconds: Mapping[str, float], nodes: int, costs: Costs | None = None
) -> float:
    """The time of a greedy schedule: what is ready goes to the node that is free first.

    The head does one thing at a time: it takes up all that has come back since it last looked, then
    sends all that has become ready. Nodes go on meanwhile with what has been sent.

    Args:
        needs: of each stage.
        seconds: of each stage.
        nodes: each runs one stage at a time.
        costs: of the cluster; none without.
    """
    costs = costs or Costs()
    missing = {name: len(before) for name, before in needs.items()}
    after = defaultdict(list)
    for name, before in needs.items():
        for other in before:
            after[other].append(name)
    ready = [name for name in needs if not needs[name]]
    now = 0.0
    free = [0.0] * nodes
    running = []
    while ready or running:
        now += costs.send * len(ready)
        for name in ready:
            end = max(now, heapq.heappop(free)) + costs.node + seconds[name]
            heapq.heappush(free, end)
            heapq.heappush(running, (end, name))
        now, ready, back = max(now, running[0][0]), [], []
        while running and running[0][0] <= now:
            back.append(heapq.heappop(running)[1])
        now += costs.entry * len(needs) + costs.take * len(back)
        for name in [name for done in back for name in after[done]]:
            missing[name] -= 1
            if not missing[name]:
                ready.append(name)
    return now


def bound(needs: Needs, seconds: Mapping[str, float], nodes: int) -> float:
    """No schedule is shorter: the longest path, or all work shared out evenly."""
    return max(makespan(needs, seconds, len(needs)), sum(seconds.values()) / nodes)
