import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from cssr.data.arrays import load_arrays
from cssr.sources.listing import DataError
from stages import fetch, prepare, split, watch
from stages.preset import read_preset

SIDE = 64
PRESETS = Path("presets").resolve()


def write_images(folder: Path, counts: dict[str, int], side: int = SIDE) -> Path:
    """Gray images with a crack across: `counts` says how many of each split."""
    for part, count in counts.items():
        for kind in ("images", "masks"):
            (folder / part / kind).mkdir(parents=True)
        for index in range(count):
            image, mask = np.full((side, side, 3), 90, np.uint8), np.zeros((side, side), np.uint8)
            mask[20:25] = 255
            cv2.imwrite(str(folder / part / f"images/a_{index}.jpg"), image)
            cv2.imwrite(str(folder / part / f"masks/a_{index}.jpg"), mask)
    return folder


@pytest.fixture
def repo(tmp_path, monkeypatch):
    """A folder with parameters whose source is the folder images/ beside params.yaml."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setattr("sys.argv", ["stage"])
    shutil.copytree(PRESETS, tmp_path / "presets")
    (tmp_path / "data/sources").mkdir(parents=True)
    write_images(tmp_path / "images", {"train": 8, "test": 2})
    set_params(source="path", path={"own": "images"}, image_size=SIDE, size=SIDE)
    return tmp_path


def set_params(val: int = 2, **data) -> None:
    params = read_preset("smoke").model_dump()
    params["data"] |= data
    params["split"]["val"] = val
    Path("params.yaml").write_text(yaml.safe_dump(params))


def left() -> set[str]:
    """What lies in data/ besides the folder of the fingerprints."""
    return {file.name for file in Path("data").iterdir()} - {"sources"}


def count(folder: str) -> int:
    return len(list(Path(folder).iterdir()))


def run_watch(monkeypatch, name: str = "own") -> dict:
    monkeypatch.setattr("sys.argv", ["watch", name])
    watch.main()
    return json.loads(Path(f"data/sources/{name}.json").read_text())


def test_a_folder_is_fetched(repo):
    fetch.main()
    assert (count("data/raw/train/images"), count("data/raw/test/masks")) == (8, 2)


def test_a_relative_path_is_taken_from_the_repo_of_dvc(repo, monkeypatch):
    workplace = repo / "elsewhere"
    for name in ("presets", "params.yaml"):
        source = repo / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, mkdir(workplace) / name)
    monkeypatch.chdir(workplace)
    monkeypatch.setenv("DVC_ROOT", str(repo))
    fetch.main()
    assert count("data/raw/train/images") == 8


def mkdir(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def test_the_synthetic_set_is_fetched(repo):
    synthetic = {"train": 4, "test": 3, "crack_width": [1.5, 6.0]}
    set_params(source="synthetic", path={}, image_size=SIDE, size=SIDE, synthetic=synthetic)
    fetch.main()
    assert (count("data/raw/train/images"), count("data/raw/test/masks")) == (4, 3)


def test_the_downloaded_set_is_fetched_and_the_download_kept(repo, monkeypatch):
    """Or an edit of what reads images would cost another download."""

    def download(folder: Path) -> Path:
        return write_images(folder / "set", {"train": 3, "test": 1}, side=448)

    monkeypatch.setattr(fetch, "download_khanhha", download)
    set_params(source="khanhha", path={}, image_size=448, size=SIDE)
    monkeypatch.setattr(fetch, "KHANHHA_IMAGES", {"train": 3, "test": 1})
    fetch.main()
    assert {path.name for path in Path("data/raw").iterdir()} == {"train", "test"}
    assert count("data/raw/train/images") == 3
    assert Path("state/download/set").exists()


def test_a_failed_download_leaves_its_part_for_the_next_and_nothing_else(repo, monkeypatch):
    def download(folder: Path) -> Path:
        (folder / "half.zip").write_bytes(b"half")
        raise DataError("no network")

    monkeypatch.setattr(fetch, "download_khanhha", download)
    set_params(source="khanhha", path={}, image_size=448, size=SIDE)
    with pytest.raises(DataError, match="no network"):
        fetch.main()
    assert left() == set()
    assert Path("state/download/half.zip").read_bytes() == b"half"


def test_a_part_of_a_download_survives_a_fetch_from_elsewhere(repo):
    Path("state/download").mkdir(parents=True)
    Path("state/download/khanhha.zip_.part").write_bytes(b"half")
    fetch.main()
    assert Path("state/download/khanhha.zip_.part").read_bytes() == b"half"


def test_unusable_images_leave_nothing(repo):
    (repo / "images/train/masks/a_1.jpg").unlink()
    with pytest.raises(DataError, match=r"1 of 10 images are not usable"):
        fetch.main()
    assert left() == set()


def test_an_interrupted_fetch_leaves_nothing(repo, monkeypatch):
    def interrupted(sources, folder, *, image_size):
        (folder / "train").mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr(fetch, "import_images", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch.main()
    assert left() == set()


def test_a_source_that_is_not_there_is_an_error_of_fetch(repo):
    shutil.rmtree("images")
    with pytest.raises(DataError, match=r"^images: no such folder or zip"):
        fetch.main()


def test_watch_writes_another_fingerprint_for_other_content(repo, monkeypatch):
    before = run_watch(monkeypatch)
    (repo / "images/train/images/a_1.jpg").write_bytes(b"other")
    after = run_watch(monkeypatch)
    assert before["path"] == after["path"] == "images"
    assert before["sha256"] != after["sha256"]


def test_watch_writes_the_same_for_the_same_content(repo, monkeypatch):
    assert run_watch(monkeypatch) == run_watch(monkeypatch)


def test_watch_refuses_a_name_that_the_parameters_do_not_have(repo, monkeypatch):
    with pytest.raises(ValueError, match=r"^x is not a key of data.path \(own\)"):
        run_watch(monkeypatch, "x")


def test_split_writes_sorted_names_of_all_images(repo):
    fetch.main()
    split.main()
    names = json.loads(Path("data/split.json").read_text())
    assert {part: len(of_part) for part, of_part in names.items()} == {
        "train": 6,
        "val": 2,
        "test": 2,
    }
    assert all(of_part == sorted(of_part) for of_part in names.values())


def test_split_refuses_to_leave_no_training_image(repo):
    set_params(val=8, source="path", path={"own": "images"}, image_size=SIDE, size=SIDE)
    fetch.main()
    with pytest.raises(ValueError, match=r"split.val: 8 validation images .* of 8 training"):
        split.main()
    assert left() == {"raw"}


def test_prepare_writes_the_arrays_of_the_three_splits(repo):
    for stage in (fetch, split, prepare):
        stage.main()
    names = json.loads(Path("data/split.json").read_text())
    for part in ("train", "val", "test"):
        assert load_arrays(Path("data/arrays") / part).names == names[part]


def test_prepare_leaves_nothing_half_made(repo):
    fetch.main()
    split.main()
    next(Path("data/raw/test/images").iterdir()).write_bytes(b"")
    with pytest.raises(cv2.error):
        prepare.main()
    assert left() == {"raw", "split.json"}


def test_watch_takes_what_is_known_of_a_source_that_is_not_here(repo, monkeypatch, capsys):
    before = run_watch(monkeypatch)
    shutil.rmtree("images")
    assert run_watch(monkeypatch) == before
    assert capsys.readouterr().out == (
        "note: images is not here; taken as it was when data/sources/own.json was written\n"
    )


def test_watch_refuses_a_source_that_is_not_here_and_never_was(repo, monkeypatch):
    run_watch(monkeypatch)
    shutil.move("images", "moved")
    set_params(source="path", path={"own": "other"}, image_size=SIDE, size=SIDE)
    with pytest.raises(DataError, match=r"^other: no such folder or zip .*; `dvc pull` brings"):
        run_watch(monkeypatch)


def test_masks_and_annotations_of_other_tools_are_fetched_as_they_are(repo):
    for k, file in enumerate(sorted(Path("images/train/masks").iterdir())):
        mask = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        if k % 2:
            cv2.imwrite(str(file.with_suffix(".png")), (mask > 128).astype(np.uint8))
        else:
            shape = {"label": "crack", "points": [[0, 20], [SIDE, 20], [SIDE, 25], [0, 25]]}
            text = {"version": "5", "shapes": [{**shape, "shape_type": "polygon"}]}
            text |= {"imagePath": f"{file.stem}.jpg", "imageHeight": SIDE, "imageWidth": SIDE}
            Path(f"images/train/images/{file.stem}.json").write_text(json.dumps(text))
        file.unlink()
    fetch.main()
    for file in Path("data/raw/train/masks").iterdir():
        rows = np.flatnonzero(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)[:, 7] > 128)
        assert rows.tolist() == [20, 21, 22, 23, 24], file


def test_what_needs_a_choice_is_left_to_cssr_dataset(repo):
    shutil.move("images/train/images", "images/images")
    shutil.move("images/train/masks", "images/masks")
    shutil.rmtree("images/test")
    with pytest.raises(DataError, match=r"no folders train and test \(8 × images/\*.jpg with"):
        fetch.main()
    assert left() == set()


def test_inverted_masks_are_not_fetched(repo):
    for file in Path("images").glob("*/masks/*"):
        cv2.imwrite(str(file), 255 - cv2.imread(str(file)))
    with pytest.raises(DataError, match=r"92% of the masks is crack; .* --inverted turns them"):
        fetch.main()
    assert left() == set()
