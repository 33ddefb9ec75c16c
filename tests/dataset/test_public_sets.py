"""The commands of docs/public_sets.md, on small synthetic sets in the layouts that it shows."""

import re
import shlex
import subprocess
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import chdir
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from scipy.io import savemat

from cssr.cli import cli
from cssr.dataset.crops import squares
from cssr.sources.synthetic import synthesize

PAGE = (Path(__file__).parents[2] / "docs/public_sets.md").read_text(encoding="utf-8")
Writer = Callable[[Path, np.ndarray], None]


class Photo(NamedTuple):
    """An image of a set."""

    image: str  # path
    mask: str | None  # None: it has no crack
    group: str | None = None  # of one photo; None: by itself
    side: str | None = None  # where the set's own split has it


class Case(NamedTuple):
    """A small set."""

    wide: int  # px, about a tenth of the real ones
    high: int
    size: int  # of the squares
    photos: list[Photo]
    write: Writer  # of masks
    others: Sequence[str] = ()  # files that are there too


def photo(k: int, case: Case) -> tuple[np.ndarray, np.ndarray]:
    """An image and its mask, bool, with crack in each of its squares."""
    if k <= len(case.photos) and case.photos[k - 1].mask is None:
        image, mask = synthesize(k, seed=0, size=case.size, crack_width=(2.0, 4.0))
        return image, mask < 0
    length = max(case.wide, case.high)
    image, mask = synthesize(k, seed=0, size=length, crack_width=(2.0, 4.0))
    mask[k % 11 :: 11] = 1
    return image[: case.high, : case.wide], mask[: case.high, : case.wide] > 0


def save(file: Path, pixels: np.ndarray, **options) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file, **options)


def white(file: Path, mask: np.ndarray) -> None:
    save(file, mask * np.uint8(255))


def matlab(file: Path, mask: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    truth = {"Segmentation": mask.astype(np.uint16) + 1, "Boundaries": mask}
    savemat(file, {"groundTruth": truth})


def planking(file: Path, mask: np.ndarray) -> None:
    labels = np.where(np.arange(mask.shape[1]) > 40, 128, 0) * np.ones_like(mask)
    save(file, np.where(mask, 255, labels).astype(np.uint8))


def classes(file: Path, mask: np.ndarray) -> None:
    labels = np.zeros((*mask.shape, 3), np.uint8)
    labels[:20, :20], labels[30:50, 10:30] = (255, 0, 0), (255, 255, 0)
    labels[mask] = 255
    save(file, labels)


def crops(image: str, mask: str, groups: Sequence[str], places: Sequence[str]) -> list[Photo]:
    """Several crops of each photo."""
    names = [(f"{group}{place}", group) for group in groups for place in places]
    return [Photo(image.format(name), mask.format(name), group) for name, group in names]


def split(image: str, mask: str, sides: dict[str, str]) -> list[Photo]:
    """Four images of each of the set's own parts."""
    return [
        Photo(image.format(part, f"{k}{part}"), mask.format(part, f"{k}{part}"), side=side)
        for part, side in sides.items()
        for k in range(4)
    ]


def crack500() -> list[Photo]:
    places, found = ["_1_1", "_641_361", "_1281_721"], []
    for k, part in enumerate(["train", "val", "test"]):
        groups = [f"20160222_08{k}{n}11" for n in range(3)] + [f"IMG_291{k}"]
        path = f"CRACK500/{part}crop/{{}}"
        found += crops(f"{path}.jpg", f"{path}.png", groups, places)
    path = "CRACK500/testcrop/{}"  # a photo that has crops in traincrop too
    return found + crops(f"{path}.jpg", f"{path}.png", [found[0].group], ["_1_721", "_1_1081"])


SEG9K = "crackseg9k/Final-Dataset-Vol{}/{}.png".format
SEG9K_GROUPS = {
    "CRACK500_20160307_164400": ["_1_1", "_1281_721", "_641_361"],
    "CRACK500_20160307_164403": ["_1_1", "_1281_721"],
    "GAPS384_train_0541": ["_1_641", "_541_1", "_541_641"],
    "Rissbilder_for_Florian_9S6A2782": [f"_{512 * k}_0_3840_5760" for k in range(5)],
    "Volker_DSC01660": [f"_{k}_1536_1780_2752" for k in range(5)],
    "noncrack_noncrack_concrete_wall_20": ["_71", "_72"],
    "a_12": ["_1", "_2"],
    "cracktree200_6192": [""],
    "cracktree200_6193": [""],
    "DeepCrack_7Q3A9060-1": [""],
}
CFD = [
    Photo(f"CrackForest-dataset/image/00{k}.jpg", f"CrackForest-dataset/groundTruth/00{k}.mat")
    for k in range(1, 5)
]
NEGATIVE = "Concrete Crack Images for Classification/Negative/0000{}.jpg".format
OWN = {"training": "train", "validation": "train", "test": "test"}
SHORT = {"train": "train", "val": "train", "test": "test"}
DEEP = {"train": "train", "test": "test"}
UAV = [("train", "b"), ("train", "c"), ("test", ""), ("val", "d")]

CASES = {
    "CRACK500": Case(64, 36, 36, crack500(), white,
                     ["CRACK500/train.txt", "CRACK500/test.txt", "CRACK500/valdata.zip"]),
    "DeepCrack": Case(54, 38, 38, split("DeepCrack/{}_img/{}-1.jpg", "DeepCrack/{}_lab/{}-1.png",
                                        DEEP), white, ["DeepCrack/README.md"]),
    "CFD": Case(48, 32, 32, CFD, matlab,
                ["CrackForest-dataset/image/119.jpg", "CrackForest-dataset/image/155.jpg"]),
    "CrackTree260": Case(80, 60, 45, [
        Photo(f"CrackTree260/image/{name}", f"CrackTree260/gt/{Path(name).stem}.bmp")
        for name in ("6192.jpg", "6207.jpg", "6264.jpg", "DSCN6428.JPG")], white,
        ["CrackTree260/image/image.rar"]),
    "GAPs384": Case(54, 64, 44, crops(
        "GAPS384/croppedimg/croppedimg/{}.jpg", "GAPS384/croppedgt/croppedgt/{}.png",
        [f"train_124{k}" for k in range(5)], ["_1_1", "_541_641", "_541_1"]), save,
        ["GAPS384/test.txt"]),
    "SUT-Crack": Case(121, 91, 45, [
        Photo(f"SUT-Crack/Segmentation/Original Image/{k}.jpg",
              f"SUT-Crack/Segmentation/Ground Truth/{k}.png") for k in range(1, 5)], white,
        ["SUT-Crack/Object Detection/1.xml", "SUT-Crack/Classification/Without Crack/1.jpg"]),
    "CrackSeg9k": Case(40, 40, 40, [
        Photo(SEG9K(*(("2", f"Images-2/{name}{place}") if n else ("1", f"Images/{name}{place}"))),
              SEG9K(1, f"Final_Masks/Masks/{name}{place}"), name)
        for name, places in SEG9K_GROUPS.items() for n, place in enumerate(places)], white,
        [SEG9K(1, "Final_Masks/Heads/a_12_1"), "crackseg9k/Final-Dataset-Vol1/train.txt"]),
    "OmniCrack30k": Case(36, 36, 32, split(
        "omnicrack30k/images/{}/BCL_{}.png", "omnicrack30k/annotations/{}/BCL_{}.png", OWN),
        white, ["omnicrack30k/centerlines/test/BCL_0test.png"]),
    "S2DS": Case(64, 64, 32, split("s2ds/{}/{}.png", "s2ds/{}/{}_lab.png", SHORT), classes),
    "UAV75": Case(64, 64, 64, [
        Photo(f"uav75/{part}_img/DSC005{n}{letter}.jpg", f"uav75/{part}_lab/DSC005{n}{letter}.png",
              f"DSC005{n}") for n in range(50, 55) for part, letter in UAV], planking),
    "METU": Case(80, 53, 40, [*CFD, *(Photo(NEGATIVE(k), None) for k in (1, 2))], matlab,
                 [NEGATIVE(1).replace("Negative", "Positive")]),
}  # fmt: skip


def commands(name: str) -> list[str]:
    """What a section of the page tells to run."""
    section = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)[1]
    return re.findall(r"^\$ (.+)$", re.search(r"```console\n(.*?)```", section, re.S)[1], re.M)


def run(name: str, size: int, folder: Path) -> str:
    """Run the commands of a section; what the last one prints."""
    *before, (program, *options) = map(shlex.split, commands(name))
    assert program == "cssr"
    for line, _ in zip(commands(name), before, strict=False):
        subprocess.run(["bash", "-c", line], cwd=folder, check=True)
    with chdir(folder):
        done = CliRunner().invoke(cli, [*options, "--size", str(size), "--out", "made.zip"])
    assert done.exit_code == 0, done.exception
    return done.output


def build(folder: Path, case: Case) -> None:
    for k, each in enumerate(case.photos, start=1):
        image, mask = photo(k, case)
        if each.group and "GAPS384/" in each.image:
            image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        save(folder / each.image, image, quality=95)
        if each.mask is not None:
            case.write(folder / each.mask, mask)
    for k, path in enumerate(case.others, start=101):
        if Path(path).suffix in (".jpg", ".png"):
            save(folder / path, photo(k, case)[0])
        else:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text("traincrop/1.jpg traincrop/1.png")


def made(file: Path) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Side, image in gray and mask of all squares."""
    with zipfile.ZipFile(file) as archive:
        read = {name: np.frombuffer(archive.read(name), np.uint8) for name in archive.namelist()}
    gray = {n: cv2.imdecode(b, cv2.IMREAD_GRAYSCALE) for n, b in read.items() if "." in n[-5:-3]}
    images = {n.replace("images", "masks")[:-4]: each for n, each in gray.items() if "images" in n}
    masks = {n[:-4]: each > 0 for n, each in gray.items() if "masks" in n}
    assert images.keys() == masks.keys()
    return [(name.split("/")[0], images[name], mask) for name, mask in masks.items()]


@pytest.mark.parametrize("name", CASES)
def test_a_public_set_becomes_squares_with_its_cracks_and_keeps_photos_together(name, tmp_path):
    case = CASES[name]
    build(tmp_path, case)
    assert "left out" not in run(name, case.size, tmp_path)
    found, sides = made(tmp_path / "made.zip"), {}
    expected = []
    for k, each in enumerate(case.photos, start=1):
        image, mask = photo(k, case)
        for square in squares(image, mask, case.size):
            expected.append((each, cv2.cvtColor(square.pixels, cv2.COLOR_RGB2GRAY), square.mask))
    assert Counter(m.tobytes() for *_, m in found) == Counter(m.tobytes() for *_, m in expected)
    for each, image, mask in expected:
        same = [(np.abs(i.astype(int) - image).mean(), s) for s, i, m in found if (m == mask).all()]
        difference, side = min(same)
        assert difference < 5
        assert each.side in (None, side)
        assert sides.setdefault(each.group or each.image, side) == side
    assert set(sides.values()) == {"train", "test"}


def test_a_class_of_s2ds_alone_is_no_crack(tmp_path):
    case = CASES["S2DS"]
    build(tmp_path, case)
    labels = np.zeros((case.high, case.wide, 3), np.uint8)
    labels[:40, 20:] = 255, 0, 0
    save(tmp_path / case.photos[0].mask, labels)
    run("S2DS", case.size, tmp_path)
    cracked = sum(mask.any() for *_, mask in made(tmp_path / "made.zip"))
    assert cracked == 4 * (len(case.photos) - 1)


def test_all_sets_of_the_page_are_tried():
    assert set(re.findall(r"^## (.+)$", PAGE, re.M)) == set(CASES)
    assert set(re.findall(r"^\| \[(.+?)\]\(#", PAGE, re.M)) == set(CASES)
