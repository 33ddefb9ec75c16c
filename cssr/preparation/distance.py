"""Signed distance maps of crack masks, made once so that no loss has to compute them."""

import cv2
import numpy as np


def signed_distance(mask: np.ndarray) -> np.ndarray:
    """Exact Euclidean signed distance map phi of a mask, the level set of Eq. 1.

    Distance to the nearest crack pixel minus distance to the nearest background pixel, with the
    crack pixels at the boundary set to 0, as in the published code. What lies beyond the border of
    the image counts as neither.

    Args:
        mask: crack mask, (H, W) uint8 or bool, 0 or 1.

    Returns:
        phi in pixels, (H, W) float32: positive outside the crack, negative inside, 0 on crack
        pixels one pixel away from the background; 0 everywhere if the mask holds no crack or no
        background.

    Raises:
        ValueError: if the mask is not a two-dimensional array of 0 and 1.
    """
    if mask.ndim != 2 or mask.dtype not in (np.uint8, np.bool_) or mask.max(initial=0) > 1:
        raise ValueError(
            f"mask must be (H, W) uint8 or bool with values 0 and 1, got {mask.shape} "
            f"{mask.dtype} up to {mask.max(initial=0)}; binarise it first"
        )
    crack = mask.astype(np.uint8)
    if not crack.any() or crack.all():
        return np.zeros(mask.shape, np.float32)
    inside = _distance_to_zero(crack)
    phi = _distance_to_zero(1 - crack) - inside
    np.copyto(phi, 0, where=inside == 1)
    return phi


def _distance_to_zero(image: np.ndarray) -> np.ndarray:
    """Distance in pixels from each pixel to the nearest zero, (H, W) uint8 -> float32.

    Note:
        OpenCV's last bit depends on the processor and on where in memory the image lies. Squared
        distances are whole numbers, so rounding those (exact up to about 1,000 px) removes it.
    """
    distance = cv2.distanceTransform(image, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    squared = np.rint(np.square(distance, out=distance), out=distance)
    return np.sqrt(squared, out=squared)
