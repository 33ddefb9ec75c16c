import os

import pytest

from cssr.inspection.photo_files import find_photos


def test_photos_are_found_by_their_suffix(tmp_path):
    for name in ("b.JPG", "a.tiff", "notes.txt", "sub/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list(find_photos([tmp_path], recursive=False)) == ["a.tiff", "b.JPG"]
    assert list(find_photos([tmp_path], recursive=True)) == ["a.tiff", "b.JPG", "sub/c.png"]
    left = find_photos([tmp_path], recursive=True, exclude=tmp_path / "sub")
    assert list(left) == ["a.tiff", "b.JPG"]


def test_a_path_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match="nothing: no such file or folder"):
        find_photos([tmp_path / "nothing"], recursive=False)


def test_a_folder_without_photos_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no photo \(.jpg, .*--recursive looks"):
        find_photos([tmp_path], recursive=False)


def test_two_photos_of_one_name_are_told_apart_by_their_folders(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.png").touch()
    found = find_photos([tmp_path / "one", tmp_path / "two"], recursive=False)
    assert list(found) == ["one/a.png", "two/a.png"]


@pytest.mark.parametrize(
    ("name", "written"), [(b"\xff.png", "\\xff.png"), (b"a\n.png", "a\\n.png")]
)
def test_a_name_that_is_not_one_line_of_utf_8_is_written_with_backslashes(tmp_path, name, written):
    with open(os.fsencode(tmp_path) + b"/" + name, "wb"):  # noqa: PTH123
        pass
    assert list(find_photos([tmp_path], recursive=False)) == [written]
