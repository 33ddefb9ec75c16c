"""Synthetic photographs of cracked pavement and walls, drawn from a seed, with exact masks.

Every image is a function of (seed, split, index) alone. It scales with the size that is asked for;
crack widths do not.
"""

from pathlib import Path

import cv2
import numpy as np

from cssr.sources.surfaces import MATERIALS, Brush, soft_step

SPLITS = {"train": 0, "test": 1}  # part of an image's seed
HALVINGS = 2  # of the canvas that cracks are drawn on, down to the image's size
PIECE = 1 / 128  # longest straight piece of a crack, of the image's side
CRACK_FREE = 10  # one image in so many has no crack
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95]


def _crack(brush: Brush, tone: np.ndarray, width_range: tuple[float, float]) -> np.ndarray:
    """Crack a surface: dark, edges dirty or broken; returns the coverage in [0, 1]."""
    rng = brush.rng
    cracks = _Cracks(brush, width_range)
    for _ in range(rng.choice([0, 1, 1, 1, 1, 1, 1, 1, 2, 2])):
        cracks.draw_across()
    if not cracks.canvas.any():
        cracks.draw_net()
    coverage = cracks.canvas
    for _ in range(HALVINGS):  # each quick, unlike one reduction to a quarter
        coverage = cv2.resize(coverage, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    coverage = coverage / np.float32(255)
    depth = brush.blur(coverage, rng.uniform(0.3, 0.9))
    strength = rng.uniform(0.34, 0.85) * (1 - rng.uniform(0, 0.5) * np.abs(brush.noise(50)))
    tone -= rng.uniform(0, 0.3) * (brush.blur(depth, rng.uniform(2.5, 6)) + brush.emboss(depth, 2))
    tone *= 1 - strength * depth
    return coverage


class _Cracks:
    """Cracks of one image; points are x + iy in units of its side, widths in its px."""

    def __init__(self, brush: Brush, width_range: tuple[float, float]):
        self.rng = brush.rng
        self.width_range = width_range
        self.canvas = np.zeros([brush.size << HALVINGS] * 2, np.uint8)
        least, greatest = width_range
        self.width = least + (greatest - least) * self.rng.beta(1.6, 1.7)

    def draw(self, start: complex, end: complex, width: float, tip: float) -> np.ndarray:
        """Draw a crack whose width varies, down to `tip` times `width` at its end; its path."""
        path = _path(self.rng, start, end, self.rng.uniform(0.015, 0.065))
        pieces = len(path) - 1
        slow = np.interp(np.linspace(0, 24, pieces), np.arange(25), self.rng.normal(0, 0.45, 25))
        fast = self.rng.normal(0, 0.15, pieces)
        widths = width * np.exp(slow + fast) * np.linspace(1, tip, pieces)
        widths = np.rint(np.clip(widths, *self.width_range) * 2**HALVINGS).astype(int).tolist()
        points = _pixels(path, len(self.canvas))
        for a, b, thickness in zip(points[:-1], points[1:], widths, strict=True):
            cv2.line(self.canvas, a, b, 255, thickness)
        return path

    def draw_across(self) -> None:
        """A crack across the image, with branches, which may have branches."""
        rng = self.rng
        along = np.exp(1j * rng.uniform(0, 2 * np.pi))
        middle = complex(*rng.uniform(0.25, 0.75, 2))
        drawn = [(self.draw(middle - along, middle + along, self.width, 1), self.width)]
        for _ in range(rng.choice([0, 0, 1, 1, 2, 3, 4])):
            path, width = drawn[rng.integers(len(drawn))]
            pieces = len(path) - 1
            fork = rng.integers(pieces // 4, pieces * 3 // 4)
            width *= rng.uniform(0.35, 0.85)
            ahead = path[fork + pieces // 12] - path[fork]
            angle = np.angle(ahead) + rng.choice([-1, 1]) * rng.uniform(0.3, 1.3)
            end = path[fork] + rng.uniform(0.1, 0.7) * np.exp(1j * angle)
            drawn.append((self.draw(path[fork], end, width, 0.3), width))

    def draw_net(self) -> None:
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


def _path(rng: np.random.Generator, start: complex, end: complex, rough: float) -> np.ndarray:
    """Midpoint displacement between two points x + iy, down to pieces of PIECE."""
    path = np.array([start, end])
    height = rough * abs(end - start)
    while abs(end - start) > PIECE * (len(path) - 1):
        middle = (path[1:] + path[:-1]) / 2 + rng.normal(0, height, (len(path) - 1, 2)) @ (1, 1j)
        path = np.repeat(path, 2)[:-1]
        path[1::2] = middle
        height *= 0.62
    return path


def _pixels(points: np.ndarray, side: int) -> list[list[int]]:
    """Points x + iy in units of the side as [column, row]."""
    return np.rint(np.stack([points.real, points.imag], 1) * side).astype(int).tolist()


def _stain(brush: Brush, tone: np.ndarray, warmth: np.ndarray) -> None:
    """Darken or lighten an area with a soft edge."""
    edge = brush.noise(110, brush.rng.choice([1, 1, 4])) + brush.fractal(50, 0.8) * 0.3
    strength = soft_step(edge - 0.4, brush.rng.uniform(0.3, 1.2))
    tone *= 1 - brush.rng.uniform(-0.12, 0.3) * strength
    warmth += brush.rng.uniform(-0.02, 0.06) * strength


def _paint(brush: Brush, tone: np.ndarray, warmth: np.ndarray) -> None:
    """Paint a worn road marking."""
    rng = brush.rng
    band = np.zeros_like(tone)
    ends = complex(*rng.random(2)) + np.array([-2, 2]) * np.exp(1j * rng.uniform(0, np.pi))
    cv2.line(band, *_pixels(ends, brush.size), 1, int(rng.uniform(0.06, 0.25) * brush.size))
    wear = rng.uniform(0.15, 0.5) * np.maximum(brush.fractal(60, 0.9), -0.1)
    opacity = rng.uniform(0.5, 0.9) * soft_step(brush.blur(band, 1) - 0.5 - wear, 0.5)
    tone += opacity * (rng.uniform(0.6, 0.9) - 0.4 * tone)
    warmth += opacity * float(rng.choice([0, 0, 0.15]))


def _mark(brush: Brush, tone: np.ndarray, warmth: np.ndarray) -> None:
    """Add pebbles and holes, scratches, perhaps a straight joint."""
    rng = brush.rng
    side = brush.size
    marks = np.zeros_like(tone)
    for _ in range(rng.integers(1, 9)):
        axes = np.maximum(brush.scaled(rng.uniform(1, 5, 2)), 1).astype(int).tolist()
        centre = rng.integers(0, side, 2).tolist()
        shade = rng.uniform(-0.5, 0.3)
        cv2.ellipse(marks, centre, axes, rng.uniform(0, 180), 0, 360, shade, cv2.FILLED)
    for _ in range(rng.choice([0, 0, 1, 4])):
        cv2.line(marks, *rng.integers(0, side, (2, 2)).tolist(), rng.uniform(-0.1, 0.3))
    if rng.random() < 0.4:
        ends = rng.uniform(0.1, 0.9) + np.array([-0.1j, rng.normal(0, 0.03) + 1.1j])
        ends = ends if rng.random() < 0.5 else 1j * ends.conj()
        cv2.line(marks, *_pixels(ends, side), -0.3, 1 + int(brush.scaled(rng.uniform(2, 7))))
    tone += brush.blur(marks, 0.7) * (0.8 + 0.3 * brush.noise(4))


def _start(index: int, seed: int, split: str) -> tuple[np.random.Generator, str, bool]:
    """An image's random numbers, its material, and whether it has a crack."""
    rng = np.random.default_rng([seed, SPLITS[split], index])
    material = rng.choice(list(MATERIALS), p=[share for _, share, _ in MATERIALS.values()])
    return rng, str(material), (index + seed) % CRACK_FREE != 0


def _light(brush: Brush) -> np.ndarray:
    """Illumination about 1: a slope, a vignette, sometimes a shadow."""
    rng = brush.rng
    y, x = np.mgrid[-1:1:24j, -1:1:24j].astype(np.float32)
    a, b = rng.normal(0, 0.07, 2).tolist()
    light = brush.enlarge(1 + a * x + b * y - rng.uniform(0, 0.06) * (x**2 + y**2))
    if rng.random() < 0.07:
        edge = brush.enlarge(b * x - a * y + np.float32(rng.normal(0, 0.04)))
        light *= 1 - rng.uniform(0.2, 0.45) * soft_step(edge, rng.uniform(0.005, 0.06))
    return light


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
    surface, _, colours = MATERIALS[material]
    brush = Brush(rng, size)
    tone, warmth = surface(brush)
    for _ in range(rng.integers(0, 3) if cracked else rng.integers(2, 4)):
        rng.choice([_stain, _mark, _paint], p=[0.44, 0.5, 0.06])(brush, tone, warmth)
    coverage = _crack(brush, tone, crack_width) if cracked else np.zeros_like(tone)
    tone = brush.blur(tone * _light(brush), rng.uniform(0.3, 0.8)) * rng.uniform(0.85, 1.2)
    warmth += rng.normal(0, 0.025)
    tint = tone * warmth
    hues = zip((1, 0.2, -1), colours[rng.integers(len(colours))], strict=True)
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
        images, masks = (folder / split / kind for kind in ("images", "masks"))
        images.mkdir(parents=True, exist_ok=True)
        masks.mkdir(exist_ok=True)
        for i in range(count):
            image, mask = synthesize(i, seed=seed, size=size, crack_width=crack_width, split=split)
            _, material, cracked = _start(i, seed, split)
            name = f"{'' if cracked else 'noncrack_'}{material}_{i:04d}"
            jpeg = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), JPEG)[1]
            (images / f"{name}.jpg").write_bytes(jpeg)
            (masks / f"{name}.png").write_bytes(cv2.imencode(".png", 255 * mask)[1])
