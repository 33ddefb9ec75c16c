"""What every stage does: read its parameters, and end on bad input with one line."""

import os
import platform
import shutil
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

import yaml
from pydantic import BaseModel

from cssr.errors import end_quickly, os_error_line, ran_out_of_memory
from cssr.files import InUseError
from cssr.params import Params, parse_params

PARAMS_FILE = Path("params.yaml")
LOCK = Path("dvc.lock")
PRESETS = Path("presets")
SOURCES = Path("data/sources")
RAW = Path("data/raw")
SPLIT = Path("data/split.json")
ARRAYS = Path("data/arrays")
RESULTS = Path("results")
REPORTS = Path("reports")
STATE = Path("state")
FINISHED = "finished"  # file in a training's state that names the folder of its model

# what decides whether a stage starts, where it runs and what it says: in no deps of dvc.yaml (but
# paper.py in the report's) and in no training's identity, so that a change makes no result stale
PLUMBING = {
    Path("cssr/__init__.py"),
    Path("cssr/device.py"),
    Path("cssr/errors.py"),
    Path("cssr/files.py"),
    Path("cssr/paper.py"),
    Path("cssr/params.py"),
    Path("stages/__init__.py"),
    Path("stages/common.py"),
    Path("stages/monitor.py"),
}


def refuse_to_replace(folder: Path, mark: str) -> None:
    """Raise ValueError if a folder to write holds something, but not the file `mark` of its kind.

    A stage replaces what it wrote before; it is not to replace anything else.
    """
    if folder.exists() and not (folder / mark).exists() and any(folder.iterdir()):
        raise ValueError(
            f"{folder} is not replaced: it holds files, but no {mark}; name another folder"
        )


def load_params(file: Path = PARAMS_FILE) -> Params:
    """Read and validate a whole params file.

    Raises:
        ValueError: one line naming the file, the key, its value and what is allowed.
    """
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{file}: no such file; python -m stages.preset demo writes it") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{file}: not readable as YAML: {' '.join(str(error).split())}") from None
    try:
        params = parse_params(values)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    if params.preset not in preset_names():
        known = ", ".join(preset_names())
        raise ValueError(f"{file}: preset: {params.preset!r} is not one of {known}")
    return params


def preset_names() -> list[str]:
    """The presets that there are."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def read_params(*keys: str) -> Params:
    """The named parameters of params.yaml, the whole file being validated.

    Args:
        keys: keys and dotted keys, as they stand in the stage's `params` in dvc.yaml. A key that
            is not named raises AttributeError when it is read, so that a stage uses no parameter
            that DVC does not know of.
    """
    return _only(load_params(), [key.split(".") for key in keys])


def _only(section: BaseModel, paths: list[list[str]]) -> Any:
    """A section with some of its values, and nothing else."""
    values = {name: getattr(section, name) for name, *deeper in paths if not deeper}
    for name in {name for name, *deeper in paths if deeper}:
        inner = [deeper for first, *deeper in paths if first == name]
        values[name] = _only(getattr(section, name), inner)
    return section.model_construct(_fields_set=set(values), **values)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    packages = ("torch", "torchvision", "numpy", "scipy", "opencv-python", "scikit-image")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def code_files() -> list[Path]:
    """The project's modules that this process has imported, relative to the repo's root.

    Each once, and without the plumbing.
    """
    # by their specs, since the stage that runs is called __main__
    specs = [module.__spec__ for module in sys.modules.values() if hasattr(module, "__spec__")]
    ours = [spec for spec in specs if spec and spec.name.split(".")[0] in ("cssr", "stages")]
    files = {Path(spec.origin).relative_to(Path.cwd()) for spec in ours if spec.origin}
    return sorted(files - PLUMBING)


def user_repo() -> Path:
    """The user's repository, from which data.path counts.

    In `dvc exp run --temp` a stage runs in a copy elsewhere; DVC names the repository itself.
    """
    return Path(os.environ.get("DVC_ROOT", "."))


def forget_finished(*models: Path) -> None:
    """Remove the states of the trainings that made these models.

    Called by the stage that reads a model: by then DVC has recorded it.
    """
    for file in STATE.glob(f"*/{FINISHED}"):
        with suppress(FileNotFoundError):  # another process that reads the model was first
            if Path(file.read_text(encoding="utf-8")) in models:
                shutil.rmtree(file.parent, ignore_errors=True)


def say(line: str, stream: TextIO) -> None:
    """Print a line, also when nobody reads any more (`| head`): a stage's work is worth more."""
    try:
        print(line, file=stream, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def run_stage(main: Callable[[], None], less_memory: str = "smaller images") -> None:
    """Run a stage; bad input and lack of memory end it with one line on stderr and exit code 1.

    The exit code is 75 where another process is at work on the same files. SIGTERM, SIGHUP and
    Ctrl-C end it with 143, 129 and 130, once what is half written is removed. DVC's death is a
    SIGTERM, too.

    Args:
        main: the stage.
        less_memory: what to try where the memory does not suffice.
    """
    for number in ending_signals():
        signal.signal(number, _terminate)
    end_quickly()
    if "DVC_STAGE" in os.environ:
        _end_with_dvc()
    try:
        main()
    except FileNotFoundError as error:
        sys.exit(f"error: {error.filename} is not there; `dvc repro` runs the stage that makes it")
    except OSError as error:
        sys.exit(f"error: {os_error_line(error)}")
    except sqlite3.Error as error:
        sys.exit(f"error: DVC's database in its site cache: {error}; is the disk full?")
    except InUseError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(os.EX_TEMPFAIL)
    except ValueError as error:
        sys.exit(f"error: {' '.join(str(error).split())}")
    except Exception as error:  # PyTorch's, OpenCV's and Python's have no common class
        if type(error).__module__.startswith(("dvc.", "ray.")):  # slow to import
            sys.exit(f"error: {' '.join(str(error).split())}")
        if not ran_out_of_memory(error):
            raise
        sys.exit(f"error: not enough memory; try {less_memory}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)


def _end_with_dvc() -> None:
    """Send this process a SIGTERM when DVC, or what DVC started on the way to it, has ended."""
    import psutil  # which comes with DVC; a stage without DVC needs neither

    ancestors = []
    for ancestor in psutil.Process().parents():  # many shells stay between DVC and its command
        ancestors.append(ancestor)
        with suppress(psutil.AccessDenied):  # the init process: DVC has ended before
            if "DVC_STAGE" in ancestor.environ():
                continue
        break  # DVC itself

    def wait() -> None:
        with suppress(psutil.NoSuchProcess):
            while all(one.status() != psutil.STATUS_ZOMBIE for one in ancestors):
                time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


@contextmanager
def keeping_signals() -> Iterator[None]:
    """Let what is done in it, such as to start Ray, not take over the signals that end a stage."""
    handlers = {number: signal.getsignal(number) for number in ending_signals()}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def ending_signals() -> list[signal.Signals]:
    """SIGTERM, and SIGHUP unless it is ignored, as under nohup."""
    hangs_up = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    return [signal.SIGTERM, *([signal.SIGHUP] if hangs_up else [])]


def _terminate(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
