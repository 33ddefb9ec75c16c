"""Read the polygons, lines and masks that annotation tools write, whichever of them wrote a file.

LabelMe, COCO (also of CVAT and Roboflow), YOLO's segmentation, CVAT's XML, Supervisely, and the
VGG Image Annotator. `drawing.draw` makes a mask of what is read.

Rectangles, circles and ellipses are shapes of their own in these tools, and are filled, with a
note: where they are boxes around cracks, they are no masks. Boxes of COCO, which has them beside
its masks, are left out with a note, and those of YOLO refused.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from cssr.sources.annotations.coco import read_coco
from cssr.sources.annotations.cvat import read_cvat
from cssr.sources.annotations.labelme import read_labelme
from cssr.sources.annotations.shapes import Annotation, AnnotationError
from cssr.sources.annotations.supervisely import read_supervisely
from cssr.sources.annotations.via import read_via
from cssr.sources.annotations.yolo import read_yolo

_CRACK = re.compile("crack", re.IGNORECASE)
_NO_CRACK = re.compile(
    r"(?<![a-z])(no|non|not|un|without|not[\s_-]+an?|false|pseudo)[\s_-]*crack"
    r"|crack[\s_-]*(free|like)|background|(?<![a-z])ignore"
    r"|(?<!un)(seal|repair|fill|patch|heal)",  # a crack that is closed
    re.IGNORECASE,
)


def read_annotations(
    path: str, content: bytes, *, names: Sequence[str] = ()
) -> list[Annotation] | None:
    """What a file annotates, by image, or None if it is no annotation of a known format.

    Args:
        path: of the file; its suffix tells the kind, and for YOLO and Supervisely its name tells
            the image.
        content: of the file.
        names: of YOLO's classes, as `yolo.read_names` finds them.

    Raises:
        AnnotationError: if the file is damaged or breaks its format.
    """
    suffix = PurePosixPath(path.replace("\\", "/")).suffix.lower()
    if suffix == ".json":
        return _read_json(path, content)
    if suffix == ".xml":
        return read_cvat(path, content)
    if suffix == ".txt":
        return read_yolo(path, content, names)
    return None


def _read_json(path: str, content: bytes) -> list[Annotation] | None:
    data = _load(path, content)
    for read in (read_labelme, read_coco, read_supervisely, read_via):
        found = read(path, data)
        if found is not None:
            return found
    return None


def _load(path: str, content: bytes) -> Any:
    try:
        return json.loads(content)
    except RecursionError:
        reason = "nested too deeply"
    except ValueError as error:  # also of an encoding
        reason = str(error)
    raise AnnotationError(f"{path}: not a readable JSON ({reason}): export it again")


def labels_of(annotations: Iterable[Annotation]) -> Counter[str]:
    """The labels, and how many shapes and bitmaps have each."""
    return Counter(item.label for found in annotations for item in (*found.shapes, *found.bitmaps))


def choose_labels(labels: Mapping[str, int], wanted: Sequence[str] = ()) -> set[str]:
    """The labels that are crack: those wanted, else the only one, else those that say crack.

    Args:
        labels: that there are, and how many shapes have each.
        wanted: by the user; none to choose.

    Raises:
        AnnotationError: if a wanted label is not there, or if it is not clear which are crack.
    """
    known = ", ".join(f"{label} {number}" for label, number in Counter(labels).most_common())
    unknown = [label for label in wanted if label not in labels]
    if unknown:
        raise AnnotationError(f"no label {', '.join(unknown)}; there are: {known or 'none'}")
    if wanted:
        return set(wanted)
    if not labels:
        return set()
    cracks = {label for label in labels if _CRACK.search(label) and not _NO_CRACK.search(label)}
    if cracks:
        return cracks
    if len(labels) == 1 and not any(_NO_CRACK.search(label) for label in labels):
        return set(labels)
    what = "several labels" if len(labels) > 1 else "no label says crack"
    raise AnnotationError(f"{what}: {known}; --label NAME says which are crack")


def notes_of(annotations: Iterable[Annotation]) -> list[str]:
    """What was done beyond drawing shapes, a line each, as «left out: 3 × point, 1 × cuboid»."""
    total: Counter[tuple[str, str]] = Counter()
    for found in annotations:
        total.update(found.notes)
    things = defaultdict(list)
    for (fate, what), number in sorted(total.items()):
        things[fate].append(f"{number:,} × {what}")
    return [f"{fate}: {', '.join(those)}" for fate, those in things.items()]
