"""Synthetic photographs of cracked pavement and walls, drawn from a seed, with exact masks.

Every image is a function of (seed, split, index) alone. Lengths are in px of a 448 × 448 image,
Khanhha's size, and scale with the size that is asked for; crack widths do not.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

SPLITS = {"train": 0, "test": 1}  # part of an image's seed
REFERENCE = 448
OVERSAMPLING = 4  # of the canvas that cracks are drawn on
CRACK_FREE = 10  # one image in so many has no crack
JPEG_QUALITY = 95


@dataclass(frozen=True)
class Brush:
    """Random fields of one image: square float32 arrays of the side `size`."""

    rng: np.random.Generator
    size: int

    @property
    def unit(self) -> float:
        """Pixels of this image per pixel of a 448 × 448 image."""
        return self.size / REFERENCE

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def white(self, rows: int, columns: int) -> np.ndarray:
        """Independent values, uniform in [−1, 1)."""
        values = np.frombuffer(self.rng.bytes(rows * columns), np.uint8)
        return values.reshape(rows, columns).astype(np.float32) / 128 - 1

    def noise(self, cell: float, stretch: float = 1.0) -> np.ndarray:
        """Smooth noise in about [−1, 1], with grains of `cell` px, `stretch` times as tall."""
        columns = max(2, min(self.size, round(REFERENCE / cell)))
        rows = max(2, min(self.size, round(REFERENCE / cell / stretch)))
        return self.enlarge(self.white(rows, columns))

    def fractal(self, coarse: float, gain: float) -> np.ndarray:
        """Noise of octaves from `coarse` px to one pixel; each has `gain` times the last's height."""
        field, height = self.white(*[max(2, round(REFERENCE / coarse))] * 2), 1.0
        while 2 * len(field) <= self.size:
            side, height = 2 * len(field), height * gain
            field = cv2.resize(field, (side, side), interpolation=cv2.INTER_CUBIC)
            field += height * self.white(side, side)
        return self.enlarge(field)

    def enlarge(self, field: np.ndarray) -> np.ndarray:
        return cv2.resize(field, (self.size, self.size), interpolation=cv2.INTER_CUBIC)

    def blur(self, field: np.ndarray, sigma: float) -> np.ndarray:
        return cv2.GaussianBlur(field, (0, 0), max(sigma * self.unit, 0.3))

    def relief(self, height: np.ndarray, offset: float = 1.0) -> np.ndarray:
        """Light minus shade on a height field that is lit from a corner."""
        step = max(1, round(offset * self.unit))
        return cv2.subtract(height, np.roll(height, (step, step), (0, 1)))


# A surface is tone, about 1, and warmth, about 0 (blue < 0 < yellow): two (H, W) float32 arrays.
Surface = tuple[np.ndarray, np.ndarray]


def _soft(field: np.ndarray, softness: float) -> np.ndarray:
    """Step from 0 to 1 where a field passes 0, over `softness` of its values."""
    return np.clip(field / softness + 0.5, 0, 1)


def _stones(brush: Brush, spacing: float, radius: tuple[float, float], contrast: float) -> Surface:
    """Angular stones in a dark binder; radii in `spacing`s, between the two given."""
    pitch = max(spacing * brush.unit, 2.5)
    count = int((brush.size / pitch) ** 2)
    canvas = np.full((brush.size, brush.size), 255, np.uint8)
    canvas.reshape(-1)[brush.rng.integers(0, canvas.size, count)] = 0
    distance, label = cv2.distanceTransformWithLabels(
        canvas, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    stones = label.max() + 1
    reach = (pitch * brush.rng.uniform(*radius, stones)).astype(np.float32)
    tones = (contrast * brush.rng.normal(0, 1, stones)).astype(np.float32)
    warmths = brush.rng.normal(0, 0.12, stones).astype(np.float32)
    edge = brush.noise(max(spacing / 3, 1 / brush.unit))
    inside = _soft(reach[label] - distance + 0.25 * pitch * edge, 0.25 * pitch)
    border = cv2.morphologyEx(label.astype(np.float32), cv2.MORPH_GRADIENT, np.ones((2, 2)))
    inside = brush.blur(inside * (border == 0), 0.6)
    tone = 1 - 0.45 * contrast + inside * (tones[label] + contrast)
    return tone + 1.2 * contrast * brush.relief(inside, 1.5), inside * warmths[label]


def _asphalt(brush: Brush) -> Surface:
    fine, grain = brush.noise(1.0), brush.noise(2.6)
    warmth = 0.05 * brush.noise(3)
    tone = 1 + 0.13 * fine + 0.16 * grain + 0.06 * brush.fractal(150, 0.6)
    tone += brush.rng.uniform(0.2, 0.9) * np.maximum(brush.noise(3.5) - 0.62, 0)
    tone -= brush.rng.uniform(0.2, 0.9) * np.maximum(brush.noise(5) - 0.55, 0)
    return tone, warmth


def _chipseal(brush: Brush) -> Surface:
    spacing = brush.rng.uniform(7, 20)
    tone, warmth = _stones(brush, spacing, (0.3, 1.0), brush.rng.uniform(0.16, 0.32))
    return tone + 0.1 * brush.noise(1.5) + 0.05 * brush.fractal(200, 0.5), warmth


def _pitted(brush: Brush) -> Surface:
    spacing = brush.rng.uniform(14, 30)
    stones, warmth = _stones(brush, spacing, (0.05, 0.5), brush.rng.uniform(0.12, 0.22))
    return stones + 0.12 * brush.noise(1.2) + 0.1 * brush.noise(3), warmth


def _concrete(brush: Brush) -> Surface:
    clouds = brush.fractal(brush.rng.uniform(90, 250), brush.rng.uniform(0.45, 0.75))
    tone = 1 + brush.rng.uniform(0.04, 0.1) * clouds + 0.02 * brush.noise(1)
    pores = np.maximum(brush.noise(brush.rng.uniform(5, 9)) - brush.rng.uniform(0.62, 0.95), 0)
    return tone - 1.6 * brush.blur(pores, 0.7), 0.03 * clouds


def _plaster(brush: Brush) -> Surface:
    height = brush.noise(brush.rng.uniform(5, 16)) + 0.4 * brush.noise(4)
    tone = 1 + brush.rng.uniform(0.04, 0.14) * brush.relief(brush.blur(height, 1.2), 2)
    return tone + 0.05 * brush.fractal(220, 0.5) + 0.02 * brush.noise(1), 0.02 * brush.noise(90)


def _broomed(brush: Brush) -> Surface:
    lines = brush.noise(2.2, stretch=brush.rng.uniform(15, 60))
    lines = lines if brush.chance(0.5) else np.ascontiguousarray(lines.T)
    tone = 1 + brush.rng.uniform(0.04, 0.1) * lines + 0.07 * brush.fractal(180, 0.65)
    return tone + 0.06 * brush.noise(1.3), 0.03 * brush.noise(60)


def _masonry(brush: Brush) -> Surface:
    size, unit = brush.size, brush.unit
    height = brush.rng.uniform(60, 150) * unit
    width = height * brush.rng.uniform(1.6, 2.8)
    tone, mortar = np.ones((2, size, size), np.float32)
    gap = max(1, round(brush.rng.uniform(4, 9) * unit))
    for row, top in enumerate(np.arange(-brush.rng.uniform(0, height), size, height)):
        for left in np.arange(-width * (0.5 * (row % 2) + 0.5), size, width):
            corners = [(round(left), round(top)), (round(left + width), round(top + height))]
            cv2.rectangle(tone, *corners, 1 + 0.08 * brush.rng.normal(), cv2.FILLED)
            inner = [(corners[0][0] + gap, corners[0][1] + gap), corners[1]]
            cv2.rectangle(mortar, *inner, 0, cv2.FILLED)
    mortar = _soft(brush.blur(mortar, 1.5) - 0.5 + 0.3 * brush.noise(7), 0.4)
    clouds = brush.fractal(60, 0.75)
    tone = tone * (1 + 0.1 * clouds) + brush.rng.uniform(-0.2, 0.2) * mortar
    return tone - 0.12 * brush.relief(mortar, 2) + 0.04 * brush.noise(1.2), 0.05 * clouds


# name: (surface, colours that it is seen in, RGB)
MATERIALS = {
    "asphalt": (_asphalt, ((128, 130, 138), (118, 120, 122), (140, 136, 132), (105, 110, 125))),
    "chipseal": (_chipseal, ((128, 130, 128), (140, 136, 126), (118, 122, 128))),
    "pitted": (_pitted, ((115, 113, 110), (128, 126, 128), (142, 132, 116))),
    "concrete": (
        _concrete,
        ((158, 156, 150), (178, 174, 166), (130, 132, 132), (80, 84, 86), (168, 152, 128)),
    ),
    "plaster": (
        _plaster,
        ((165, 160, 152), (128, 128, 132), (196, 160, 148), (92, 124, 152), (150, 130, 165)),
    ),
    "broomed": (_broomed, ((168, 164, 154), (150, 150, 150), (176, 160, 132))),
    "masonry": (_masonry, ((150, 138, 122), (158, 150, 142), (152, 112, 92))),
}
SHARES = (0.24, 0.12, 0.13, 0.24, 0.12, 0.1, 0.05)


def _path(rng: np.random.Generator, start: np.ndarray, end: np.ndarray, rough: float) -> np.ndarray:
    """Midpoint displacement between two points, (129, 2)."""
    path = np.stack([start, end])
    height = rough * np.linalg.norm(end - start)
    across = (end - start)[::-1] * (1, -1) / max(np.linalg.norm(end - start), 1e-6)
    while len(path) < 129:
        middle = (path[1:] + path[:-1]) / 2
        middle += across * rng.normal(0, height, (len(middle), 1))
        middle += rng.normal(0, 0.3 * height, middle.shape)
        path = np.insert(path, np.arange(1, len(path)), middle, axis=0)
        height *= 0.56
    return path


def _widths(
    rng: np.random.Generator, limits: tuple[float, float], mean: float, taper: bool
) -> np.ndarray:
    """Widths in px along a path, (128,), within the limits; a tapering one ends thin."""
    slow = np.interp(np.arange(128), np.linspace(0, 127, 9), rng.normal(0, 0.35, 9))
    widths = mean * np.exp(slow + rng.normal(0, 0.16, 128))
    if taper:
        widths *= np.linspace(1.0, 0.3, 128)
    return np.clip(widths, *limits)


class _Cracks:
    """A canvas that cracks are drawn on, finer than the image."""

    def __init__(self, brush: Brush, limits: tuple[float, float]):
        self.brush, self.rng, self.limits = brush, brush.rng, limits
        self.canvas = np.zeros([brush.size * OVERSAMPLING] * 2, np.uint8)
        low, high = limits
        self.width = low + (high - low) * self.rng.beta(1.5, 2.2)

    def draw(self, start: np.ndarray, end: np.ndarray, width: float, taper: bool) -> np.ndarray:
        """Draw one crack between two points in units of the image's side; returns its path."""
        path = _path(self.rng, start, end, self.rng.uniform(0.04, 0.13))
        points = np.rint(path * len(self.canvas)).astype(int).tolist()
        widths = _widths(self.rng, self.limits, width, taper) * OVERSAMPLING
        for a, b, thickness in zip(points, points[1:], np.rint(widths).tolist(), strict=False):
            cv2.line(self.canvas, a, b, 255, int(thickness))
        return path

    def through(self) -> None:
        """A crack across the image, with branches, which may have branches."""
        angle = self.rng.uniform(0, 2 * np.pi)
        along = np.array([np.cos(angle), np.sin(angle)])
        middle = 0.5 + self.rng.uniform(-0.25, 0.25, 2)
        open_paths = [(self.draw(middle - along, middle + along, self.width, False), self.width)]
        for _ in range(self.rng.integers(0, 5)):
            path, width = open_paths[self.rng.integers(len(open_paths))]
            at = self.rng.integers(30, 98)
            heading = path[at + 6] - path[at]
            turn = self.rng.choice([-1, 1]) * self.rng.uniform(0.4, 1.3)
            turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
            reach = turned @ heading / max(np.linalg.norm(heading), 1e-6)
            thinner = width * self.rng.uniform(0.4, 0.85)
            end = path[at] + reach * self.rng.uniform(0.15, 0.7)
            open_paths.append((self.draw(path[at], end, thinner, True), thinner))

    def net(self) -> None:
        """Alligator cracking: borders of Voronoi cells."""
        cells = self.rng.integers(3, 6)
        sites = np.stack(np.meshgrid(*[np.arange(-1, cells + 1)] * 2), -1).reshape(-1, 2)
        sites = (sites + self.rng.uniform(0.05, 0.95, sites.shape)) / cells
        plane = cv2.Subdiv2D((-2, -2, 5, 5))
        plane.insert(sites.astype(np.float32).tolist())
        seen = set()
        for facet in plane.getVoronoiFacetList([])[0]:
            for a, b in zip(facet, np.roll(facet, 1, 0), strict=True):
                border = tuple(np.rint((a + b) * 1000).astype(int))
                if border not in seen and np.abs(a + b - 1).max() < 1.6 and self.brush.chance(0.8):
                    self.draw(a, b, self.width * self.rng.uniform(0.4, 1.1), False)
                seen.add(border)

    def coverage(self) -> np.ndarray:
        """Part of each pixel that is crack, (size, size) float32 in [0, 1]."""
        side = (self.brush.size, self.brush.size)
        return cv2.resize(self.canvas, side, interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def _coverage(brush: Brush, limits: tuple[float, float]) -> np.ndarray:
    cracks = _Cracks(brush, limits)
    if brush.chance(0.14):
        cracks.net()
    else:
        for _ in range(1 + brush.chance(0.3)):
            cracks.through()
    return cracks.coverage()


def _open_cracks(brush: Brush, tone: np.ndarray, coverage: np.ndarray) -> np.ndarray:
    """Darken a surface where it is cracked; dirt beside the crack, and a broken, lighter edge."""
    rng = brush.rng
    depth = brush.blur(coverage, rng.uniform(0.3, 0.8))
    strength = rng.uniform(0.55, 0.95) - rng.uniform(0, 0.35) * np.abs(brush.noise(70))
    tone = tone - rng.uniform(0, 0.25) * brush.blur(coverage, rng.uniform(2.5, 6))
    tone -= rng.uniform(0, 0.3) * brush.relief(depth, 2)
    return tone * (1 - strength * depth)


def _clutter(brush: Brush, tone: np.ndarray, warmth: np.ndarray) -> None:
    """Stains, scratches, joints, twigs, pebbles and holes, drawn in place."""
    rng, unit = brush.rng, brush.unit
    if brush.chance(0.5):
        stretch = rng.choice([1.0, 4.0])
        stain = brush.blur(_soft(brush.noise(110, stretch) + 0.3 * brush.noise(14) - 0.5, 0.5), 2)
        tone *= 1 - rng.uniform(-0.1, 0.28) * stain
        warmth += rng.uniform(-0.05, 0.2) * stain
    marks = np.zeros_like(tone)
    for _ in range(rng.integers(0, 5) if brush.chance(0.4) else 0):
        ends = rng.uniform(-0.1, 1.1, (2, 2)) * brush.size
        light = rng.uniform(-0.1, 0.3)
        cv2.line(marks, *ends.astype(int).tolist(), light, 1, cv2.LINE_AA)
    for _ in range(rng.integers(1, 9) if brush.chance(0.5) else 0):
        centre = rng.integers(0, brush.size, 2).tolist()
        axes = np.maximum(rng.uniform(1, 6, 2) * unit, 1).astype(int).tolist()
        dark = rng.uniform(-0.55, 0.3)
        cv2.ellipse(marks, centre, axes, rng.uniform(0, 180), 0, 360, dark, cv2.FILLED)
    if brush.chance(0.15):
        bend = _path(rng, *rng.uniform(0, 1, (2, 2)), 0.08)[::16] * brush.size
        cv2.polylines(marks, [bend.astype(np.int32)], False, -0.3, max(1, round(2 * unit)))
    if brush.chance(0.16):
        at = rng.uniform(0.1, 0.9) * brush.size
        lean = at + rng.uniform(-0.1, 0.1) * brush.size
        ends = [(int(at), 0), (int(lean), brush.size)]
        ends = ends if brush.chance(0.5) else [end[::-1] for end in ends]
        joint = rng.uniform(-0.5, -0.2)
        cv2.line(marks, *ends, joint, max(1, round(rng.uniform(3, 9) * unit)), cv2.LINE_AA)
    tone += brush.blur(marks, 0.7) * (0.8 + 0.2 * brush.noise(4))


def _paint(brush: Brush, image: np.ndarray, tone: np.ndarray) -> np.ndarray:
    """Perhaps a worn white or yellow line over the surface."""
    if not brush.chance(0.07):
        return image
    rng, size = brush.rng, brush.size
    band = np.zeros((size, size), np.float32)
    ends = rng.uniform(-0.2, 1.2, (2, 2))
    ends += (ends - ends.mean(0)) * 3
    cv2.line(band, *(ends * size).astype(int).tolist(), 1, round(rng.uniform(0.08, 0.3) * size))
    worn = _soft(brush.blur(band, 1) - 0.5 - 0.6 * np.maximum(brush.noise(4) + 0.1, 0), 0.4)
    colour = (215, 212, 204) if brush.chance(0.7) else (205, 170, 70)
    paint = cv2.merge([channel * tone for channel in colour])
    return image + (paint - image) * (0.85 * worn)[..., None]


def _light(brush: Brush) -> np.ndarray:
    """Illumination about 1: a slope, a vignette, soft patches, sometimes a shadow."""
    rng = brush.rng
    y, x = np.mgrid[-1:1:24j, -1:1:24j].astype(np.float32)
    slope = rng.normal(0, 0.09, 2)
    light = 1 + slope[0] * x + slope[1] * y - rng.uniform(0, 0.12) * (x**2 + y**2)
    light = brush.enlarge(light.astype(np.float32) + 0.05 * brush.white(4, 4).mean())
    if brush.chance(0.12):
        edge = brush.noise(400) + 0.08 * brush.noise(60) - rng.uniform(-0.4, 0.4)
        light *= 1 - rng.uniform(0.2, 0.45) * _soft(edge, rng.uniform(0.04, 0.3))
    return light


def _rng(index: int, seed: int, split: str) -> np.random.Generator:
    return np.random.default_rng([seed, SPLITS[split], index])


def _material(rng: np.random.Generator) -> str:
    return str(rng.choice(list(MATERIALS), p=SHARES))


def _cracked(index: int, seed: int) -> bool:
    return (index + seed) % CRACK_FREE != 0


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
    brush = Brush(_rng(index, seed, split), size)
    rng = brush.rng
    surface, colours = MATERIALS[_material(rng)]
    tone, warmth = surface(brush)
    _clutter(brush, tone, warmth)
    colour = np.array(colours[rng.integers(len(colours))]) * rng.uniform(0.85, 1.15)
    colour = colour * (1 + rng.normal(0, 0.025, 3))
    coverage = np.zeros_like(tone)
    if _cracked(index, seed):
        coverage = _coverage(brush, crack_width)
    tone = _open_cracks(brush, tone, coverage) * _light(brush)
    tone = brush.blur(tone, rng.uniform(0.3, 0.8))
    tint = [1 + warmth, 1 + 0.3 * warmth, 1 - warmth]
    image = cv2.merge([(tone * t * c).astype(np.float32) for t, c in zip(tint, colour, strict=True)])
    image = _paint(brush, image, tone)
    image += rng.uniform(1, 6) * brush.white(size, 3 * size).reshape(size, size, 3)
    return np.clip(image, 0, 255).astype(np.uint8), (coverage >= 0.5).astype(np.uint8)


def _name(index: int, seed: int, split: str) -> str:
    material = _material(_rng(index, seed, split))
    return f"{'' if _cracked(index, seed) else 'noncrack_'}{material}_{index:05d}"


def write_synthetic(
    folder: Path, *, train: int, test: int, size: int, crack_width: tuple[float, float], seed: int
) -> None:
    """Write a data set in Khanhha's layout: {train,test}/{images,masks}/MATERIAL_NUMBER.

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
        for made in (images, masks):
            made.mkdir(parents=True, exist_ok=True)
        for index in range(count):
            image, mask = synthesize(
                index, seed=seed, size=size, crack_width=crack_width, split=split
            )
            name = _name(index, seed, split)
            bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
            _write(images / f"{name}.jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
            _write(masks / f"{name}.png", mask * 255, [])


def _write(file: Path, image: np.ndarray, options: list[int]) -> None:
    """Encode and write; cv2.imwrite would not say why it failed."""
    file.write_bytes(cv2.imencode(file.suffix, image, options)[1].tobytes())
