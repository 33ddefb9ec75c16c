"""YOLO's segmentation labels: one text per image, and the names of its classes."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Annotated, Any

import numpy as np
import yaml
from pydantic import Field

from cssr.sources.annotations.shapes import (
    Annotation,
    AnnotationError,
    add_polygon,
    annotation,
    as_points,
    parse,
)

Class = Annotated[int, Field(ge=0)]
Part = Annotated[float, Field(allow_inf_nan=False, ge=-1, le=2)]  # of a side; slightly outside too
Name = Annotated[str, Field(coerce_numbers_to_str=True)]
LISTS = ("classes.txt", "obj.names")
_LABEL = re.compile(r"\d+(\s+[-+.\deE]+|\s+nan|\s+inf){4,}\s*", re.IGNORECASE)


def read_yolo(path: str, content: bytes, names: Sequence[str] = ()) -> list[Annotation] | None:
    """The annotation of a label file, or None if its first line is no label.

    An empty file is an image without crack.

    Args:
        path: of the file, NAME.txt for an image NAME.
        content: lines «class x y x y …» with x, y as parts of the image's width and height.
        names: of the classes; without them, their numbers are the labels.

    Raises:
        AnnotationError: if a line is a box, or breaks the format.
    """
    lines = content.decode("utf-8-sig", errors="replace").splitlines()
    labels = [(i, line) for i, line in enumerate(lines, start=1) if line.strip()]
    name = PurePosixPath(path.replace("\\", "/"))
    if name.name in LISTS or (labels and not _LABEL.fullmatch(labels[0][1].strip())):
        return None
    found = annotation(name.stem, relative=True)
    for i, line in labels:
        _add(found, line.split(), names, f"{path}: line {i}")
    return [found]


def _add(found: Annotation, fields: list[str], names: Sequence[str], where: str) -> None:
    number = parse(Class, fields[0], where)
    if names and number >= len(names):
        raise AnnotationError(
            f"{where}: class {number}, but there are names of {len(names)}: complete the list"
        )
    values = parse(list[Part], fields[1:], f"{where}: x, y as parts of the image")
    if len(values) == 4:
        raise AnnotationError(
            f"{where}: a box (class x y width height), not an outline: "
            f"export the set for segmentation, or draw outlines"
        )
    if len(values) % 2:
        raise AnnotationError(
            f"{where}: {len(values)} numbers after the class are no pairs of x and y"
        )
    label = names[number] if names else str(number)
    add_polygon(found, label, [as_points(np.array(values))])


def read_names(path: str, content: bytes) -> list[str] | None:
    """Names of the classes of a data.yaml, classes.txt or obj.names, or None if it is none.

    Raises:
        AnnotationError: if it cannot be read, or if a class has no name.
    """
    name = PurePosixPath(path.replace("\\", "/")).name.lower()
    if name in LISTS:
        lines = content.decode("utf-8-sig", errors="replace").rstrip().splitlines()
        return [line.strip() for line in lines]
    if not name.endswith((".yaml", ".yml")) or b"names" not in content:
        return None
    try:
        data = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise AnnotationError(f"{path}: not a readable YAML ({reason})") from None
    if not isinstance(data, dict) or "names" not in data:
        return None
    return _in_order(data["names"], f"{path}: names")


def _in_order(names: Any, where: str) -> list[str]:
    """Names from a list, or from a mapping of 0, 1, … to them."""
    if not isinstance(names, dict):
        return parse(list[Name], names, where)
    numbered = parse(dict[Class, Name], names, where)
    if sorted(numbered) != list(range(len(numbered))):
        raise AnnotationError(f"{where}: the classes are not 0 to {len(numbered) - 1}")
    return [numbered[number] for number in range(len(numbered))]
