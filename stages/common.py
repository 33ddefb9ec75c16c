"""What every stage does: read its parameters, and end on bad input with one line."""

import platform
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml
from pydantic import BaseModel

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
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: {' '.join(str(error).split())}") from None
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


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill that takes its name only when it is complete.

    Yields:
        An empty folder beside it. On success it replaces `folder`, on any error it is removed.
    """
    temporary = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        if folder.exists():
            shutil.rmtree(folder)
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage; bad input ends it with one line on stderr and exit code 1."""
    try:
        main()
    except FileNotFoundError as error:
        sys.exit(f"error: {error.filename} is not there; `dvc repro` runs the stage that makes it")
    except (ValueError, OSError) as error:
        sys.exit(f"error: {' '.join(str(error).split())}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
