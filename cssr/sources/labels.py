"""The label of an image: its mask, or what is annotated in it."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from cssr.sources.annotations.drawing import draw
from cssr.sources.annotations.reading import choose_labels, labels_of, notes_of, read_annotations
from cssr.sources.annotations.shapes import Annotation, AnnotationError
from cssr.sources.annotations.yolo import read_names
from cssr.sources.listing import DataError, File, first_of, read_file
from cssr.sources.masks.mask_files import Mask, read_coloured_mask, read_mask
from cssr.sources.pairing import Pair, place_of

Label = Callable[[tuple[int, int]], Mask]  # from height and width of the image to its mask


@dataclass(frozen=True)
class Reading:
    """How labels are read."""

    crack_value: int | None = None  # of masks; None to find it
    crack_labels: tuple[str, ...] = ()  # of annotations; none to find them
    line_width: float = 3.0  # of lines in annotations, px
    crack_colour: tuple[int, int, int] | None = None  # of masks, RGB; None if values decide


class Annotations:
    """What is annotated in images, in files of annotation tools.

    Args:
        files: that may be annotations.
        reading: how.

    Raises:
        DataError: if one is damaged, or it is not clear which labels are crack.
    """

    def __init__(self, files: Sequence[File], reading: Reading) -> None:
        self._reading = reading
        self._of: dict[str, list[tuple[File, Annotation]]] = defaultdict(list)
        self.files = []
        named = (read_file(file, partial(read_names, file.path)) for file in files)
        names = next((found for found in named if found is not None), [])
        for file in files:
            found = read_file(file, partial(read_annotations, file.path, names=names))
            if found is not None:
                self.files.append(file)
            for annotation in found or ():
                self._of[PurePosixPath(annotation.image).stem].append((file, annotation))
        self._all = [annotation for found in self._of.values() for _, annotation in found]
        self._labels: set[str] = set()
        if self._all:
            self._labels = choose_labels(labels_of(self._all), reading.crack_labels)

    def of(self, path: str) -> Label | None:
        """What draws the mask of an image; None if the image is annotated nowhere.

        Raises:
            DataError: if it is annotated twice.
        """
        found = self._of[PurePosixPath(path).stem]
        if len(found) > 1:
            split = place_of(path)[0]
            found = [each for each in found if place_of(each[0].path)[0] == split]
        if len(found) > 1:
            found = [each for each in found if path.endswith(each[1].image.lstrip("./"))]
        if len(found) > 1:
            files = first_of([file.path for file, _ in found])
            raise DataError(f"{path} (annotated twice: {files})")
        return partial(self._draw, *found[0]) if found else None

    def lines(self) -> list[str]:
        """What was found, for people."""
        if not self.files:
            return []
        counts = labels_of(self._all).most_common()
        known = ", ".join(f"{label} {number:,}" for label, number in counts) or "none"
        crack = ", ".join(sorted(self._labels)) or "none"
        line = f"{len(self.files):,} annotation files with labels {known}; crack is {crack}"
        return [line, *notes_of(self._all)]

    def _draw(self, file: File, annotation: Annotation, size: tuple[int, int]) -> Mask:
        try:
            width = self._reading.line_width
            crack = draw(annotation, *size, labels=self._labels, line_width=width)
        except AnnotationError as error:
            raise DataError(f"{file.path} ({error})") from None
        return Mask(crack, values=())


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
    if mask.crack.shape != size:
        (high, wide), (height, width) = mask.crack.shape, size
        raise DataError(f"{file.path} ({wide}×{high} px, not {width}×{height})")
    return mask
