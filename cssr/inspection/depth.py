"""Pixels of 16 bits as 8: of many cameras, they fill 10, 12 or 14 only."""

import numpy as np

DEPTHS = (8, 10, 12, 14, 16)  # that cameras and scanners have


def bits_for(greatest: int) -> int:
    """The least depth that holds the greatest of a photo's values; 16 if all are 0."""
    return next(bits for bits in DEPTHS if greatest >> bits == 0) if greatest else 16


def to_eight_bits(values: np.ndarray, bits: int) -> np.ndarray:
    """The upper 8 of so many bits of uint16, as uint8; what is above 0 stays above 0."""
    return np.minimum(np.maximum(values >> (bits - 8), values > 0), 255).astype(np.uint8)


def depth_note(bits: int) -> list[str]:
    """What the user is told of a photo whose 16 bits are not filled."""
    return [f"values fill {bits} of 16 bits; scaled"] if bits < 16 else []
