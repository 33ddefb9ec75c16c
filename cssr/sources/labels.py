"""The label of an image: its mask, or what is annotated in it."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from cssr.sources.annotations.drawing import check_inside, draw
from cssr.sources.annotations.reading import choose_labels, labels_of, notes_of, read_annotations
from cssr.sources.annotations.shapes import Annotation, AnnotationError
from cssr.sources.annotations.yolo import read_names
from cssr.sources.listing import DataError, File, composed, first_of, read_file
from cssr.sources.masks.mask_files import Mask, read_coloured_mask, read_mask
from cssr.sources.masks.mask_values import FULL
from cssr.sources.pairing import ANNOTATION_SUFFIXES, IMAGE_SUFFIXES, Pair, place_of

LEFT_OUT = "left out"

Label = Callable[[tuple[int, int]], Mask]  # from height and width of the image to its mask


@dataclass(frozen=True)
class Reading:
    """How labels are read."""

    crack_value: int | None = None  # of masks; None to find it
    crack_labels: tuple[str, ...] = ()  # of annotations; none to find them
    line_width: float = 3.0  # of lines in annotations, px
    crack_colour: tuple[int, int, int] | None = None  # of masks, RGB; None if values decide
    inverted: bool = False  # masks show the background


class Annotations:
    """What is annotated in images, in files of annotation tools.

    Args:
        files: that may be annotations.
        images: paths of the images that are there.
        reading: how.

    Attributes:
        labels: how often each label was used.
        crack: labels that are crack; `choose_crack` says which.

    Raises:
        DataError: if a file is damaged, or an image is annotated twice.
    """

    def __init__(self, files: Sequence[File], images: Sequence[str], reading: Reading) -> None:
        self.crack: set[str] = set()
        self._line_width = reading.line_width
        self._of: dict[str, tuple[File, Annotation]] = {}
        self._all: list[Annotation] = []
        self._missing: list[str] = []  # images that are annotated and not there
        self.files = []
        named = [(file, read_file(file, partial(read_names, file.path))) for file in files]
        names = {_folder(file.path): found for file, found in named if found is not None}
        by_name = defaultdict(list)
        for path in images:
            by_name[composed(PurePosixPath(path).stem)].append(path)
        for file in files:
            read = partial(read_annotations, file.path, names=_nearest(names, file.path))
            found = read_file(file, read)
            if found is not None:
                self.files.append(file)
            for annotation in found or ():
                self._all.append(annotation)
                image = _image_of(annotation, file, by_name, is_own=len(found or ()) == 1)
                if image is None:
                    self._missing.append(annotation.image)
                else:
                    self._put(image, file, annotation)
        self.labels = labels_of(self._all)

    def of(self, path: str) -> Label | None:
        """What draws the mask of an image; None if the image is annotated nowhere."""
        return partial(self._draw, *self._of[path]) if path in self._of else None

    def is_unsized(self, path: str) -> bool:
        """Whether an image is annotated in a file that does not tell its size."""
        return path in self._of and self._of[path][1].size is None

    def lines(self) -> list[str]:
        """What was found, for people."""
        if not self.files:
            return []
        counts = self.labels.most_common()
        known = ", ".join(f"{label} {number:,}" for label, number in counts) or "none"
        crack = ", ".join(sorted(self.crack & self.labels.keys())) or "none"
        line = f"{len(self.files):,} annotation files with labels {known}; crack is {crack}"
        empty = [p for p, (_, a) in self._of.items() if not (a.shapes or a.bitmaps or a.notes)]
        unmarked = f"{len(empty):,} annotated images without a shape, taken as without crack"
        missing = f"left out: {len(self._missing):,} annotated images that are not here"
        named = [f"{missing}: {first_of(self._missing)}"] if self._missing else []
        named += [f"{unmarked}: {first_of(empty)}"] if empty else []
        return [line, *named, *notes_of(self._all)]

    def _put(self, image: str, file: File, annotation: Annotation) -> None:
        if image in self._of:
            raise DataError(f"{image} (annotated twice: {self._of[image][0].path}, {file.path})")
        self._of[image] = file, annotation

    def _draw(self, file: File, annotation: Annotation, size: tuple[int, int]) -> Mask:
        try:
            check_inside(annotation, *size)
            crack = draw(annotation, *size, labels=self.crack, line_width=self._line_width)
        except AnnotationError as error:
            raise DataError(f"{file.path} ({error})") from None
        items = (*annotation.shapes, *annotation.bitmaps)
        if not crack.any():
            if any(item.label in self.crack for item in items):
                raise DataError(f"{file.path} (its crack lies outside of its image)")
            if gone := [line for line in notes_of([annotation]) if line.startswith(LEFT_OUT)]:
                raise DataError(f"{file.path} (nothing to draw; {gone[0]})")
        return Mask(crack, values=())


def choose_crack(found: Sequence[Annotations], reading: Reading) -> None:
    """Choose the labels that are crack, for all annotations together.

    Raises:
        AnnotationError: if it is not clear which they are.
    """
    labels: Counter[str] = sum((each.labels for each in found), Counter())
    crack = choose_labels(labels, reading.crack_labels) if labels else set()
    for each in found:
        each.crack = crack


def refuse_mixed(values: Mapping[str, Sequence[float]], where: str) -> None:
    """Refuse masks of labels in which crack has one value here and another there.

    Args:
        values: of each mask, where they are few, by file.
        where: the source.

    Raises:
        DataError: with the values, and a file of each.
    """
    files = defaultdict(list)
    for file, found in values.items():
        if len(found) == 2:
            files[found[-1]].append(file)
    if len(files) > 1 and not files.keys() <= set(FULL):
        named = ", ".join(f"{value:g} in {those[0]}" for value, those in sorted(files.items()))
        raise DataError(f"{where}: crack has different values: {named}; --crack-value N says which")


def refuse_colours(colours: Mapping[str, tuple[int, ...] | None], where: str) -> None:
    """Refuse masks in which crack has one colour here and another there, as classes have.

    Args:
        colours: of crack in each mask, RGB, where it has one, by file.
        where: the source.

    Raises:
        DataError: with the colours, and a file of each.
    """
    files = defaultdict(list)
    for file, colour in colours.items():
        if colour is not None:
            files[colour].append(file)
    if len(files) > 1:
        named = ", ".join(f"{colour} in {those[0]}" for colour, those in sorted(files.items()))
        raise DataError(
            f"{where}: crack has different colours: {named}; --crack-colour R,G,B says which"
        )


def _image_of(
    annotation: Annotation, file: File, by_name: Mapping[str, Sequence[str]], *, is_own: bool
) -> str | None:
    """The image of an annotation: that of its file's own name, else the one that it names.

    Of several of that name it is the one in the same split and folder.

    Args:
        annotation: one of the file's.
        file: that holds it.
        by_name: paths of images by their names without suffix.
        is_own: whether it is the only one in the file.

    Raises:
        DataError: if it names another image, or if several images may be meant.
    """
    own: Sequence[str] = []
    if is_own:
        stem = composed(PurePosixPath(file.path).stem)
        own = by_name.get(stem, by_name.get(_stem(file.path), []))
    image = composed(annotation.image)
    named = by_name.get(_stem(image), by_name.get(image, []))
    if own and named and PurePosixPath(own[0]).stem != PurePosixPath(named[0]).stem:
        raise DataError(f"{file.path} (it names another image, {image})")
    wanted = [path for path in named if f"/{composed(path)}".endswith(f"/{image.lstrip('./')}")]
    for images in (own, wanted if "/" in image.strip("./") else [], named):
        place = place_of(file.path)
        here = [path for path in images if place_of(path) == place]
        beside = [path for path in images if place_of(path)[0] == place[0]]
        for fitting in (here, beside if len(images) > 1 else images):
            if len(fitting) == 1:
                return fitting[0]
    if own or named:
        raise DataError(f"{file.path} (several images of this name: {first_of(own or named)})")
    return None


def _nearest(names: Mapping[str, list[str]], path: str) -> list[str]:
    """The names of classes in the nearest folder above a file, or the only ones."""
    above = [folder for folder in names if f"{_folder(path)}/".startswith(f"{folder}/".lstrip("/"))]
    if above:
        return names[max(above, key=len)]
    return next(iter(names.values())) if len(names) == 1 else []


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _stem(path: str) -> str:
    """A file's name without its suffixes of annotations and images."""
    name = PurePosixPath(composed(path))
    while name.suffix.lower() in (*IMAGE_SUFFIXES, *ANNOTATION_SUFFIXES):
        name = name.with_suffix("")
    return name.name


def label_of(pair: Pair, annotations: Annotations, reading: Reading) -> Label | None:
    """What gives the mask of a pair; None if nothing does."""
    if pair.mask is None:
        return annotations.of(pair.image.path)
    return partial(_read_mask, pair.mask, reading)


def _read_mask(file: File, reading: Reading, size: tuple[int, int]) -> Mask:
    """Read a mask, which has to have the size of its image."""
    read = partial(read_mask, name=file.path, crack_value=reading.crack_value)
    if reading.crack_colour is not None:
        read = partial(read_coloured_mask, name=file.path, colour=reading.crack_colour)
    mask = read_file(file, read)
    if reading.crack_value is not None:
        _check_white(file, mask, reading.crack_value)
        mask = mask._replace(values=())  # whatever others there are, this one is crack
    if reading.inverted:
        mask = mask._replace(crack=~mask.crack if mask.valid is None else ~mask.crack & mask.valid)
    if mask.crack.shape != size:
        (high, wide), (height, width) = mask.crack.shape, size
        raise DataError(f"{file.path} ({wide}×{high} px, not {width}×{height})")
    return mask


def _check_white(file: File, mask: Mask, crack_value: int) -> None:
    """Refuse a mask that is black and white where crack has another value in others."""
    white = mask.values[-1] if len(mask.values) == 2 else 0
    if white in FULL[1:] and crack_value not in mask.values:
        raise DataError(
            f"{file.path} (it holds {mask.values[0]:g} and {white:g}, not {crack_value}: give it "
            f"labels as the others have, or leave it out)"
        )
