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
