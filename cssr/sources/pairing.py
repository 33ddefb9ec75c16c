"""Which file is the image, and which its mask, as folders and names tell.

Usual layouts are known by their words: `train/images/a.jpg` with `train/masks/a.png`,
`images/train/` with `labels/train/`, `train_img/` with `train_lab/`, `a.jpg` beside `a_mask.png` or
`a.png`. Others are told by two patterns of paths.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase, translate
from pathlib import PurePosixPath
from typing import NamedTuple

from cssr.sources.listing import DataError, File, composed
from cssr.sources.masks.mask_formats import MASK_SUFFIXES

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
ANNOTATION_SUFFIXES = (".json", ".txt", ".xml", ".yaml", ".yml", ".names")
PHOTO_SUFFIXES = (".jpg", ".jpeg")  # of the image where a mask of the same name stands beside it

_SPLITS = {
    "train": ("train", "training", "traincrop", "tr"),
    "val": ("val", "valid", "validation", "valcrop"),
    "test": ("test", "testing", "testcrop", "ts"),
}
_SPLIT_OF = {word: split for split, words in _SPLITS.items() for word in words}
_IMAGE_WORDS = {"image", "images", "img", "imgs", "photo", "photos", "jpeg", "rgb", "original"}
_IMAGE_WORDS |= {"originals", "input", "inputs", "croppedimg"}
_MASK_WORDS = {"mask", "masks", "label", "labels", "lab", "gt", "ground", "truth", "groundtruth"}
_MASK_WORDS |= {"annotation", "annotations", "annot", "ann", "seg", "segmentation", "croppedgt"}
_OTHER_WORDS = {"crack", "cracks", "binary", "bw", "raw", "class", "pixel", "set"}  # beside those
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_KIND = rf"(?:{'|'.join(sorted(_IMAGE_WORDS | _MASK_WORDS))})"
_CORE = re.compile(
    rf"(?P<before>(?:{_KIND}[-_. ])*)(?P<core>.+?)(?P<after>(?:[-_. ]{_KIND})*)", re.I
)
_CHANNEL = "_0000"  # behind the name of an image in the layout of nnU-Net

Place = tuple[str | None, str]  # split and the folders that are left without words of layout


class Pair(NamedTuple):
    """An image with its mask."""

    split: str | None  # train, val or test, if the folders tell
    folder: str  # of both, without the folders that tell layout and split; may be empty
    name: str  # of both, without suffix
    image: File
    mask: File | None  # None: there is none, or it is drawn from annotations


class Pairing(NamedTuple):
    """What was found among files."""

    pairs: list[Pair]
    problems: list[str]  # masks without image, and names that are there twice
    annotations: list[File]
    others: Counter[str]  # files of no use, by suffix

    @property
    def without_mask(self) -> list[Pair]:
        """The pairs that lack a mask."""
        return [pair for pair in self.pairs if pair.mask is None]


class _Named(NamedTuple):
    """A file as its path tells what it is."""

    file: File
    place: Place
    name: str
    core: str  # the name without words such as image and mask
    is_mask: bool | None  # None: the path does not tell


def pair_up(
    files: Sequence[File], *, images: str | None = None, masks: str | None = None
) -> Pairing:
    """Find images and their masks.

    Args:
        files: of one folder or zip.
        images: pattern of the images' paths, such as `photos/*.jpg`; what its last `*` stands for
            is the name.
        masks: of the masks', likewise; none where images are annotated.

    Returns:
        Pairs in the order of their images' paths. Images are there without a mask too.

    Raises:
        DataError: if there is a pattern of masks alone.
    """
    if masks is not None and images is None:
        raise DataError("--masks needs --images, a pattern of the images that they belong to")
    named = _by_words(files) if images is None else _by_patterns(files, images, masks)
    found = {kind: [each for each in named if each.is_mask is kind] for kind in (False, True)}
    problems = [*_twice(found[False]), *_twice(found[True])]
    pairs, alone = _match(found[False], found[True])
    used = {each.file.path for each in named}
    rest = [file for file in files if file.path not in used]
    suffixes = Counter(suffix_of(file.path) for file in rest)
    return Pairing(
        pairs,
        [*problems, *(f"{mask.file.path} (no image)" for mask in alone)],
        [file for file in rest if suffix_of(file.path) in ANNOTATION_SUFFIXES],
        Counter({s: n for s, n in suffixes.items() if s not in ANNOTATION_SUFFIXES}),
    )


def layout_lines(pairing: Pairing) -> list[str]:
    """What was found, for people: where images and masks are, and how many."""
    places: Counter[tuple[str, str]] = Counter()
    for pair in pairing.pairs:
        image = _pattern(pair.image.path, [pair.name])
        core = _CORE.fullmatch(_without_channel(pair.name))["core"]
        mask = _pattern(pair.mask.path, [pair.name, core]) if pair.mask else "no mask of its own"
        places[image, mask] += 1
    return [f"{number:,} × {image} with {mask}" for (image, mask), number in places.items()]


def place_of(path: str) -> Place:
    """The split of a file, and the folders that tell neither split nor kind."""
    return _read_path(File(path, bytes)).place


def _by_words(files: Sequence[File]) -> list[_Named]:
    named = []
    for file in files:
        if suffix_of(file.path) in MASK_SUFFIXES:
            named.append(_read_path(file))
    beside = defaultdict(list)
    for each in named:
        if each.is_mask is None:
            beside[each.place, each.name].append(each)
    told = [each for each in named if each.is_mask is not None]
    for group in beside.values():
        told += _tell_apart(group)
    return sorted(told, key=lambda each: each.file.path)


def _read_path(file: File) -> _Named:
    """What the folders and the name of a file tell."""
    path = PurePosixPath(composed(file.path))
    split = is_mask = None
    left = []
    for folder in reversed(path.parts[:-1]):
        words = {word.lower() for word in _WORDS.findall(folder)}
        kinds = words & (_IMAGE_WORDS | _MASK_WORDS)
        splits = [_SPLIT_OF[word] for word in sorted(words & _SPLIT_OF.keys())]
        if words - kinds - _SPLIT_OF.keys() - _OTHER_WORDS or not (kinds or splits):
            left.append(folder)
            continue
        split = split or next(iter(splits), None)
        if is_mask is None and kinds:
            is_mask = bool(kinds & _MASK_WORDS)
    core = _CORE.fullmatch(path.stem)
    around = {word.lower() for word in _WORDS.findall(f"{core['before']} {core['after']}")}
    if path.suffix.lower() not in IMAGE_SUFFIXES or (is_mask is None and around & _MASK_WORDS):
        is_mask = True
    return _Named(file, (split, "/".join(reversed(left))), path.stem, core["core"], is_mask)


def _tell_apart(group: Sequence[_Named]) -> list[_Named]:
    """Image and mask among files of one folder and name: the photo is the JPEG."""
    if len(group) == 1:
        return [group[0]._replace(is_mask=False)]
    photos = [each for each in group if suffix_of(each.file.path) in PHOTO_SUFFIXES]
    if len(group) == 2 and len(photos) == 1:
        return [each._replace(is_mask=each is not photos[0]) for each in group]
    return [each._replace(is_mask=False) for each in group]


def _by_patterns(files: Iterable[File], images: str, masks: str | None) -> list[_Named]:
    named = []
    for file in files:
        for pattern, is_mask in ((images, False), (masks, True)):
            name = pattern and _matched(pattern, file.path)
            if name is not None:
                read = _read_path(file)
                named.append(read._replace(name=name, core=name, is_mask=is_mask))
                break
    return named


def _matched(pattern: str, path: str) -> str | None:
    """What the last `*` of a pattern stands for in a path; None if they do not match.

    Capitals count as small letters.
    """
    path, pattern = composed(path), composed(pattern)
    lower = path.lower(), pattern.lower()
    if not fnmatchcase(*lower) and not fnmatchcase(f"/{lower[0]}", f"*/{lower[1]}"):
        return None
    name, suffix = PurePosixPath(path).name, PurePosixPath(path).suffix
    before, star, after = pattern.rpartition("/")[2].rpartition("*")
    if not star:
        return name.removesuffix(suffix)
    parts = (translate(part)[len("(?s:") : -len(r")\Z")] for part in (before, after))
    found = re.fullmatch("(.*)".join(parts), name, re.IGNORECASE | re.DOTALL)
    return found and found[found.lastindex or 0].removesuffix(suffix)


def _match(images: Sequence[_Named], masks: Sequence[_Named]) -> tuple[list[Pair], list[_Named]]:
    """Pairs of images with their masks, and masks that are left.

    A mask has its image's name, in the same split and folders if there are several of that name.
    """
    strict = (
        lambda each: (*each.place, each.name),
        lambda each: (*each.place, each.core),  # a of a_image and a_mask
        lambda each: (*each.place, each.name if each.is_mask else _without_channel(each.name)),
    )
    loose = (  # where images and masks lie in other folders
        lambda each: (each.place[0], each.name),
        lambda each: (each.place[0], each.core),
        lambda each: each.name,
        lambda each: each.core,
    )
    found: dict[str, _Named] = {}
    left = {each.file.path: each for each in masks}
    places = [{each.place for each in group} for group in (images, masks)]
    mixed = places[0] & places[1]
    for key in (*strict, *loose):
        far = key in loose
        open_images = Counter(key(each) for each in images if each.file.path not in found)
        open_masks = defaultdict(list)
        for mask in left.values():
            if not (far and mask.place in mixed):
                open_masks[key(mask)].append(mask)
        for image in images:
            fitting = open_masks[key(image)]
            is_open = image.file.path not in found and not (far and image.place in mixed)
            if not is_open or len(fitting) != 1 or open_images[key(image)] != 1:
                continue
            if None not in (splits := {image.place[0], fitting[0].place[0]}) and len(splits) > 1:
                continue
            found[image.file.path] = fitting[0]
            del left[fitting[0].file.path]
    pairs = []
    for image in images:
        mask = found.get(image.file.path)
        split = image.place[0] or (mask.place[0] if mask else None)
        pairs.append(Pair(split, image.place[1], image.name, image.file, mask and mask.file))
    return pairs, list(left.values())


def _without_channel(name: str) -> str:
    return name.removesuffix(_CHANNEL)


def _twice(named: Sequence[_Named]) -> list[str]:
    """Files of a kind that have the place and name of another one."""
    seen: dict[tuple[Place, str], _Named] = {}
    problems = []
    for each in named:
        first = seen.setdefault((each.place, each.name), each)
        if first is not each:
            problems.append(f"{each.file.path} (the same name as {first.file.path})")
    return problems


def _pattern(path: str, names: Sequence[str]) -> str:
    """A path with `*` for the first of the names that it has."""
    folder, slash, file = path.rpartition("/")
    stem = PurePosixPath(file).stem
    name = next((name for name in names if name in stem), stem)
    before, _, after = stem.rpartition(name)
    return f"{folder}{slash}{before}*{after}{file.removeprefix(stem)}"


def suffix_of(path: str) -> str:
    """The suffix of a path, in small letters, with its dot."""
    return PurePosixPath(path).suffix.lower()
