"""Synthetic photographs of cracked pavement and walls, drawn from a seed, with exact masks.

Every image is a function of (seed, split, index) alone. Lengths are in px of a 448 × 448 image,
Khanhha's size, and scale with the size that is asked for; crack widths do not.
"""

import math
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

SPLITS = {"train": 0, "test": 1}  # part of an image's seed
REFERENCE = 448
HALVINGS = 2  # of the canvas that cracks are drawn on, down to the image's size
CRACK_FREE = 10  # one image in so many has no crack
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95]
PIECE = 1 / 128  # longest straight piece of a crack, of the image's side


class _Brush(NamedTuple):
    """Random fields of one image: square float32 arrays of the side `size`."""

    rng: np.random.Generator
    size: int

    def white(self, rows: int, columns: int) -> np.ndarray:
        """Independent values, uniform in [−1, 1)."""
        values = np.frombuffer(self.rng.bytes(rows * columns), np.int8).reshape(rows, columns)
        return values * np.float32(1 / 128)

    def noise(self, cell: float, stretch: float = 1.0) -> np.ndarray:
        """Smooth noise in about [−1, 1] with grains of `cell` px, `stretch` times as tall."""
        sides = (REFERENCE / cell / stretch, REFERENCE / cell)
        return self.enlarge(self.white(*[int(np.clip(side, 2, self.size)) for side in sides]))

    def fractal(self, coarse: float, gain: float) -> np.ndarray:
        """Noise of octaves from `coarse` px down; each has `gain` times the height of the last."""
        field, height = self.white(*[max(2, round(REFERENCE / coarse))] * 2), 1.0
        while 2 * len(field) <= self.size:
            side, height = 2 * len(field), height * gain
            field = cv2.resize(field, (side, side), interpolation=cv2.INTER_CUBIC)
            field += height * self.white(side, side)
        return self.enlarge(field)

    def enlarge(self, field: np.ndarray) -> np.ndarray:
        """Bicubic; beyond eight times, where it would be slow, the rest is bilinear."""
        rows, columns = (min(8 * side, self.size) for side in field.shape)
        field = cv2.resize(field, (columns, rows), interpolation=cv2.INTER_CUBIC)
        return cv2.resize(field, (self.size, self.size), interpolation=cv2.INTER_LINEAR)

    def blur(self, field: np.ndarray, sigma: float) -> np.ndarray:
        sigma = max(sigma * self.size / REFERENCE, 0.3)
        return cv2.GaussianBlur(field, [2 * math.ceil(3 * sigma) + 1] * 2, sigma)

    def relief(self, height: np.ndarray, offset: float) -> np.ndarray:
        """Light minus shade on a height field that is lit from a corner."""
        step = max(1, round(offset * self.size / REFERENCE))
        kernel = np.zeros((2 * step + 1, 2 * step + 1), np.float32)
        kernel[step, step], kernel[0, 0] = 1, -1
        return cv2.filter2D(height, -1, kernel)


Surface = tuple[np.ndarray, np.ndarray]  # tone, about 1; warmth, about 0 (yellow > 0); (H, W)


def _soft(field: np.ndarray, softness: float) -> np.ndarray:
    """Step from 0 to 1 where a field passes 0, over `softness` of its values."""
    return np.clip(field / softness + 0.5, 0, 1)


def _chipseal(brush: _Brush) -> Surface:
    """Angular stones in a dark binder, sparse or dense: cells about random points."""
    rng, cell, contrast = brush.rng, brush.rng.uniform(6, 18), brush.rng.uniform(0.12, 0.34)
    least, canvas = rng.uniform(0, 0.45), np.full([brush.size] * 2, 255, np.uint8)
    pitch = max(cell * brush.size / REFERENCE, 2.5)
    canvas.flat[rng.integers(0, canvas.size, int((brush.size / pitch) ** 2))] = 0
    distance, label = cv2.distanceTransformWithLabels(canvas, cv2.DIST_L2, cv2.DIST_MASK_5)
    looks = rng.normal(0, 1, (2, label.max() + 1)).astype(np.float32)
    reach = rng.uniform(least, 2.2 * least + 0.4, looks.shape[1]).astype(np.float32)
    inside = _soft(reach[label] - distance / pitch + 0.3 * brush.noise(cell / 3), 0.25)
    border = cv2.morphologyEx(np.float32(label), cv2.MORPH_GRADIENT, np.ones((2, 2))) > 0
    inside = brush.blur(inside * ~border, 0.6)
    tone = 1 - 0.7 * contrast + inside * contrast * (1 + looks[0][label])
    tone += 1.2 * contrast * brush.relief(inside, 2) + 0.1 * brush.noise(1.5)
    return tone + 0.1 * brush.noise(3), 0.035 * inside * looks[1][label]


def _asphalt(brush: _Brush) -> Surface:
    tone = 1 + 0.16 * brush.noise(1) + 0.13 * brush.noise(2.6) + 0.04 * brush.fractal(150, 0.65)
    tone += brush.rng.uniform(0.2, 1.0) * np.maximum(brush.noise(3.5) - 0.6, 0)
    tone -= brush.rng.uniform(0.2, 0.9) * np.maximum(brush.noise(4.5) - 0.6, 0)
    return tone, 0.03 * brush.noise(3)


def _concrete(brush: _Brush) -> Surface:
    rng = brush.rng
    clouds = brush.fractal(rng.uniform(40, 160), rng.uniform(0.72, 0.95))
    pores = brush.noise(rng.uniform(4, 9)) + 0.5 * brush.noise(60) - rng.uniform(0.85, 1.6)
    tone = 1 + rng.uniform(0.025, 0.06) * clouds - 1.2 * brush.blur(np.maximum(pores, 0), 0.7)
    if rng.random() < 0.3:  # broomed
        lines = np.rot90(brush.noise(2, rng.uniform(3, 20)), rng.integers(2))
        tone += rng.uniform(0.03, 0.08) * lines
    return tone + rng.uniform(0.02, 0.1) * brush.noise(1.6), 0.008 * clouds


def _plaster(brush: _Brush) -> Surface:
    height = brush.noise(brush.rng.uniform(4, 14)) + 0.5 * brush.noise(4)
    tone = 1 + brush.rng.uniform(0.03, 0.13) * brush.relief(brush.blur(height, 1.2), 2)
    return tone + 0.03 * brush.fractal(220, 0.65) + 0.03 * brush.noise(1), 0.01 * brush.noise(90)


GREY, LIGHT, BROWN, BLUE = (128, 129, 129), (174, 172, 167), (150, 145, 135), (122, 125, 132)
# name: surface, share of the images, colours (RGB)
MATERIALS = {
    "asphalt": (_asphalt, 0.3, [GREY, BLUE, BLUE, BROWN, (98, 100, 104)]),
    "chipseal": (_chipseal, 0.26, [GREY, GREY, BLUE, BROWN, (108, 108, 108)]),
    "concrete": (_concrete, 0.34, [GREY, LIGHT, LIGHT, BROWN, (170, 160, 144), (86, 90, 92)]),
    "plaster": (_plaster, 0.1, [LIGHT, GREY, (190, 164, 154), (98, 124, 146), (130, 122, 138)]),
}


def _path(rng: np.random.Generator, start: complex, end: complex, rough: float) -> np.ndarray:
    """Midpoint displacement between two points x + iy, down to pieces of PIECE."""
    path, height = np.array([start, end]), rough * abs(end - start)
    while abs(end - start) > PIECE * (len(path) - 1):
        middle = (path[1:] + path[:-1]) / 2 + rng.normal(0, height, (len(path) - 1, 2)) @ (1, 1j)
        path = np.repeat(path, 2)[:-1]
        path[1::2] = middle
        height *= 0.62
    return path


def _pixels(points: np.ndarray, side: int) -> list[list[int]]:
    """Points x + iy in units of the side as [column, row]."""
    return np.rint(np.stack([points.real, points.imag], 1) * side).astype(int).tolist()


class _Cracks:
    """Cracks of one image; points are x + iy in units of its side, widths in its px."""

    def __init__(self, brush: _Brush, limits: tuple[float, float]):
        self.rng, self.limits = brush.rng, limits
        self.canvas = np.zeros([brush.size << HALVINGS] * 2, np.uint8)
        self.width = limits[0] + (limits[1] - limits[0]) * self.rng.beta(1.6, 1.7)

    def draw(self, start: complex, end: complex, width: float, tip: float) -> np.ndarray:
        """Draw a crack whose width varies, down to `tip` times `width` at its end; its path."""
        path = _path(self.rng, start, end, self.rng.uniform(0.015, 0.065))
        pieces = len(path) - 1
        slow = np.interp(np.linspace(0, 24, pieces), np.arange(25), self.rng.normal(0, 0.45, 25))
        fast, taper = self.rng.normal(0, 0.15, pieces), np.linspace(1, tip, pieces)
        widths = width * np.exp(slow + fast) * taper
        widths = np.rint(np.clip(widths, *self.limits) * 2**HALVINGS).astype(int).tolist()
        points = _pixels(path, len(self.canvas))
        for a, b, thickness in zip(points[:-1], points[1:], widths, strict=True):
            cv2.line(self.canvas, a, b, 255, thickness)
        return path

    def through(self) -> None:
        """A crack across the image, with branches, which may have branches."""
        rng, along = self.rng, np.exp(1j * self.rng.uniform(0, 2 * np.pi))
        middle = complex(*rng.uniform(0.25, 0.75, 2))
        drawn = [(self.draw(middle - along, middle + along, self.width, 1), self.width)]
        for _ in range(rng.choice([0, 0, 1, 1, 2, 3, 4])):
            path, width = drawn[rng.integers(len(drawn))]
            pieces = len(path) - 1
            at, width = rng.integers(pieces // 4, pieces * 3 // 4), width * rng.uniform(0.35, 0.85)
            ahead = path[at + pieces // 12] - path[at]
            turn = np.angle(ahead) + rng.choice([-1, 1]) * rng.uniform(0.3, 1.3)
            end = path[at] + rng.uniform(0.1, 0.7) * np.exp(1j * turn)
            drawn.append((self.draw(path[at], end, width, 0.3), width))

    def net(self) -> None:
        """Alligator cracking: borders of Voronoi cells."""
        cells = self.rng.integers(3, 6)
        sites = np.stack(np.meshgrid(*[np.arange(-1, cells + 1)] * 2), -1).reshape(-1, 2)
        plane = cv2.Subdiv2D((-2, -2, 5, 5))
        plane.insert(((sites + self.rng.uniform(0, 1, sites.shape)) / cells).astype(np.float32))
        borders = {}
        for facet in plane.getVoronoiFacetList([])[0]:
            corners = facet @ (1, 1j)
            ends = zip(corners, np.roll(corners, 1), strict=True)
            borders |= {np.round(a + b, 3): (a, b) for a, b in ends}
        for a, b in borders.values():
            if abs(a + b - 1 - 1j) < 2 and self.rng.random() < 0.75:
                self.draw(a, b, self.width * self.rng.uniform(0.25, 0.85), 1)


def _crack(brush: _Brush, tone: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Crack a surface in place: dark, edges dirty or broken; returns the coverage."""
    rng, cracks = brush.rng, _Cracks(brush, limits)
    for _ in range(rng.choice([0, 1, 1, 1, 1, 1, 1, 1, 2, 2])):
        cracks.through()
    if not cracks.canvas.any():
        cracks.net()
    coverage = cracks.canvas
    for _ in range(HALVINGS):  # each quick, unlike one reduction to a quarter
        coverage = cv2.resize(coverage, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    coverage = coverage / np.float32(255)
    depth = brush.blur(coverage, rng.uniform(0.3, 0.9))
    strength = rng.uniform(0.34, 0.85) * (1 - rng.uniform(0, 0.5) * np.abs(brush.noise(50)))
    tone -= rng.uniform(0, 0.3) * (brush.blur(depth, rng.uniform(2.5, 6)) + brush.relief(depth, 2))
    tone *= 1 - strength * depth
    return coverage


def _stain(brush: _Brush, tone: np.ndarray, warmth: np.ndarray) -> None:
    edge = brush.noise(110, brush.rng.choice([1, 1, 4])) + brush.fractal(50, 0.8) * 0.3
    stain = _soft(edge - 0.4, brush.rng.uniform(0.3, 1.2))
    tone *= 1 - brush.rng.uniform(-0.12, 0.3) * stain
    warmth += brush.rng.uniform(-0.02, 0.06) * stain


def _paint(brush: _Brush, tone: np.ndarray, warmth: np.ndarray) -> None:
    rng, band = brush.rng, np.zeros_like(tone)
    ends = complex(*rng.random(2)) + np.array([-2, 2]) * np.exp(1j * rng.uniform(0, np.pi))
    cv2.line(band, *_pixels(ends, brush.size), 1, int(rng.uniform(0.06, 0.25) * brush.size))
    wear = rng.uniform(0.15, 0.5) * np.maximum(brush.fractal(60, 0.9), -0.1)
    worn = rng.uniform(0.5, 0.9) * _soft(brush.blur(band, 1) - 0.5 - wear, 0.5)
    tone += worn * (rng.uniform(0.6, 0.9) - 0.4 * tone)
    warmth += worn * float(rng.choice([0, 0, 0.15]))


def _marks(brush: _Brush, tone: np.ndarray, warmth: np.ndarray) -> None:
    """Pebbles and holes, scratches, perhaps a straight joint."""
    rng, marks, side = brush.rng, np.zeros_like(tone), brush.size
    for _ in range(rng.integers(1, 9)):
        axes = np.maximum(rng.uniform(1, 5, 2) * side / REFERENCE, 1).astype(int).tolist()
        centre, shade = rng.integers(0, side, 2).tolist(), rng.uniform(-0.5, 0.3)
        cv2.ellipse(marks, centre, axes, rng.uniform(0, 180), 0, 360, shade, cv2.FILLED)
    for _ in range(rng.choice([0, 0, 1, 4])):
        cv2.line(marks, *rng.integers(0, side, (2, 2)).tolist(), rng.uniform(-0.1, 0.3))
    if rng.random() < 0.4:
        ends = rng.uniform(0.1, 0.9) + np.array([-0.1j, rng.normal(0, 0.03) + 1.1j])
        ends = ends if rng.random() < 0.5 else 1j * ends.conj()
        cv2.line(marks, *_pixels(ends, side), -0.3, 1 + int(rng.uniform(2, 7) * side / REFERENCE))
    tone += brush.blur(marks, 0.7) * (0.8 + 0.3 * brush.noise(4))


def _light(brush: _Brush) -> np.ndarray:
    """Illumination about 1: a slope, a vignette, sometimes a shadow."""
    rng, (y, x) = brush.rng, np.mgrid[-1:1:24j, -1:1:24j].astype(np.float32)
    a, b = rng.normal(0, 0.07, 2).tolist()
    light = brush.enlarge(1 + a * x + b * y - rng.uniform(0, 0.06) * (x**2 + y**2))
    if rng.random() < 0.07:
        edge = b * x - a * y + np.float32(rng.normal(0, 0.04))
        light *= 1 - rng.uniform(0.2, 0.45) * _soft(brush.enlarge(edge), rng.uniform(0.005, 0.06))
    return light


def _start(index: int, seed: int, split: str) -> tuple[np.random.Generator, str, bool]:
    """An image's random numbers, its material, and whether it has a crack."""
    rng = np.random.default_rng([seed, SPLITS[split], index])
    material = rng.choice(list(MATERIALS), p=[share for _, share, _ in MATERIALS.values()])
    return rng, str(material), (index + seed) % CRACK_FREE != 0


def synthesize(
    index: int, *, seed: int, size: int, crack_width: tuple[float, float], split: str = "train"
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one image and its mask.

    Args:
        index: number of the image in its split.
        seed: of the set.
        size: side of the image in px.
        crack_width: least and greatest width of a crack in px of this image.
        split: train or test.

    Returns:
        RGB image (size, size, 3) uint8 and mask (size, size) uint8, 1 where at least half of a
        pixel is crack. One image in ten has none.
    """
    rng, material, cracked = _start(index, seed, split)
    brush, (surface, _, colours) = _Brush(rng, size), MATERIALS[material]
    tone, warmth = surface(brush)
    for _ in range(rng.integers(0, 3) if cracked else rng.integers(2, 4)):
        rng.choice([_stain, _marks, _paint], p=[0.44, 0.5, 0.06])(brush, tone, warmth)
    coverage = _crack(brush, tone, crack_width) if cracked else np.zeros_like(tone)
    tone = brush.blur(tone * _light(brush), rng.uniform(0.3, 0.8)) * rng.uniform(0.85, 1.2)
    warmth, colour = warmth + rng.normal(0, 0.025), colours[rng.integers(len(colours))]
    hues = zip((1, 0.2, -1), colour, strict=True)
    tint = tone * warmth
    clean = cv2.merge([cv2.addWeighted(tone, c, tint, hue * c, 0) for hue, c in hues])
    grain = brush.white(size, 3 * size).reshape(clean.shape)
    image = cv2.addWeighted(clean, 1, grain, rng.uniform(1, 6), 0, dtype=cv2.CV_8U)  # saturates
    return image, (coverage >= 0.5).astype(np.uint8)


def write_synthetic(
    folder: Path, *, train: int, test: int, size: int, crack_width: tuple[float, float], seed: int
) -> None:
    """Write a data set in Khanhha's layout, {train,test}/{images,masks}/MATERIAL_NUMBER.

    Args:
        folder: to write to; made if missing.
        train: number of training images.
        test: number of test images.
        size: side of the images in px.
        crack_width: least and greatest width of a crack in px.
        seed: of the set.
    """
    for split, count in (("train", train), ("test", test)):
        images, masks = (Path(folder) / split / kind for kind in ("images", "masks"))
        images.mkdir(parents=True, exist_ok=True)
        masks.mkdir(exist_ok=True)
        for i in range(count):
            image, mask = synthesize(i, seed=seed, size=size, crack_width=crack_width, split=split)
            _, material, cracked = _start(i, seed, split)
            name = f"{'' if cracked else 'noncrack_'}{material}_{i:04d}"
            jpeg = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), JPEG)[1]
            (images / f"{name}.jpg").write_bytes(jpeg)
            (masks / f"{name}.png").write_bytes(cv2.imencode(".png", 255 * mask)[1])
