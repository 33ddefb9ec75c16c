"""Parameters of the pipeline that suit a data set."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import yaml

from cssr.files import write_whole
from cssr.sources.listing import DataError

_NOT_IN_KEYS = re.compile(r"[^A-Za-z0-9-]+")  # of data.path
VAL = 0.15  # share of the training squares that are held out for validation
VAL_MOST = 100  # of them
NEEDED = {
    "data": ("source", "path", "image_size", "size", "scale"),
    "split": ("val",),
    "objective": ("alpha_start", "alpha_per_epoch"),
    "train": ("batch_size", "micro_batch"),
    "iterations": ("models",),
}
ALPHA_END = 0.66  # the paper's weight of the boundary loss in the end
ITERATIONS, BATCH, ALPHA_START = 400, 4, 0.01  # of the preset `own`
MULTIPLE = 16  # px: HR images have a multiple of it times the scale


def advise(
    file: Path, *, groups: Sequence[int], size: int, params_file: Path | None
) -> dict[str, Any]:
    """Parameters that suit a data set, by dotted names.

    Args:
        file: the data set.
        groups: number of training squares of each photo, or group, that stays together.
        size: side of its squares, px.
        params_file: whose other parameters count; None: those of the preset `own`.

    Raises:
        DataError: if it is no file of parameters, or the squares are too small or too few for it.
    """
    train = sum(groups)
    val = max(min(groups), min(VAL_MOST, round(VAL * train)))
    rest = max(train - val, 1)
    if params_file is not None and val >= train:
        raise DataError("too few photos to hold some of them out for validation")
    advice: dict[str, Any] = {
        "data.source": "path",
        "data.path": {_NOT_IN_KEYS.sub("_", file.stem): _relative(file, params_file)},
        "data.image_size": size,
        "split.val": val,
    }
    start, batch, iterations = ALPHA_START, min(BATCH, rest), ITERATIONS
    if params_file is not None:
        params = check_params(params_file, size)
        start, iterations = params["objective"]["alpha_start"], params["iterations"]["models"]
        batch = min(params["train"]["batch_size"], rest)
        step = MULTIPLE * params["data"]["scale"]
        advice["data.size"] = min(params["data"]["size"], size // step * step)
        advice["train.micro_batch"] = min(params["train"]["micro_batch"], batch)
    epochs = max(iterations * batch // rest, 1)
    advice["train.batch_size"] = batch
    advice["objective.alpha_per_epoch"] = float(f"{(ALPHA_END - start) / epochs:.2g}")
    return advice


def check_params(file: Path, size: int) -> Any:
    """Parameters that can be suited to squares of this side, px.

    Raises:
        DataError: if it is no file of parameters, or the squares are too small for it.
    """
    params = _load(file)[1]
    step = MULTIPLE * params["data"]["scale"]
    if size < step:
        raise DataError(f"--size {size}: {file} takes squares of {step} px and more")
    return params


def _relative(file: Path, params_file: Path | None) -> str:
    """A path as params.yaml has it: relative to its folder, if it lies there."""
    root = (params_file.parent if params_file else Path()).resolve()
    path = file.resolve()
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def write_params(file: Path, advice: Mapping[str, Any]) -> None:
    """Change parameters in a file, and leave its comments and everything else.

    Raises:
        DataError: if it is no file of parameters.
    """
    editor, params = _load(file)
    for name, value in advice.items():
        section, key = name.split(".")
        params[section][key] = value
    stream = StringIO()
    editor.dump(params, stream)
    write_whole(file, stream.getvalue().encode())


def as_text(advice: Mapping[str, Any]) -> str:
    """Parameters as params.yaml has them."""
    sections: dict[str, dict[str, Any]] = defaultdict(dict)
    for name, value in advice.items():
        section, key = name.split(".")
        sections[section][key] = value
    text = yaml.safe_dump(dict(sections), sort_keys=False, allow_unicode=True)
    return f"```yaml\n{text}```"


def _load(file: Path) -> tuple[Any, Any]:
    from ruamel.yaml import YAML, YAMLError  # slow to import

    editor = YAML()
    try:
        params = editor.load(file.read_text(encoding="utf-8"))
        whole = all(key in params[section] for section, keys in NEEDED.items() for key in keys)
    except (OSError, UnicodeDecodeError, KeyError, TypeError, YAMLError):
        whole = False
    if not whole:
        hint = "`python -m stages.preset own` makes some"
        raise DataError(f"--params: {file} holds no parameters of the pipeline; {hint}")
    return editor, params
