"""Draw the photo of the README, and what the demo's model takes for cracks in it."""

import argparse
from pathlib import Path

import cv2
import numpy as np
from skimage import data

import cssr
from cssr.inspection.overlay import COLOUR, STRENGTH

SIDE, GAP = 256, 8  # px
PART = np.s_[:96, :128]


def main() -> None:
    """Write docs/gravel.jpg."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("runs/cssr"))
    parser.add_argument("--out", type=Path, default=Path("docs/gravel.jpg"))
    args = parser.parse_args()
    photo = cv2.resize(data.gravel(), (SIDE, SIDE), interpolation=cv2.INTER_AREA)[PART]
    mask = cssr.load(str(args.model)).segment(photo).mask
    size = mask.shape[::-1]
    plain = cv2.resize(photo, size, interpolation=cv2.INTER_NEAREST)[..., None].repeat(3, axis=2)
    marked = cv2.resize(photo, size, interpolation=cv2.INTER_CUBIC)[..., None].repeat(3, axis=2)
    marked[mask] = (1 - STRENGTH) * marked[mask] + STRENGTH * np.array(COLOUR)
    gap = np.full((len(mask), GAP, 3), 255, np.uint8)
    picture = np.hstack([plain, gap, marked])[..., ::-1]
    cv2.imwrite(str(args.out), picture, [cv2.IMWRITE_JPEG_QUALITY, 90])


if __name__ == "__main__":
    main()
