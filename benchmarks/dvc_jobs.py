"""The jobs of dvc.yaml and their order, for machines that have no DVC."""

import re
import shlex
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

_VARIABLE = re.compile(r"\$\{([\w.]+)\}")


class Job(NamedTuple):
    """A stage of dvc.yaml, or one of its cells.

    Attributes:
        command: words of what it runs.
        needs: files and folders that it reads.
        makes: files and folders that are there once it is done.
    """

    command: list[str]
    needs: list[str]
    makes: list[str]


def jobs_of(pipeline: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Job]:
    """The jobs of a pipeline by DVC's names, such as `sweep@bc2-0.1`.

    Args:
        pipeline: its dvc.yaml.
        params: the values of its params.yaml.
    """
    params = {**ChainMap(*pipeline["vars"]), **params}
    jobs = {}
    for stage, entry in pipeline["stages"].items():
        body = entry.get("do", entry)
        outs = [next(iter(out)) if isinstance(out, dict) else out for out in body["outs"]]
        for key, item in _cells(entry, params):
            known = {**params, "key": key, "item": item}
            jobs[f"{stage}@{key}" if key else stage] = Job(
                shlex.split(_filled(body["cmd"], known)),
                [_filled(dep, known) for dep in body["deps"]],
                [_filled(out, known) for out in outs],
            )
    return jobs


def order_of(jobs: Mapping[str, Job]) -> dict[str, set[str]]:
    """The jobs that each one comes after, since it reads what they make."""
    return {
        name: {
            other
            for other, earlier in jobs.items()
            if any(_touch(need, made) for need in job.needs for made in earlier.makes)
        }
        for name, job in jobs.items()
    }


def to_do(
    wanted: Iterable[str], order: Mapping[str, set[str]], done: Callable[[str], bool]
) -> set[str]:
    """Of some jobs those that are not done, with what has to be done before them."""
    found: set[str] = set()
    left = list(wanted)
    while left:
        name = left.pop()
        if name not in found and not done(name):
            found.add(name)
            left.extend(order[name])
    return found


def _cells(entry: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Key and item of each cell of a stage; an empty key where it has none."""
    if "foreach" in entry:
        yield from _filled(entry["foreach"], params).items()
    elif "matrix" in entry:
        axes = {name: _filled(values, params) for name, values in entry["matrix"].items()}
        for values in product(*axes.values()):
            yield "-".join(map(str, values)), dict(zip(axes, values, strict=True))
    else:
        yield "", None


def _filled(template: Any, known: Mapping[str, Any]) -> Any:
    """A template with the values of its `${…}`; one that is nothing else keeps its value's type."""

    def value(match: re.Match) -> Any:
        found: Any = known
        for part in match[1].split("."):
            found = found[part]
        return found

    if not isinstance(template, str):
        return template
    if whole := _VARIABLE.fullmatch(template):
        return value(whole)
    return _VARIABLE.sub(lambda match: str(value(match)), template)


def _touch(one: str, other: str) -> bool:
    """Whether a path is another one, or holds it, or lies in it."""
    return Path(one).is_relative_to(other) or Path(other).is_relative_to(one)
