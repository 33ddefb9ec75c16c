"""What every stage does: read its parameters, and end on bad input with one line."""

import platform
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import yaml
from pydantic import BaseModel

from cssr.errors import os_error_line, ran_out_of_memory
from cssr.params import Params, parse_params

PARAMS_FILE = Path("params.yaml")


def load_params(file: Path = PARAMS_FILE) -> Params:
    """Read and validate a whole params file.

    Raises:
        ValueError: one line naming the file, the key, its value and what is allowed.
    """
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{file}: no such file; copy one of presets/ there") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(f"{file}: not readable as YAML: {' '.join(str(error).split())}") from None
    try:
        params = parse_params(values)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    presets = sorted(path.stem for path in Path("presets").glob("*.yaml"))
    if params.preset not in presets:
        raise ValueError(f"{file}: preset: {params.preset!r} is not one of {', '.join(presets)}")
    return params


def read_params(*keys: str) -> Any:
    """The named parameters of params.yaml, the whole file being validated.

    Args:
        keys: keys and dotted keys, as they stand in the stage's `params` in dvc.yaml. A key that
            is not named cannot be read, so a stage uses no parameter that DVC does not know of.
    """
    params = load_params()
    view = SimpleNamespace()
    for key in keys:
        *sections, name = key.split(".")
        source, target = params, view
        for section in sections:
            source = getattr(source, section)
            target = target.__dict__.setdefault(section, SimpleNamespace())
        setattr(target, name, getattr(source, name))
    return view


def plain(view: Any) -> Any:
    """Parameters as JSON's types."""
    if isinstance(view, BaseModel):
        return view.model_dump()
    if isinstance(view, SimpleNamespace):
        return {key: plain(value) for key, value in vars(view).items()}
    return view


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    packages = ("torch", "torchvision", "numpy", "scipy", "opencv-python", "scikit-image")
    found = {name: _version(name) for name in packages}
    return {"python": platform.python_version(), **found}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def code_files() -> list[Path]:
    """The project's modules that this process has imported, relative to the repo's root."""
    # by their specs, since the stage that runs is called __main__
    specs = [module.__spec__ for module in sys.modules.values() if hasattr(module, "__spec__")]
    ours = [spec for spec in specs if spec and spec.name.split(".")[0] in ("cssr", "stages")]
    return [Path(spec.origin).relative_to(Path.cwd()) for spec in ours if spec.origin]


def files_in(folders: Iterable[Path]) -> list[Path]:
    """All files of folders."""
    return [file for folder in folders for file in sorted(folder.rglob("*")) if file.is_file()]


def run_stage(main: Callable[[], None], less_memory: str = "smaller images") -> None:
    """Run a stage; bad input and lack of memory end it with one line on stderr and exit code 1.

    SIGTERM and Ctrl-C end it with exit codes 143 and 130, once what is half written is removed.

    Args:
        main: the stage.
        less_memory: what to try where the memory does not suffice.
    """
    signal.signal(signal.SIGTERM, _terminate)
    try:
        main()
    except FileNotFoundError as error:
        sys.exit(f"error: {error.filename} is not there; `dvc repro` runs the stage that makes it")
    except OSError as error:
        sys.exit(f"error: {os_error_line(error)}")
    except sqlite3.Error as error:
        sys.exit(f"error: DVC's database in its site cache: {error}; is the disk full?")
    except ValueError as error:
        sys.exit(f"error: {' '.join(str(error).split())}")
    except (MemoryError, RuntimeError) as error:
        if not ran_out_of_memory(error):
            raise
        sys.exit(f"error: not enough memory; try {less_memory}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)


def _terminate(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
