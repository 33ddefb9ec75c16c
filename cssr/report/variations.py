"""Experiments against the baseline: what a change of the parameters does to a model."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cssr.paper import AS_PRINTED, HEADLINE, LOSSES, MODELS
from cssr.report.claims import HEADINGS, NOTES, estimates
from cssr.report.results import Result, Results
from cssr.report.tables import markdown_sections

TITLE = "Experiments against the baseline"
CLAIM = (HEADLINE, "bicubic_ss")
Key = str | tuple[str, float]  # a model, or a loss and its β


class Experiment(NamedTuple):
    """What an experiment computed anew.

    Attributes:
        name: DVC's.
        edits: how its parameters differ from the baseline's, one text per key.
        results: by model, or by loss and β.
    """

    name: str
    edits: Sequence[str]
    results: dict[Key, Result]


def variations_page(
    baseline: Results, experiments: Sequence[Experiment], *, header: Sequence[str]
) -> str:
    """All comparisons as Markdown.

    Args:
        baseline: what the experiments are compared with.
        experiments: on the test images of the baseline.
        header: what the numbers are, lines of plain text.
    """
    rows = list(_rows(baseline, experiments))
    sections = {
        "Difference from the baseline": [row for compared, row in rows if compared],
        "Without a counterpart in the baseline": [row for compared, row in rows if not compared],
        "CSSR less bicubic → SS in each experiment": list(_claims(baseline, experiments)),
    }
    same = [experiment.name for experiment in experiments if not experiment.results]
    notes = [
        *NOTES,
        baseline.photos_note,
        *([f"The baseline's results: {', '.join(same)}."] if same else []),
    ]
    headings = ["experiment", "changed", "model", *HEADINGS]
    tables = {name: (headings, found) for name, found in sections.items() if found}
    return markdown_sections(TITLE, [*header, *notes], tables)


def _rows(
    baseline: Results, experiments: Sequence[Experiment]
) -> Iterable[tuple[bool, Sequence[str]]]:
    """Each new result: whether the baseline has its counterpart, and its row."""
    known: dict[Key, Result] = {**baseline.models, **baseline.sweep}
    for experiment in experiments:
        for key, result in experiment.results.items():
            other = known.get(_counterpart(key))
            fields = estimates(baseline, result, other)
            yield bool(other), [experiment.name, "; ".join(experiment.edits), _title(key), *fields]


def _claims(baseline: Results, experiments: Sequence[Experiment]) -> Iterable[Sequence[str]]:
    """Claim (1): the other model is the experiment's where it has one, else the baseline's."""
    one, other = CLAIM
    title = f"{MODELS[one]} − {MODELS[other]}"
    for experiment in experiments:
        if one in experiment.results:
            pair = [experiment.results.get(name, baseline.models[name]) for name in CLAIM]
            fields = estimates(baseline, *pair)
            yield [experiment.name, "; ".join(experiment.edits), title, *fields]


def _counterpart(key: Key) -> Key:
    """What a result is compared with: the same, or the loss that it is printed for."""
    return key if isinstance(key, str) else (AS_PRINTED.get(key[0], key[0]), key[1])


def _title(key: Key) -> str:
    return str(MODELS[key]) if isinstance(key, str) else f"{LOSSES[key[0]]}, β = {key[1]:g}"
