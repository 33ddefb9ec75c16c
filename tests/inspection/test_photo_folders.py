import os

import pytest

from cssr.inspection.photo_files import find_photos
from cssr.sources.images import photo_kinds


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


@pytest.fixture
def no_heic(monkeypatch):
    monkeypatch.setattr(photo_kinds, "find_spec", lambda name: None)


def test_images_that_are_left_out_are_told_by_count_and_kind(tmp_path, no_heic, capsys):
    touch(tmp_path, "a.jpg", "b.HEIC", "c.heic", "d.DNG", "e.gif", "notes.txt", "a.tfw", "a.xmp")
    assert list(find_photos([tmp_path], recursive=False)) == ["a.jpg"]
    error = capsys.readouterr().err
    assert error.startswith(f"note: {tmp_path}: left out: 2 HEIC, 1 DNG, 1 GIF (the extra cssr[")
    assert error.count("\n") == 1


def test_a_folder_with_nothing_else_ends_with_that_line(tmp_path, no_heic):
    touch(tmp_path, "a.HEIC", "b.heic")
    with pytest.raises(ValueError, match=r"no photo .*; left out: 2 HEIC \(the extra cssr\[heic"):
        find_photos([tmp_path], recursive=False)


def test_with_its_library_heic_is_a_photo(tmp_path, capsys):
    pytest.importorskip("pillow_heif")
    touch(tmp_path, "a.HEIC")
    assert list(find_photos([tmp_path], recursive=False)) == ["a.HEIC"]
    assert capsys.readouterr().err == ""


def test_hidden_files_and_folders_are_passed_over_silently(tmp_path, capsys):
    touch(tmp_path, "a.jpg", "._a.jpg", ".b.jpg", "._c.HEIC", ".thumbnails/a.jpg", "__MACOSX/a.jpg")
    assert list(find_photos([tmp_path], recursive=True)) == ["a.jpg"]
    assert capsys.readouterr().err == ""


def test_what_is_no_image_is_not_worth_a_word(tmp_path, capsys):
    touch(tmp_path, "a.jpg", "a.csv", "a.txt", "a.xmp", "a.jgw", "a.prj", "a.jpg.aux.xml", "a.srt")
    find_photos([tmp_path], recursive=False)
    assert capsys.readouterr().err == ""


def test_links_to_folders_are_followed_without_loops(tmp_path):
    touch(tmp_path, "in/a.jpg", "in/deep/b.jpg", "elsewhere/c.jpg")
    (tmp_path / "in/deep/up").symlink_to(tmp_path / "in")
    (tmp_path / "in/again").symlink_to(tmp_path / "in/deep")
    (tmp_path / "in/link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in/itself").symlink_to(tmp_path / "in/itself")
    found = find_photos([tmp_path / "in"], recursive=True)
    assert list(found) == ["a.jpg", "deep/b.jpg", "link/c.jpg"]


def test_a_link_to_a_photo_is_a_photo(tmp_path):
    touch(tmp_path, "elsewhere/a.jpg", "in/b.jpg")
    (tmp_path / "in/a.jpg").symlink_to(tmp_path / "elsewhere/a.jpg")
    (tmp_path / "in/gone.jpg").symlink_to(tmp_path / "nothing.jpg")
    assert list(find_photos([tmp_path / "in"], recursive=False)) == ["a.jpg", "b.jpg"]


def test_a_folder_that_may_not_be_read_is_told(tmp_path, monkeypatch, capsys):
    touch(tmp_path, "a.jpg", "locked/b.jpg")
    monkeypatch.setattr(os, "access", lambda path, mode: path.name != "locked")
    photos = find_photos([tmp_path], recursive=True)
    assert list(photos) == ["a.jpg"]
    assert "left out: 1 unreadable folder" in capsys.readouterr().err
