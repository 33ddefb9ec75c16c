"""Draw a contact sheet of the synthetic set: thumbnails above the outlines of their cracks."""

import argparse
from pathlib import Path

import cv2
import numpy as np

from cssr.sources.synthetic import synthesize

SIZE = 448
THUMBNAIL = 168
COLUMNS = 8
OUTLINE = (230, 30, 30)  # RGB


def thumbnail(image: np.ndarray) -> np.ndarray:
    """An image (SIZE, SIZE, 3), made small."""
    return cv2.resize(image, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)


def outlined(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """An image with the border of its mask drawn over it."""
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(image.copy(), contours, -1, OUTLINE, 2)


def contact_sheet(count: int, seed: int, crack_width: tuple[float, float]) -> np.ndarray:
    """The first images of the training set, and the first row once more with its masks.

    Args:
        count: images shown; a multiple of COLUMNS.
        seed: of the set.
        crack_width: least and greatest, in px of a 448 × 448 image.

    Returns:
        RGB, (rows, columns, 3) uint8.
    """
    pairs = [
        synthesize(index, seed=seed, size=SIZE, crack_width=crack_width) for index in range(count)
    ]
    cells = [thumbnail(image) for image, _ in pairs]
    cells += [thumbnail(outlined(image, mask)) for image, mask in pairs[:COLUMNS]]
    rows = [np.hstack(cells[at : at + COLUMNS]) for at in range(0, len(cells), COLUMNS)]
    return np.vstack(rows)


def main() -> None:
    """Write the sheet to the file that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/contact_sheet.jpg"))
    parser.add_argument("--rows", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--crack-width", type=float, nargs=2, default=(1.0, 8.0))
    args = parser.parse_args()
    sheet = contact_sheet(args.rows * COLUMNS, args.seed, tuple(args.crack_width))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    bgr = cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)
    if not cv2.imwrite(str(args.out), bgr, [cv2.IMWRITE_JPEG_QUALITY, 88]):
        raise SystemExit(f"{args.out}: not written; name a .jpg file")


if __name__ == "__main__":
    main()
