"""Draw the photo of the README, and what the demo's model takes for cracks in it."""

import argparse
from pathlib import Path

import cv2
import numpy as np
from skimage import data

import cssr
from cssr.inspection.overlay import Overlay

SIDE = 256  # px
GAP = 8  # px
PART = np.s_[:96, :128]


def main() -> None:
    """Write docs/gravel.jpg."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("runs/seed-0/cssr"))
    parser.add_argument("--out", type=Path, default=Path("docs/gravel.jpg"))
    args = parser.parse_args()
    gray = cv2.resize(data.gravel(), (SIDE, SIDE), interpolation=cv2.INTER_AREA)[PART]
    photo = cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB)
    model = cssr.load(str(args.model))
    mask = model.segment(photo).mask
    overlay = Overlay(*gray.shape, model.scale)
    overlay.add(0, photo, mask)
    _, marked = overlay.picture()
    plain = cv2.resize(photo, mask.shape[::-1], interpolation=cv2.INTER_NEAREST)
    gap = np.full((len(mask), GAP, 3), 255, np.uint8)
    picture = np.hstack([plain, gap, marked])[..., ::-1]
    cv2.imwrite(str(args.out), picture, [cv2.IMWRITE_JPEG_QUALITY, 90])


if __name__ == "__main__":
    main()
