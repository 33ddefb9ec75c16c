"""What `cssr dataset` does with its options."""

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import click

from cssr.dataset.advice import advise, as_text, check_params, write_params
from cssr.dataset.choosing import Made
from cssr.dataset.cutting import Making
from cssr.dataset.dataset_report import doubtful, write_report
from cssr.dataset.gathering import Finding, gather
from cssr.dataset.making import beside, make
from cssr.preparation.photo_names import photo_of
from cssr.sources.labels import Reading
from cssr.sources.listing import DataError, first_of


def run(
    paths: Sequence[Path],
    out: Path,
    *,
    images: str | None,
    masks: str | None,
    negatives: tuple[Path, ...],
    label: tuple[str, ...],
    line_width: float,
    crack_value: int | None,
    crack_colour: tuple[int, int, int] | None,
    group: str | None,
    inverted: bool,
    only_labelled: bool,
    params: Path | None,
    dry_run: bool,
    **making: Any,
) -> None:
    """Find photos and labels, show what was found, and make the data set of them.

    Raises:
        DataError: if they cannot be used; nothing is written then.
    """
    if out.suffix != ".zip":
        raise DataError(f"--out: {out} does not end in .zip")
    if crack_value is not None and crack_colour is not None:
        raise DataError("--crack-value and --crack-colour exclude each other")
    reading = Reading(crack_value, label, line_width, crack_colour, inverted)
    finding = Finding(images, masks, negatives, only_labelled, group, reading)
    if params is not None:
        check_params(params, making["size"])
    for path in (*paths, *negatives):
        if not path.exists():
            raise DataError(f"{path}: no such folder or zip")
    size = making["size"]
    with ExitStack() as stack:
        gathered = gather(paths, finding, stack, exclude=[out, *beside(out)])
        click.echo("\n".join(["found:", *(f"  {line}" for line in gathered.lines)]))
        if dry_run:
            return
        advice: dict[str, Any] = {}

        def report(folder: Path, made: Made) -> None:
            groups = Counter(photo_of(each.file) for each in made.of("train")).values()
            advice.update(advise(out, groups=list(groups), size=size, params_file=params))
            write = partial(write_report, folder, made, gathered=gathered, name=out.stem)
            write(advice=as_text(advice))

        made = make(gathered, out, Making(**making), report)
    for line in made.left_out:
        click.echo(f"left out: {line}")
    if notes := doubtful(made):
        click.echo(f"note: look at {first_of(notes)}", err=True)
    train, test = (len(made.of(side)) for side in ("train", "test"))
    squares = f"{train:,} training and {test:,} test squares of {size} px"
    page = out.with_suffix(".md")
    click.echo(f"{out}: {squares}, of {len(made.photos):,} photos; see {page}")
    if params is not None:
        write_params(params, advice)
        click.echo(f"{params} now fits it; `dvc repro` trains")
