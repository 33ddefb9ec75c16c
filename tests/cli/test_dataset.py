"""`cssr dataset`, as a process, from photos and labels of all kinds to what the pipeline takes."""

import json
import re
import shutil
import signal
import subprocess
import time
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy.io import savemat
from shell import environment, run

from cssr.preparation.photo_names import photo_of
from cssr.sources.layout import import_images
from cssr.sources.synthetic import synthesize

SIDE = 64
WIDE, HIGH = 150, 100


Writer = Callable[[Path, np.ndarray], None]


def photo(k: int) -> tuple[np.ndarray, np.ndarray]:
    """A photo of WIDE × HIGH px and its mask, (HIGH, WIDE) bool."""
    image, mask = synthesize(k, seed=0, size=WIDE, crack_width=(2.0, 5.0))
    return image[:HIGH], mask[:HIGH] > 0


def save(file: Path, pixels: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(cv2.imencode(file.suffix, pixels[..., ::-1])[1].tobytes())


def as_png(file: Path, mask: np.ndarray) -> None:
    save(file.with_suffix(".png"), mask[..., None] * np.uint8(255))


def photos(
    folder: Path, write: Callable[[Path, np.ndarray], None] = as_png, count: int = 8
) -> Path:
    """A folder of photos and masks, which have no crack in one of four."""
    for k in range(count):
        image, mask = photo(k)
        save(folder / f"images/DSC_{k:02}.jpg", image)
        (folder / "masks").mkdir(exist_ok=True)
        write(folder / f"masks/DSC_{k:02}", mask & bool(k % 4))
    return folder


def make(folder: Path, *options: str, out: str = "own.zip", check: bool = True):
    return run(
        f"cssr dataset photos --out {out} --size {SIDE} {' '.join(options)}", folder, check=check
    )


def content(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def masks(file: Path) -> dict[str, np.ndarray]:
    return {
        name: cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE) > 0
        for name, png in content(file).items()
        if "/masks/" in name
    }


def failure(folder: Path, *options: str) -> str:
    """The one line of a command that fails, and leaves nothing."""
    before = sorted(folder.rglob("*"))
    done = make(folder, *options, check=False)
    assert done.returncode == 2
    assert sorted(folder.rglob("*")) == before
    *_, line = done.stderr.splitlines()
    assert "Traceback" not in done.stderr
    return line


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with photos, and the data set of them."""
    folder = tmp_path_factory.mktemp("made")
    photos(folder / "photos")
    (folder / "stdout").write_text(make(folder).stdout)
    return folder


def test_it_says_what_it_found_and_made(made):
    found, line, *rest = (made / "stdout").read_text().splitlines()
    assert (found, line) == ("found:", "  photos: 8 × images/*.jpg with masks/*.png")
    assert rest[-1].startswith("own.zip: ")
    assert rest[-1].endswith(f" test squares of {SIDE} px, of 8 photos; see own.md")


def test_squares_and_masks_are_cut_at_the_same_place(made):
    files = content(made / "own.zip")
    for name, mask in masks(made / "own.zip").items():
        stem = Path(name).stem
        number, place = stem.split("__")
        top, left = map(int, place.split("_"))
        image, whole = photo(int(number[-2:]))
        area = slice(top, top + SIDE), slice(left, left + SIDE)
        assert np.array_equal(mask, whole[area] & bool(int(number[-2:]) % 4))
        jpeg = files[name.replace("masks", "images").replace(".png", ".jpg")]
        pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
        assert np.abs(pixels.astype(int) - image[area]).mean() < 4


def test_no_photo_is_on_both_sides(made):
    sides = {}
    for name in masks(made / "own.zip"):
        assert sides.setdefault(photo_of(Path(name).name), name[:4]) == name[:4]
    assert set(sides.values()) == {"trai", "test"}


def test_the_pipeline_takes_it(made, tmp_path):
    import_images([made / "own.zip"], tmp_path / "raw", image_size=SIDE)
    assert len(list((tmp_path / "raw").rglob("*.png"))) == len(masks(made / "own.zip"))


def test_the_same_photos_give_the_same_bytes(made, tmp_path):
    shutil.copytree(made / "photos", tmp_path / "photos")
    make(tmp_path)
    for name in ("own.zip", "own.md", "own.jpg"):
        assert (tmp_path / name).read_bytes() == (made / name).read_bytes()


def test_the_page_tells_counts_and_widths_and_what_was_left_out(made):
    page = (made / "own.md").read_text()
    assert "![Squares with their cracks outlined](own.jpg)" in page
    for word in (
        "| train |",
        "Crack widths in px",
        "squares without crack, beyond 20%",
        "image_size",
    ):
        assert word in page
    assert cv2.imread(str(made / "own.jpg")).shape[1] % 228 == 0


def test_squares_without_crack_keep_to_their_share(made):
    for side in ("train", "test"):
        of_side = [m.any() for name, m in masks(made / "own.zip").items() if name.startswith(side)]
        assert 1 - np.mean(of_side) <= 0.2


def palette(file: Path, mask: np.ndarray) -> None:
    from PIL import Image

    image = Image.fromarray(mask.astype(np.uint8)).convert("P")
    image.putpalette([0, 0, 0, 128, 0, 0])
    image.save(file.with_suffix(".png"))


CONVENTIONS = {
    "0 and 1": lambda file, m: save(file.with_suffix(".png"), m[..., None].astype(np.uint8)),
    "red": lambda file, m: save(file.with_suffix(".png"), m[..., None] * np.uint8([255, 0, 0])),
    "palette": palette,
    "bmp": lambda file, m: save(file.with_suffix(".bmp"), m[..., None] * np.uint8(255)),
    "float": lambda file, m: tifffile.imwrite(file.with_suffix(".tif"), m.astype(np.float32)),
    "numpy": lambda file, m: np.save(file.with_suffix(".npy"), m),
    "MATLAB": lambda file, m: (
        savemat(file.with_suffix(".mat"), {"mask": m.astype(np.uint8) + 1})
        if m.any()
        else as_png(file, m)
    ),
}


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_masks_of_any_convention_give_the_same(made, tmp_path, convention):
    photos(tmp_path / "photos", CONVENTIONS[convention])
    make(tmp_path)
    assert content(tmp_path / "own.zip") == content(made / "own.zip")


def test_annotations_are_drawn(tmp_path):
    for k in range(4):
        save(tmp_path / f"photos/a{k}.png", photo(k)[0])
        shape = {"label": "crack", "points": [[5, 30], [140, 30], [140, 34], [5, 34]]}
        shapes = [{**shape, "shape_type": "polygon"}] if k else []
        sizes = {"imageHeight": HIGH, "imageWidth": WIDE, "imagePath": f"a{k}.png"}
        text = json.dumps({"version": "5", "shapes": shapes, **sizes})
        (tmp_path / f"photos/a{k}.json").write_text(text)
    done = make(tmp_path, "--test 0.5", "--empty 0")
    assert "4 annotation files with labels crack 3; crack is crack" in done.stdout
    found = masks(tmp_path / "own.zip")
    assert not any(Path(name).name.startswith("a0") for name in found)
    assert sum(mask.sum() for name, mask in found.items() if name.endswith("a1__0_0.png")) == 59 * 4


def test_a_zip_of_windows_and_links_are_read(made, tmp_path):
    with zipfile.ZipFile(tmp_path / "photos", "w") as archive:
        for file in sorted((made / "photos").rglob("*.*")):
            name = str(file.relative_to(made)).replace("/", "\\")
            info = zipfile.ZipInfo("x")
            info.filename = name
            archive.writestr(info, file.read_bytes())
    make(tmp_path)
    assert content(tmp_path / "own.zip") == content(made / "own.zip")
    (tmp_path / "linked/photos").mkdir(parents=True)
    for kind in ("images", "masks"):
        (tmp_path / "linked/photos" / kind).symlink_to(made / "photos" / kind)
    make(tmp_path / "linked")
    assert content(tmp_path / "linked/own.zip") == content(made / "own.zip")


def test_photos_of_one_group_stay_together(tmp_path):
    photos(tmp_path / "photos", count=12)
    make(tmp_path, r"--group 'DSC_(\d)'", "--test 0.3")
    names = [Path(name).name for name in masks(tmp_path / "own.zip")]
    assert {photo_of(name) for name in names} == {"0", "1"}
    assert all(name.split("__")[1].startswith(f"DSC_{name[0]}") for name in names)


def test_the_same_pixels_are_a_group_or_told(tmp_path):
    photos(tmp_path / "photos", count=6)
    for kind, suffix in (("images", ".jpg"), ("masks", ".png")):
        folder = tmp_path / "photos" / kind
        shutil.copy(folder / f"DSC_03{suffix}", folder / f"twin{suffix}")
    make(tmp_path)
    groups = {
        photo_of(Path(n).name) for n in masks(tmp_path / "own.zip") if "twin" in n or "03" in n
    }
    assert len(groups) == 1
    for k in range(6):
        side = "test" if k == 3 else "train"
        for kind, suffix in (("images", ".jpg"), ("masks", ".png")):
            target = tmp_path / "two/photos" / side / kind
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(tmp_path / f"photos/{kind}/DSC_{k:02}{suffix}", target)
            if k == 3:
                (target.parents[1] / "train" / kind).mkdir(parents=True, exist_ok=True)
                twin = target.parents[1] / "train" / kind / f"twin{suffix}"
                shutil.copy(tmp_path / f"photos/{kind}/DSC_03{suffix}", twin)
    done = make(tmp_path / "two")
    assert "left out: 1 training photos with the pixels of a test photo: twin" in done.stdout
    assert not any("twin" in name for name in masks(tmp_path / "two/own.zip"))


def test_folders_of_negatives_have_no_crack(tmp_path):
    photos(tmp_path / "photos")
    save(tmp_path / "photos/sound/x.jpg", photo(20)[0])
    assert (
        "photos/sound/x.jpg" not in make(tmp_path, "--negatives photos/sound", "--empty 0.9").stderr
    )
    found = {name: mask for name, mask in masks(tmp_path / "own.zip").items() if "/x__" in name}
    assert len(found) == 6
    assert not any(mask.any() for mask in found.values())


def test_fit_squashes_whole_photos_and_scale_comes_first(tmp_path):
    photos(tmp_path / "photos")
    make(tmp_path, "--fit", "--empty 0.5")
    assert len(masks(tmp_path / "own.zip")) == 8
    make(tmp_path, "--scale 0.64", "--empty 0.5", out="small.zip")
    assert {Path(name).stem.split("__")[1] for name in masks(tmp_path / "small.zip")} == {
        "0_0",
        "0_32",
    }


def test_parameters_are_suited_to_it(made):
    params = made / "params.yaml"
    params.write_text((Path(__file__).parents[2] / "params.yaml").read_text())
    make(made, "--params params.yaml")
    text = params.read_text()
    assert "path: {own: own.zip}" in text or "own: own.zip" in text
    assert "# weight of the segmentation loss in Eq. 6" in text
    for line in ("source: path", f"image_size: {SIDE}", f"size: {SIDE}"):
        assert line in text


@pytest.mark.parametrize("kind", ["photo", "zip"])
def test_a_file_of_someone_else_is_not_replaced(tmp_path, kind):
    photos(tmp_path / "photos")
    with zipfile.ZipFile(tmp_path / "own.zip", "w") as archive:
        archive.writestr("a", "b")
    if kind == "photo":
        (tmp_path / "own.zip").write_text("mine")
    assert failure(tmp_path) == (
        "error: --out: own.zip is there, and not of this command; name another"
    )


def test_inverted_masks_are_refused_and_turned(made, tmp_path):
    photos(tmp_path / "photos", lambda file, mask: as_png(file, ~mask))
    assert "of the masks is crack; are they inverted? --inverted turns them" in failure(tmp_path)
    make(tmp_path, "--inverted")
    assert content(tmp_path / "own.zip").keys() == content(made / "own.zip").keys()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (
            lambda p: (p / "masks/DSC_01.png").unlink(),
            "images/DSC_01.jpg (no mask); those without",
        ),
        (lambda p: (p / "images/DSC_01.jpg").unlink(), "masks/DSC_01.png (no image)"),
        (lambda p: (p / "images/DSC_01.jpg").write_text("x"), "DSC_01.jpg (not a readable image)"),
        (
            lambda p: save(p / "masks/DSC_01.png", np.zeros((9, 8, 1), np.uint8)),
            "(8×9 px, not 150×",
        ),
        (lambda p: save(p / "masks/DSC_01.png", photo(1)[0]), "masks/DSC_01.png (it holds "),
        (lambda p: shutil.rmtree(p / "images"), "photos: no images found"),
    ],
)
def test_what_cannot_be_used_is_named_and_leaves_nothing(tmp_path, spoil, says):
    spoil(photos(tmp_path / "photos"))
    assert says in failure(tmp_path)


def test_images_without_a_label_are_left_out_on_request(tmp_path):
    photos(tmp_path / "photos")
    (tmp_path / "photos/masks/DSC_01.png").unlink()
    make(tmp_path, "--only-labelled")
    assert not any("DSC_01" in name for name in content(tmp_path / "own.zip"))
    assert "- 1 files without a mask" in (tmp_path / "own.md").read_text()


def test_a_group_on_both_sides_is_refused(tmp_path):
    for side, k in (("train", 1), ("train", 2), ("test", 3)):
        save(tmp_path / f"photos/{side}/images/a{k}.png", photo(k)[0])
        as_png(tmp_path / f"photos/{side}/masks/a{k}", photo(k)[1])
    (tmp_path / "photos/train/masks").mkdir(exist_ok=True)
    assert "--group: a: in folders of both train and test; --test SHARE" in failure(
        tmp_path, "--group '^.*(a)'"
    )
    make(tmp_path)


def test_companions_of_a_photo_share_its_group_in_their_names(tmp_path):
    for k in range(6):
        image, mask = photo(k)
        for name in (f"a{k}", *([f"b{k}"] if k == 2 else [])):
            save(tmp_path / f"photos/images/{name}.png", image[:SIDE, :SIDE])
            mask[20:23, :SIDE] = True
            as_png(tmp_path / f"photos/masks/{name}", mask[:SIDE, :SIDE])
    make(tmp_path)
    names = {Path(name).stem for name in masks(tmp_path / "own.zip")}
    assert names == {"a0", "a1", "a2__a2", "a2__b2", "a3", "a4", "a5"}


def test_the_same_photo_with_two_labels_is_refused(tmp_path):
    photos(tmp_path / "photos")
    shutil.copy(tmp_path / "photos/images/DSC_01.jpg", tmp_path / "photos/images/twin.jpg")
    as_png(tmp_path / "photos/masks/twin", photo(2)[1])
    assert "the same photo has different labels: DSC_01 and twin" in failure(tmp_path)


def test_masks_that_are_mostly_crack_are_named(tmp_path):
    photos(tmp_path / "photos", count=12)
    as_png(tmp_path / "photos/masks/DSC_01", ~photo(1)[1])
    assert re.search(r"look at DSC_01\S* \(9\d% of it is crack\)", make(tmp_path).stderr)


def test_inverted_masks_are_seen_among_negatives(tmp_path):
    photos(tmp_path / "photos", lambda file, mask: as_png(file, ~mask), count=4)
    for k in range(8):
        save(tmp_path / f"photos/sound/{k}.jpg", photo(20 + k)[0])
    assert "are they inverted" in failure(tmp_path, "--negatives photos/sound")


def test_groups_of_photos_at_the_top_and_files_of_the_user(tmp_path):
    photos(tmp_path / "photos")
    make(tmp_path, "--group folder", "--test 0.5", check=False)
    (tmp_path / "own.md").write_text("mine")
    assert "--out: own.md is there, and would be replaced" in failure(tmp_path)


def test_a_second_command_in_the_same_folder_leaves_its_own_files_out(tmp_path):
    photos(tmp_path)
    for _ in range(2):
        run(f"cssr dataset . --out own.zip --size {SIDE}", tmp_path)


@pytest.mark.parametrize("text", ["x: 1", "train: 7", "- 1"])
def test_a_file_that_is_none_of_parameters_is_refused_before_work(tmp_path, text):
    photos(tmp_path / "photos")
    (tmp_path / "params.yaml").write_text(text)
    assert "params.yaml holds no parameters of the pipeline" in failure(
        tmp_path, "--params params.yaml"
    )


@pytest.mark.parametrize(
    ("options", "count", "says"),
    [
        ("--size 48", 8, "error: --size 48: params.yaml takes squares of 64 px and more"),
        ("--fit --test 0.5", 2, "too few photos to hold some of them out for validation"),
    ],
)
def test_what_the_parameters_cannot_take_is_refused(tmp_path, options, count, says):
    for k in range(count):
        save(tmp_path / f"photos/images/a{k}.png", photo(k + 1)[0])
        as_png(tmp_path / f"photos/masks/a{k}", photo(k + 1)[1])
    shutil.copy(Path(__file__).parents[2] / "params.yaml", tmp_path)
    assert says in failure(tmp_path, "--params params.yaml", options)


def test_the_name_of_the_file_may_be_any(tmp_path):
    photos(tmp_path / "photos")
    shutil.copy(Path(__file__).parents[2] / "params.yaml", tmp_path)
    make(tmp_path, "--params params.yaml", out="'Brücke 1.zip'")
    assert "Br_cke_1: Brücke 1.zip" in (tmp_path / "params.yaml").read_text()


def test_a_dry_run_writes_nothing(tmp_path):
    photos(tmp_path / "photos")
    before = sorted(tmp_path.rglob("*"))
    assert "8 × images/*.jpg with masks/*.png" in make(tmp_path, "--dry-run").stdout
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_command_that_is_ended_leaves_nothing_and_the_next_one_makes_all(tmp_path, number, tried):
    photos(tmp_path / "photos", count=60)
    command = ["cssr", "dataset", "photos", "--out", "own.zip", "--size", f"{SIDE}"]
    options = {"cwd": tmp_path, "env": environment(), "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **options) as process:
        while not (tmp_path / ".own.zip.partial/new").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        error = process.communicate()[1]
    assert process.returncode in (-number, 128 + number)
    assert "Traceback" not in error
    left = {path.name for path in tmp_path.iterdir()}
    kept = {".own.zip.partial"} if number == signal.SIGKILL else set()
    assert left == {"photos"} | kept
    make(tmp_path)
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {"photos", "own.zip", "own.md", "own.jpg"}
    tried(f"`cssr dataset` ended ({number.name})", 1, "nothing of it left; the next one makes all")


def test_letters_with_accents_are_the_same_in_either_form(tmp_path):
    photos(tmp_path / "photos")
    for name in ("images/DSC_01.jpg", "masks/DSC_01.png"):
        file = tmp_path / "photos" / name
        form = "NFD" if "images" in name else "NFC"
        file.rename(file.with_stem(unicodedata.normalize(form, "Brücke")))
    make(tmp_path)
    assert any("Brücke__" in name for name in masks(tmp_path / "own.zip"))


def test_images_are_named_by_a_pattern_where_they_are_annotated(tmp_path):
    crack = {"label": "crack", "shape_type": "linestrip", "points": [[10, 5], [140, 90]]}
    for k in range(4):
        save(tmp_path / f"photos/a/x{k}.jpg", photo(k)[0])
        data = {"version": "5", "imagePath": f"x{k}.jpg", "shapes": [crack]}
        (tmp_path / f"photos/a/x{k}.json").write_text(json.dumps(data))
        save(tmp_path / f"photos/drafts/y{k}.jpg", photo(9)[0])
    (tmp_path / "photos/a/z.json").write_text(json.dumps({**data, "imagePath": "z.jpg"}))
    done = make(tmp_path, "--images 'a/*.jpg'")
    assert "left out: 1 annotated images that are not here: z.jpg" in done.stdout
    names = masks(tmp_path / "own.zip")
    assert {photo_of(Path(name).name) for name in names} <= {f"x{k}" for k in range(4)}
    refused = make(tmp_path, "--masks 'b/*.png'", out="other.zip", check=False)
    assert "--masks needs --images" in refused.stderr


def test_annotations_beside_masks_are_told(tmp_path):
    photos(tmp_path / "photos")
    (tmp_path / "photos/a.json").write_text("{}")
    make(tmp_path)
    assert "- 1 files .json" in (tmp_path / "own.md").read_text()


def test_folders_train_and_test_are_told_as_sources_too(tmp_path):
    photos(tmp_path / "photos/train", count=4)
    photos(tmp_path / "photos/test", count=3)
    run(f"cssr dataset photos/train photos/test --size {SIDE}", tmp_path)
    names = [Path(name) for name in masks(tmp_path / "own.zip")]
    tested = {photo_of(name.name) for name in names if name.parts[0] == "test"}
    assert tested <= {f"test_DSC_{k:02}" for k in range(3)}
    assert tested


def test_a_crack_that_reduction_tears_is_named(tmp_path):
    photos(tmp_path / "photos")
    assert "of its crack is left)" not in make(tmp_path, "--fit").stderr
    thin = np.zeros((HIGH, WIDE), bool)
    thin[[20, 50, 80]] = thin[:, 30:34] = True
    as_png(tmp_path / "photos/masks/DSC_01", thin)
    (line,) = make(tmp_path, "--fit", "--size 32").stderr.splitlines()
    assert line.startswith("note: look at images/DSC_01.jpg (reduced, ")


def test_photos_that_exif_turns_are_named_where_the_size_does_not_tell(tmp_path):
    photos(tmp_path / "photos")
    file = tmp_path / "photos/images/DSC_01.jpg"
    exif = Image.Exif()
    exif[274] = 3
    Image.open(file).save(file, exif=exif)
    as_png(tmp_path / "photos/masks/DSC_01", photo(1)[1][::-1, ::-1])
    turned = "images/DSC_01.jpg (turned as its EXIF says; its label has to show it upright, too)"
    assert make(tmp_path).stderr == f"note: look at {turned}\n"


def test_the_value_of_crack_is_the_same_though_other_labels_differ(tmp_path):
    photos(tmp_path / "photos")
    for k in range(8):
        label = photo(k + 1)[1][..., None] * np.uint8(1 + k % 2)
        save(tmp_path / f"photos/masks/DSC_{k:02}.png", label)
    assert "--crack-value N says which" in failure(tmp_path)
    make(tmp_path, "--crack-value 1", "--empty 0.9")
    found = masks(tmp_path / "own.zip")
    cracked = {photo_of(Path(name).name) for name, mask in found.items() if mask.any()}
    assert cracked
    assert cracked <= {f"DSC_{k:02}" for k in range(0, 8, 2)}


def test_black_and_white_among_labels_is_refused(tmp_path):
    photos(tmp_path / "photos")
    label = photo(1)[1][..., None]
    save(tmp_path / "photos/masks/DSC_02.png", label * np.uint8(1))
    assert "masks/DSC_01.png (it holds 0 and 255, not 1" in failure(tmp_path, "--crack-value 1")


def test_files_of_an_unknown_format_are_named_where_labels_lack(tmp_path):
    for k in range(3):
        save(tmp_path / f"photos/a{k}.jpg", photo(k)[0])
        (tmp_path / f"photos/a{k}.xml").write_text("<annotation><object/></annotation>")
    line = failure(tmp_path)
    assert line.endswith("; no known format of annotations: a0.xml, a1.xml, a2.xml")


def test_photos_that_exif_turns_are_named_where_annotations_tell_no_size(tmp_path):
    for k in range(4):
        file = tmp_path / f"photos/images/a{k}.jpg"
        save(file, photo(k)[0])
        label = tmp_path / f"photos/labels/a{k}.txt"
        label.parent.mkdir(exist_ok=True)
        label.write_text("0 0.1 0.1 0.9 0.1 0.9 0.2\n")
    exif = Image.Exif()
    exif[274] = 6
    Image.open(file).save(file, exif=exif)
    assert "images/a3.jpg (turned as its EXIF says" in make(tmp_path).stderr


def test_annotated_images_without_a_shape_are_told(tmp_path):
    crack = {"label": "crack", "shape_type": "linestrip", "points": [[10, 5], [140, 90]]}
    for k in range(4):
        save(tmp_path / f"photos/x{k}.jpg", photo(k)[0])
        data = {"version": "5", "imagePath": f"x{k}.jpg", "shapes": [crack] if k else []}
        (tmp_path / f"photos/x{k}.json").write_text(json.dumps(data))
    told = "1 annotated images without a shape, taken as without crack: x0.jpg"
    assert told in make(tmp_path).stdout


def test_colours_of_several_classes_are_refused_until_one_is_named(tmp_path):
    photos(tmp_path / "photos")
    for k in range(8):
        colour = np.array([(255, 0, 0), (0, 255, 0)][k % 2], np.uint8)
        save(tmp_path / f"photos/masks/DSC_{k:02}.png", photo(k + 1)[1][..., None] * colour)
    line = failure(tmp_path)
    assert "crack has different colours: (0, 255, 0) in images/DSC_01.jpg, (255, 0, 0) in" in line
    make(tmp_path, "--crack-colour 255,0,0", "--empty 0.9")
    found = masks(tmp_path / "own.zip")
    cracked = {photo_of(Path(name).name) for name, mask in found.items() if mask.any()}
    assert cracked <= {f"DSC_{k:02}" for k in range(0, 8, 2)}
