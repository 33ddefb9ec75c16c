"""Synthetic road and wall surfaces, made of noise.

Lengths are in px of a 448 × 448 image, Khanhha's size, and scale with the image.
"""

import math
from typing import NamedTuple

import cv2
import numpy as np

REFERENCE = 448


class Brush(NamedTuple):
    """Random fields of one image: square float32 arrays of the side `size`."""

    rng: np.random.Generator
    size: int

    def scaled(self, length: float | np.ndarray) -> float | np.ndarray:
        """Lengths in px of this image."""
        return length * self.size / REFERENCE

    def white(self, rows: int, columns: int) -> np.ndarray:
        """White noise, uniform in [−1, 1)."""
        values = np.frombuffer(self.rng.bytes(rows * columns), np.int8).reshape(rows, columns)
        return values * np.float32(1 / 128)

    def noise(self, cell: float, stretch: float = 1.0) -> np.ndarray:
        """Smooth noise in about [−1, 1] with grains of `cell` px, `stretch` times as tall."""
        sides = (REFERENCE / cell / stretch, REFERENCE / cell)
        return self.enlarge(self.white(*[int(np.clip(side, 2, self.size)) for side in sides]))

    def fractal(self, coarse: float, gain: float) -> np.ndarray:
        """Noise of octaves from `coarse` px down; each has `gain` times the height of the last."""
        side = max(2, round(REFERENCE / coarse))
        field = self.white(side, side)
        height = 1.0
        while 2 * side <= self.size:
            side *= 2
            height *= gain
            field = cv2.resize(field, (side, side), interpolation=cv2.INTER_CUBIC)
            field += height * self.white(side, side)
        return self.enlarge(field)

    def enlarge(self, field: np.ndarray) -> np.ndarray:
        """Bicubic up to eight times; the rest is bilinear, since bicubic would be slow."""
        rows, columns = (min(8 * side, self.size) for side in field.shape)
        field = cv2.resize(field, (columns, rows), interpolation=cv2.INTER_CUBIC)
        return cv2.resize(field, (self.size, self.size), interpolation=cv2.INTER_LINEAR)

    def blur(self, field: np.ndarray, sigma: float) -> np.ndarray:
        """Gaussian blur."""
        sigma = max(self.scaled(sigma), 0.3)
        return cv2.GaussianBlur(field, [2 * math.ceil(3 * sigma) + 1] * 2, sigma)

    def emboss(self, height: np.ndarray, offset: float) -> np.ndarray:
        """Light minus shade on a height field that is lit from a corner."""
        step = max(1, round(self.scaled(offset)))
        kernel = np.zeros((2 * step + 1, 2 * step + 1), np.float32)
        kernel[step, step] = 1
        kernel[0, 0] = -1
        return cv2.filter2D(height, -1, kernel)


Surface = tuple[np.ndarray, np.ndarray]  # tone, about 1; warmth, about 0 (yellow > 0); (H, W)


def soft_step(field: np.ndarray, width: float) -> np.ndarray:
    """Ramp from 0 to 1 that a field climbs about 0, over `width` of its values."""
    return np.clip(field / width + 0.5, 0, 1)


def _chipseal(brush: Brush) -> Surface:
    """Angular stones in a dark binder, sparse or dense: Voronoi cells of random points."""
    rng = brush.rng
    cell = rng.uniform(6, 18)
    contrast = rng.uniform(0.12, 0.34)
    min_radius = rng.uniform(0, 0.45)
    pitch = max(brush.scaled(cell), 2.5)
    canvas = np.full([brush.size] * 2, 255, np.uint8)
    canvas.flat[rng.integers(0, canvas.size, int((brush.size / pitch) ** 2))] = 0
    distance, label = cv2.distanceTransformWithLabels(canvas, cv2.DIST_L2, cv2.DIST_MASK_5)
    brightness, warmth = rng.normal(0, 1, (2, label.max() + 1)).astype(np.float32)
    radius = rng.uniform(min_radius, 2.2 * min_radius + 0.4, len(warmth)).astype(np.float32)
    inside = soft_step(radius[label] - distance / pitch + 0.3 * brush.noise(cell / 3), 0.25)
    border = cv2.morphologyEx(np.float32(label), cv2.MORPH_GRADIENT, np.ones((2, 2))) > 0
    inside = brush.blur(inside * ~border, 0.6)
    tone = 1 - 0.7 * contrast + inside * contrast * (1 + brightness[label])
    tone += 1.2 * contrast * brush.emboss(inside, 2) + 0.1 * brush.noise(1.5)
    return tone + 0.1 * brush.noise(3), 0.035 * inside * warmth[label]


def _asphalt(brush: Brush) -> Surface:
    tone = 1 + 0.16 * brush.noise(1) + 0.13 * brush.noise(2.6) + 0.04 * brush.fractal(150, 0.65)
    tone += brush.rng.uniform(0.2, 1.0) * np.maximum(brush.noise(3.5) - 0.6, 0)
    tone -= brush.rng.uniform(0.2, 0.9) * np.maximum(brush.noise(4.5) - 0.6, 0)
    return tone, 0.03 * brush.noise(3)


def _concrete(brush: Brush) -> Surface:
    rng = brush.rng
    clouds = brush.fractal(rng.uniform(40, 160), rng.uniform(0.72, 0.95))
    pores = brush.noise(rng.uniform(4, 9)) + 0.5 * brush.noise(60) - rng.uniform(0.85, 1.6)
    tone = 1 + rng.uniform(0.025, 0.06) * clouds - 1.2 * brush.blur(np.maximum(pores, 0), 0.7)
    if rng.random() < 0.3:  # broomed
        lines = np.rot90(brush.noise(2, rng.uniform(3, 20)), rng.integers(2))
        tone += rng.uniform(0.03, 0.08) * lines
    return tone + rng.uniform(0.02, 0.1) * brush.noise(1.6), 0.008 * clouds


def _plaster(brush: Brush) -> Surface:
    height = brush.noise(brush.rng.uniform(4, 14)) + 0.5 * brush.noise(4)
    tone = 1 + brush.rng.uniform(0.03, 0.13) * brush.emboss(brush.blur(height, 1.2), 2)
    return tone + 0.03 * brush.fractal(220, 0.65) + 0.03 * brush.noise(1), 0.01 * brush.noise(90)


GREY = (128, 129, 129)
LIGHT = (174, 172, 167)
BROWN = (150, 145, 135)
BLUE = (122, 125, 132)
# name: surface, share of the images, colours (RGB)
MATERIALS = {
    "asphalt": (_asphalt, 0.3, [GREY, BLUE, BLUE, BROWN, (98, 100, 104)]),
    "chipseal": (_chipseal, 0.26, [GREY, GREY, BLUE, BROWN, (108, 108, 108)]),
    "concrete": (_concrete, 0.34, [GREY, LIGHT, LIGHT, BROWN, (170, 160, 144), (86, 90, 92)]),
    "plaster": (_plaster, 0.1, [LIGHT, GREY, (190, 164, 154), (98, 124, 146), (130, 122, 138)]),
}
