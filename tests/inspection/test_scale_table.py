from unicodedata import normalize

import pytest

from cssr.inspection.scale_table import read_sizes

NAMES = ["a.jpg", "more/b.jpg"]


@pytest.mark.parametrize(
    "text",
    [
        "photo,mm_per_px\na.jpg,0.5\nmore/b.jpg,2\n",
        "photo,mm_per_px\na.jpg,0.5\nb.jpg,2\n",
        "name,size\na.jpg,0.5\nb.jpg,2\n",
        "b.jpg,2\na.jpg,0.5",
        "Photo, Flight ,MM/px\na.jpg,7,0.5\nb.jpg,8,2\n",
        "photo,id,mm per px\na.jpg,7,0.5\nb.jpg,8,2\n",
        "photo,mm_per_px,remark\na.jpg,0.5\nb.jpg,2,wet\n",
        "File;Size (mm)\na.jpg;0,5\nb.jpg;2\n",
        "\ufeffcamera;mm_per_px;photo\r\nX;0,5;a.jpg\r\n;;\r\nX;2;b.jpg\r\n",
    ],
)
def test_sizes_are_read_by_name_or_file_name(tmp_path, text, capsys):
    (tmp_path / "mm.csv").write_text(text, encoding="utf-8")
    assert read_sizes(tmp_path / "mm.csv", NAMES) == {"a.jpg": 0.5, "more/b.jpg": 2.0}
    assert capsys.readouterr().err == ""


def test_photos_that_are_not_there_are_told(tmp_path, capsys):
    (tmp_path / "mm.csv").write_text("a.jpg,1\nc.jpg,1\nb.jpg,2\n")
    assert len(read_sizes(tmp_path / "mm.csv", NAMES)) == 2
    assert capsys.readouterr().err.endswith("mm.csv: not among the photos: c.jpg\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("photo,mm_per_px\n", "no size of a.jpg, more/b.jpg"),
        ("a.jpg,1\n", "no size of more/b.jpg"),
        ("a.jpg,1\nb.jpg,2\na.jpg,3\n", "two lines of a.jpg"),
        ("a.jpg,1\nb.jpg,2\nmore/b.jpg,3\n", "two sizes of more/b.jpg"),
        ("a.jpg,1\nb.jpg,0\n", r"no number of mm in \(0, 1e\+06\] in line 2"),
        ("a.jpg,1\nb.jpg,nan\n", "in line 2"),
        ("a.jpg,0.5mm\nb.jpg,1\n", "in line 1"),
        ("photo,mm\na.jpg\nb.jpg,1\n", "in line 2"),
        ("photo,mm\n\na.jpg,1\nb.jpg,x\n", "in line 4"),
        ("a.jpg,1,5\nb.jpg,2\n", r"not two columns in line 1; .*decimal commas need semicolons"),
        ("photo,mm_per_px\na.jpg,1,5\nb.jpg,2\n", "more than its 2 columns in line 2"),
        ("photo,id,size\na.jpg,7,1\nb.jpg,8,2\n", "not two columns in line 1, line 2, line 3;"),
        ("photo,mm_per_px,mm/px\na.jpg,1,2\nb.jpg,1,2\n", "not two columns in line 1"),
        ("a.jpg\t1\nb.jpg\t2\n", "not two columns in line 1"),
        ("photo;m_per_px\na.jpg;0,001\n", "its columns are photo and m_per_px; wanted are photo"),
        ("photo,cm_per_px\na.jpg,1\n", "are photo and cm_per_px"),
        ("photo,px_per_mm\na.jpg,1\n", "are photo and px_per_mm"),
        ("photo,µm/px\na.jpg,1\n", "are photo and µm/px"),
        ("name,inch\na.jpg,1\n", "are name and inch"),
        ("a.jpg,unknown\nb.jpg,2\n", "are a.jpg and unknown"),
        ("a.jpg,1_0\nb.jpg,2\n", "in line 1"),
        ("mm_per_px,photo\n0.5\n", "no photo in line 2"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, message):
    (tmp_path / "mm.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_sizes(tmp_path / "mm.csv", NAMES)


def test_a_photo_that_cannot_be_read_needs_no_size_but_may_have_one(tmp_path, capsys):
    (tmp_path / "mm.csv").write_text("a.jpg,1\n")
    assert read_sizes(tmp_path / "mm.csv", NAMES, ["a.jpg"]) == {"a.jpg": 1.0}
    (tmp_path / "mm.csv").write_text("a.jpg,1\nb.jpg,2\n")
    assert read_sizes(tmp_path / "mm.csv", NAMES, ["a.jpg"]) == {"a.jpg": 1.0, "more/b.jpg": 2.0}
    assert capsys.readouterr().err == ""


def test_a_file_name_of_two_photos_is_refused(tmp_path):
    (tmp_path / "mm.csv").write_text("b.jpg,1\n")
    with pytest.raises(ValueError, match=r"b\.jpg: several photos have this name"):
        read_sizes(tmp_path / "mm.csv", ["one/b.jpg", "two/b.jpg"])


def test_a_picture_is_no_table(tmp_path):
    (tmp_path / "mm.csv").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(ValueError, match="is not a CSV file in UTF-8"):
        read_sizes(tmp_path / "mm.csv", NAMES)


def test_names_are_found_however_they_are_written(tmp_path):
    file = tmp_path / "mm.csv"
    written = normalize("NFD", "Brücke/a.jpg").replace("/", "\\")
    file.write_text(f"photo,mm\n{written},0.2\n./b.jpg,0.3\n")
    assert read_sizes(file, ["Brücke/a.jpg", "b.jpg"]) == {"Brücke/a.jpg": 0.2, "b.jpg": 0.3}


def test_rows_of_other_photos_are_named_where_a_size_is_missing(tmp_path):
    file = tmp_path / "mm.csv"
    file.write_text("photo,mm\nA.JPG,0.2\n")
    with pytest.raises(ValueError, match=r"no size of a\.jpg; not among the photos: A\.JPG"):
        read_sizes(file, ["a.jpg"])


def test_a_quote_that_does_not_end_is_one_line(tmp_path):
    file = tmp_path / "mm.csv"
    file.write_text('photo,mm\n"' + "a,0.2\n" * 40_000)
    with pytest.raises(ValueError, match="not a readable CSV file"):
        read_sizes(file, ["a"])
