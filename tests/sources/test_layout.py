import shutil
import struct
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from cssr.sources import listing
from cssr.sources.layout import import_images
from cssr.sources.listing import DataError, fingerprint, locate

SIDE = 16


def write_image(file: Path, pixels: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), pixels)


def write_pair(folder: Path, name: str, *, side: int = SIDE, suffix: str = ".png") -> None:
    """A gray image and a mask with a crack; `name` is like train/NAME."""
    split, stem = name.split("/")
    mask = np.zeros((side, side), np.uint8)
    mask[side // 2] = 255
    write_image(folder / split / "images" / f"{stem}.jpg", np.full((side, side, 3), 90, np.uint8))
    write_image(folder / split / "masks" / f"{stem}{suffix}", mask)


def zip_of(folder: Path, file: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(folder.rglob("*.*")):
            archive.write(path, prefix + path.relative_to(folder).as_posix())
    return file


def files_in(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


@pytest.fixture
def source(tmp_path):
    """A folder with 14 training and 1 test pairs."""
    for i in range(14):
        write_pair(tmp_path / "source", f"train/a_{i:02}")
    write_pair(tmp_path / "source", "test/b")
    return tmp_path / "source"


def fetch(*sources: Path, out: str = "raw") -> Path:
    folder = sources[0].parent / out
    import_images(sources, folder, image_size=SIDE)
    return folder


def test_a_folder_is_copied_byte_for_byte(source):
    raw = fetch(source)
    assert files_in(raw) == files_in(source)
    assert all((raw / name).read_bytes() == (source / name).read_bytes() for name in files_in(raw))


def test_a_zip_gives_what_its_folder_gives(source, tmp_path):
    archive = zip_of(source, tmp_path / "a.zip")
    assert fingerprint(fetch(archive, out="of_zip")) == fingerprint(fetch(source, out="of_folder"))


def test_the_data_set_may_lie_deeper_in_a_zip(source, tmp_path):
    archive = zip_of(source, tmp_path / "a.zip", prefix="some/crack_segmentation_dataset/")
    assert files_in(fetch(archive)) == files_in(source)


def test_files_that_are_no_part_of_the_layout_are_left_behind(source):
    for name in ("images/x.jpg", "train/images/notes.txt", "__MACOSX/train/images/._x.jpg"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(b"x")
    assert len(files_in(fetch(source))) == 30


def test_suffixes_may_be_in_capitals(source):
    image = source / "test/images/b.jpg"
    image.rename(image.with_suffix(".JPG"))
    assert "test/images/b.JPG" in files_in(fetch(source))


def test_sources_are_merged(source, tmp_path):
    write_pair(tmp_path / "more", "train/c", suffix=".jpg")
    assert len(files_in(fetch(source, tmp_path / "more"))) == 32


def test_the_same_name_in_two_sources_is_refused(source, tmp_path):
    write_pair(tmp_path / "more", "train/a_03", suffix=".jpg")
    with pytest.raises(DataError, match=r"a_03.jpg \(the same name as train/images/a_03.jpg\)"):
        fetch(source, tmp_path / "more")


def test_the_first_ten_images_without_mask_are_named_and_all_are_counted(source):
    shutil.rmtree(source / "train/masks")
    with pytest.raises(DataError) as error:
        fetch(source)
    named = ", ".join(f"train/images/a_{i:02}.jpg (no mask)" for i in range(10))
    assert str(error.value) == (
        f"{source}: 14 of 15 images are not usable: {named}, … and 4 more"
        f"; if they show no crack: cssr dataset {source} --out own.zip --size {SIDE} "
        "--negatives FOLDER"
    )


def test_a_mask_without_image_is_refused(source):
    (source / "test/images/b.jpg").unlink()
    with pytest.raises(DataError, match=r"1 of 15 .*: test/masks/b.png \(no image\)$"):
        fetch(source)


@pytest.mark.parametrize("name", ["train/images/a_02.jpg", "train/masks/a_02.png"])
def test_an_image_or_mask_of_another_size_is_refused(source, name):
    write_image(source / name, np.zeros((12, 20), np.uint8))
    with pytest.raises(DataError, match=rf"{name} \(20×12 px, not 16×16\)"):
        fetch(source)


@pytest.mark.parametrize("content", [b"", b"no image"])
def test_an_unreadable_image_is_refused(source, content):
    (source / "train/images/a_02.jpg").write_bytes(content)
    with pytest.raises(DataError, match=r"train/images/a_02.jpg \(not a readable image\)"):
        fetch(source)


def test_a_truncated_image_is_refused(source):
    file = source / "train/images/a_02.jpg"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"a_02.jpg \(not a readable image\)"):
        fetch(source)


def test_a_damaged_member_of_a_zip_is_refused(source, tmp_path):
    archive = zip_of(source, tmp_path / "a.zip")
    content = (source / "test/masks/b.png").read_bytes()
    stored = archive.read_bytes()
    archive.write_bytes(stored.replace(content, content[:-1] + b"x"))
    with pytest.raises(DataError, match=r"test/masks/b.png \(cannot be read: Bad CRC"):
        fetch(archive)


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_set_without_images_of_a_split_is_refused(source, split):
    shutil.rmtree(source / split)
    with pytest.raises(DataError, match=f"there is no {split} image"):
        fetch(source)


def test_a_set_whose_masks_are_all_empty_is_refused(source):
    for mask in source.glob("*/masks/*"):
        write_image(mask, np.zeros((SIDE, SIDE), np.uint8))
    with pytest.raises(DataError, match="no mask holds crack"):
        fetch(source)


def test_a_mask_of_a_single_value_that_is_not_white_is_refused(source):
    write_image(source / "test/masks/b.png", np.ones((SIDE, SIDE), np.uint8))
    with pytest.raises(DataError, match=r"test/masks/b.png \(it holds only the value 1,"):
        fetch(source)


def test_a_folder_without_the_layout_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no images found; looked for {train,test}/{images,masks}"):
        import_images([tmp_path], tmp_path / "raw", image_size=SIDE)


def test_two_data_sets_in_one_folder_are_refused(source, tmp_path):
    shutil.copytree(source, tmp_path / "both/one")
    shutil.copytree(source, tmp_path / "both/two")
    with pytest.raises(DataError, match="more than one data set, in one, two"):
        fetch(tmp_path / "both")


def test_a_file_that_is_no_zip_is_refused(tmp_path):
    (tmp_path / "a.zip").write_text("no zip")
    with pytest.raises(DataError, match=r"a.zip: neither a folder nor a readable zip"):
        fetch(tmp_path / "a.zip")


@pytest.mark.parametrize("name", ["../x.jpg", "/x.jpg", "train/../../x.jpg", "C:\\x.jpg", "..\\x"])
def test_a_zip_whose_members_lead_out_of_it_is_refused_before_anything_is_written(
    source, tmp_path, name, tried
):
    archive = zip_of(source, tmp_path / "a.zip")
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(name, "x")
    with pytest.raises(DataError, match="1 of 31 members lead out of the zip"):
        fetch(archive)
    assert not (tmp_path / "raw").exists()
    tried(f"zip with a member {name}", 1, "refused before anything is written")


def test_a_zip_with_a_link_is_refused(source, tmp_path, tried):
    archive = zip_of(source, tmp_path / "a.zip")
    link = zipfile.ZipInfo("train/images/link.jpg")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(link, "elsewhere")
    with pytest.raises(
        DataError, match=r"1 of 31 members lead out of the zip: train/images/link.jpg"
    ):
        fetch(archive)
    assert not (tmp_path / "raw").exists()
    tried("zip with a link", 1, "refused before anything is written")


@pytest.mark.parametrize(
    ("cap", "size", "message"),
    [
        ("MAX_MEMBER", 20_000, "1 of 31 members are larger than 20,000 bytes: train/images/bomb"),
        ("MAX_ARCHIVE", 90_000, "bytes unpacked, more than 90,000"),
    ],
)
def test_a_zip_that_unpacks_beyond_a_cap_is_refused_before_anything_is_written(
    source, tmp_path, monkeypatch, cap, size, message, tried
):
    monkeypatch.setattr(listing, cap, size)
    archive = zip_of(source, tmp_path / "a.zip")
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("train/images/bomb.jpg", bytes(100_000))
    assert archive.stat().st_size < size
    with pytest.raises(DataError, match=message):
        fetch(archive)
    assert not (tmp_path / "raw").exists()
    tried(f"zip that unpacks beyond {cap}", 1, "refused before anything is written")


def test_the_real_caps_leave_room_for_the_real_sets():
    assert listing.MAX_MEMBER == 64 * 2**20
    assert listing.MAX_ARCHIVE == 64 * 2**30


def test_a_zip_that_understates_a_members_size_is_refused(source, tmp_path, tried):
    archive = zip_of(source, tmp_path / "a.zip")
    content = archive.read_bytes()
    size = (source / "test/masks/b.png").stat().st_size
    told = struct.pack("<II", size, size)
    archive.write_bytes(content.replace(told, struct.pack("<II", size, size // 2)))
    with pytest.raises(DataError, match="cannot be read: Bad CRC"):
        fetch(archive)
    tried("zip that understates a member's size", 1, "refused by its name")


BREAKS = ("\n", "\r", "\u2028")


@pytest.mark.parametrize("name", [*(f"a{mark}b" for mark in BREAKS), "a\udcffb"], ids=ascii)
def test_a_name_that_is_not_one_line_of_utf8_is_refused(source, tmp_path, name, tried):
    for kind, suffix in (("images", ".jpg"), ("masks", ".png")):
        file = source / "train" / kind / f"a_03{suffix}"
        file.rename(file.with_stem(name))
    fingerprint(source)
    with pytest.raises(DataError, match=r"2 of 30 names hold line breaks or are not UTF-8: 'train"):
        fetch(source)
    assert not (tmp_path / "raw").exists()
    tried("file name with a line break or not UTF-8", 1, "refused by its name")


def test_a_zip_with_a_name_that_is_not_utf8_is_refused(source, tmp_path, tried):
    write_pair(source, "train/ä")
    archive = zip_of(source, tmp_path / "a.zip")
    archive.write_bytes(archive.read_bytes().replace("ä".encode(), b"\xff\xff"))
    with pytest.raises(DataError, match=r"a.zip: neither a folder nor a readable zip \('utf-8'"):
        fetch(archive)
    tried("zip with a name that is not UTF-8", 1, "refused with the zip's name")


@pytest.mark.parametrize("pack", [True, False], ids=["zip", "folder"])
def test_names_that_differ_only_by_case_are_refused(source, tmp_path, pack, tried):
    write_pair(source, "train/A_03")
    found = zip_of(source, tmp_path / "a.zip") if pack else source
    with pytest.raises(
        DataError, match=r"1 of 16 names differ only by case: train: a_03 and A_03$"
    ):
        fetch(found)
    assert not (source.parent / "raw").exists()
    tried("names that differ only by case", 1, "refused before anything is written")


def test_a_source_that_is_not_there_is_told_with_where_it_was_looked_for(tmp_path):
    with pytest.raises(DataError, match=rf"^x/y.zip: .*looked for {tmp_path}/x/y.zip"):
        locate("x/y.zip", tmp_path)


def test_a_relative_source_is_found_below_the_root_and_an_absolute_one_where_it_is(source):
    assert locate("source", source.parent) == locate(str(source), Path("elsewhere")) == source


def test_the_fingerprint_of_a_folder_changes_with_a_content_and_with_a_name(source):
    seen = [fingerprint(source)]
    (source / "test/images/b.jpg").write_bytes(b"other")
    seen.append(fingerprint(source))
    (source / "test/images/b.jpg").rename(source / "test/images/c.jpg")
    seen.append(fingerprint(source))
    assert len(set(seen)) == 3


def test_the_fingerprint_of_the_same_files_elsewhere_is_the_same(source, tmp_path):
    shutil.copytree(source, tmp_path / "copy")
    assert fingerprint(tmp_path / "copy") == fingerprint(source)


def test_the_real_zip_is_imported_as_it_is(real_zip, tmp_path):
    import_images([real_zip], tmp_path / "raw", image_size=448)
    with zipfile.ZipFile(real_zip) as archive:
        members = [info.filename for info in archive.infolist() if not info.is_dir()]
    assert files_in(tmp_path / "raw") == sorted("/".join(name.split("/")[-3:]) for name in members)


def test_training_images_with_the_pixels_of_a_test_image_are_named(source, capsys):
    write_image(source / "test/images/b.jpg", np.full((SIDE, SIDE, 3), 120, np.uint8))
    fetch(source)
    assert "pixels of a test image" not in capsys.readouterr().out
    for name in "images/{}.jpg", "masks/{}.png":
        shutil.copy(source / "test" / name.format("b"), source / "train" / name.format("twin"))
    fetch(source, out="again")
    told = "note: training images with the pixels of a test image: train/images/twin.jpg\n"
    assert told in capsys.readouterr().out
