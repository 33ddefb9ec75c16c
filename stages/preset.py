"""Write a preset to params.yaml: the demo's parameters with what the preset changes."""

import argparse
from collections.abc import Mapping
from io import StringIO
from types import SimpleNamespace
from typing import Any

import yaml

from cssr.files import write_whole
from cssr.params import Params, parse_params
from stages.common import PARAMS_FILE, PRESETS, preset_names, run_stage

DEFAULT = "demo"  # the preset that is whole
NO_COMMENTS = SimpleNamespace(items={})


def read_preset(name: str) -> Params:
    """The parameters of a preset, by the name of its file in presets/ without suffix.

    Raises:
        ValueError: one line with the key, its value and what is allowed.
    """
    try:
        params = parse_params(merge(*(yaml.safe_load(_read(each)) for each in (DEFAULT, name))))
        if params.preset != name:
            raise ValueError(f"preset: {params.preset!r} is not {name!r}, the name of the file")
        return params
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{PRESETS / name}.yaml: {error}") from None


def preset_text(name: str) -> str:
    """A preset, which `read_preset` can read, as params.yaml holds it.

    It has the demo's comments or its own, and is written by ruamel.yaml, as by `dvc exp run -S`.
    """
    from ruamel.yaml import YAML  # slow to import, and only this command writes YAML

    editor = YAML()
    stream = StringIO()
    editor.dump(merge(*(editor.load(_read(each)) for each in (DEFAULT, name))), stream)
    return stream.getvalue()


def merge(values: Any, changes: Any) -> Any:
    """Change some values in place, sections nested; with ruamel.yaml, comments go with them."""
    if not (isinstance(values, Mapping) and isinstance(changes, Mapping)):
        return changes
    for key, value in changes.items():
        values[key] = merge(values.get(key), value)
        if key in getattr(changes, "ca", NO_COMMENTS).items:
            values.ca.items[key] = changes.ca.items[key]
    return values


def _read(name: str) -> str:
    return (PRESETS / f"{name}.yaml").read_text(encoding="utf-8")


def main() -> None:
    """Write params.yaml."""
    parser = argparse.ArgumentParser(prog="python -m stages.preset", description=__doc__)
    parser.add_argument("name", choices=preset_names(), help="a file in presets/")
    name = parser.parse_args().name
    read_preset(name)  # or an error
    write_whole(PARAMS_FILE, preset_text(name).encode())
    print(f"{PARAMS_FILE} holds the preset {name}")


if __name__ == "__main__":
    run_stage(main)
