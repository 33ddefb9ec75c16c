import shutil
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from cssr.files import naming, new_files, new_folder, write_whole


def fail_in(folder: AbstractContextManager[Path]) -> None:
    """Raise after a file has been written."""
    with folder as partial:
        (partial / "a").write_text("new")
        raise RuntimeError


def test_a_file_is_replaced_as_a_whole(tmp_path):
    file = tmp_path / "a"
    for content in (b"first", b"second"):
        write_whole(file, content[:2], content[2:])
        assert file.read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_folder_takes_its_name_when_it_is_complete(tmp_path):
    with new_folder(tmp_path / "a/out") as partial:
        (partial / "x").write_text("1")
        assert not (tmp_path / "a/out").exists()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["out"]


def test_a_signal_while_its_workplace_is_removed_leaves_nothing(tmp_path, monkeypatch):
    remove = shutil.rmtree

    def interrupted(folder, **options):
        remove(folder / "new", **options)
        if Path(folder).name == ".out.partial":
            monkeypatch.setattr(shutil, "rmtree", remove)
            raise KeyboardInterrupt

    folder = new_folder(tmp_path / "out")
    folder.__enter__()
    monkeypatch.setattr(shutil, "rmtree", interrupted)
    with pytest.raises(KeyboardInterrupt):
        folder.__exit__(None, None, None)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_fails_leaves_the_old_one(tmp_path):
    folder = tmp_path / "out"
    with new_folder(folder) as partial:
        (partial / "a").write_text("old")
    with pytest.raises(RuntimeError):
        fail_in(new_folder(folder))
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [("a", "old")]
    assert list(tmp_path.iterdir()) == [folder]


def test_files_of_a_folder_are_replaced_all_or_none_and_others_stay(tmp_path):
    folder = tmp_path / "reports"
    folder.mkdir()
    for name in ("a", "other"):
        (folder / name).write_text("old")
    with pytest.raises(RuntimeError):
        fail_in(new_files(folder))
    assert (folder / "a").read_text() == "old"
    with new_files(folder) as partial:
        (partial / "a").write_text("new")
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "a": "new",
        "other": "old",
    }
    assert list(tmp_path.iterdir()) == [folder]


def test_an_error_without_a_file_is_given_one(tmp_path):
    with pytest.raises(OSError, match=f"No space left on device: '{tmp_path}'"), naming(tmp_path):
        raise OSError(28, "No space left on device")


def writer(kind: str, folder: Path) -> subprocess.Popen:
    """A process that is half through with writing a folder, and ends when it is told to."""
    code = f"""
import sys
from pathlib import Path
from cssr.files import {kind}
with {kind}(Path(sys.argv[1])) as partial:
    (partial / "a").write_text("first half")
    print("half", flush=True)
    sys.stdin.readline()
    (partial / "b").write_text("second half")
"""
    command = [sys.executable, "-c", code, str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "half\n"
    return process


@pytest.mark.parametrize("kind", [new_folder, new_files])
def test_a_second_process_is_refused_and_the_first_one_ends_well(tmp_path, kind, tried):
    first = writer(kind.__name__, tmp_path / "out")
    with (
        pytest.raises(ValueError, match=r"out is being written by another process; wait for it"),
        kind(tmp_path / "out"),
    ):
        pass
    first.communicate("\n", timeout=10)
    assert first.returncode == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a", "b"]
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]
    tried(f"the same output written twice at once ({kind.__name__})", 1, "the second one refused")


def test_what_a_killed_process_has_left_is_replaced(tmp_path):
    first = writer("new_folder", tmp_path / "out")
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=10)
    with new_folder(tmp_path / "out") as partial:
        assert list(partial.iterdir()) == []
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]
