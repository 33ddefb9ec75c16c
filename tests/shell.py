"""Run commands as a user does."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from unittest import mock

import pytest

ROOT = Path(__file__).parents[1]
LONGER = (  # trainings of the smoke preset, to some seconds
    ("models: 4 ", "models: 60 "),
    ("checkpoint_every: 2", "checkpoint_every: 10"),
    ("log_every: 2", "log_every: 5"),
    ("validate_every: 4", "validate_every: 20"),
)


def be_interrupted() -> None:
    """Let what is started from here be interrupted, even where this runs in the background."""
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, default)


def environment() -> dict[str, str]:
    """The user's, with this Python first on the path."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1"}


def run(command: str, folder: Path, check: bool = True) -> subprocess.CompletedProcess:
    """Run a shell command as a user does, with this Python first on the path."""
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if check and done.returncode:
        pytest.fail(f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def run_here(command: str, folder: Path, check: bool = True) -> subprocess.CompletedProcess:
    """Run a `cssr …` command in this process, which has imported PyTorch already."""
    from cssr.cli import main

    out, err = StringIO(), StringIO()
    before = signal.getsignal(signal.SIGTERM)
    arguments = mock.patch.object(sys, "argv", shlex.split(command))
    with chdir(folder), redirect_stdout(out), redirect_stderr(err), arguments:
        try:
            main()
        except SystemExit as end:
            code = end.code
    signal.signal(signal.SIGTERM, before)
    if check and code:
        pytest.fail(f"{command}: exit {code}\n{out.getvalue()}\n{err.getvalue()}")
    return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())


def set_params(folder: Path, *changes: tuple[str, str]) -> None:
    """Replace texts in params.yaml, each of which has to be there."""
    text = (folder / "params.yaml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "params.yaml").write_text(text)


def make_clone(folder: Path, preset: str) -> Path:
    """Make a folder a fresh Git clone of the project as it stands, with a preset as params.yaml."""
    listed = run("git ls-files -z --cached --others --exclude-standard", ROOT).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / "dvc.lock").unlink(missing_ok=True)
    run(f"python -m stages.preset {preset}", folder)
    run("git init -q && git add -A", folder)
    run("git -c user.name=t -c user.email=t@example.org commit -qm clone", folder)
    run("git config user.name t && git config user.email t@example.org", folder)
    return folder
