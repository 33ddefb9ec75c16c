"""The test images that the figures show."""

from collections.abc import Sequence

import numpy as np


def mean_width(mask: np.ndarray) -> float:
    """Mean crack width in px: crack area over length of the skeleton."""
    from skimage.morphology import skeletonize  # slow to import; most evaluations draw no examples

    return float(mask.sum() / skeletonize(mask.astype(bool)).sum())


def choose_examples(widths: Sequence[float], n: int, rng: np.random.Generator) -> list[int]:
    """Indices of n images of different crack widths, thin to wide.

    The images are sorted by width and cut into n equal groups; one of each is drawn.

    Args:
        widths: mean crack width of each image in px, (N,); images of 0 are left out.
        n: images wanted; fewer are chosen if there are fewer.
        rng: source of the draw.
    """
    order = [int(index) for index in np.argsort(widths, kind="stable") if widths[index] > 0]
    groups = np.array_split(order, min(n, len(order))) if order else []
    return [int(rng.choice(group)) for group in groups]
