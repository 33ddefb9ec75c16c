"""Synthetic photographs of cracked pavement and walls, drawn from a seed, with exact masks.

Every image is a function of (seed, split, index) alone. It scales with the size that is asked for;
crack widths do not.
"""

from pathlib import Path

import cv2
import numpy as np

from cssr.sources.damage import crack, mark, paint, stain
from cssr.sources.surfaces import MATERIALS, Brush, soft_step

SPLITS = {"train": 0, "test": 1}  # part of an image's seed
CRACK_FREE = 10  # one image in so many has no crack
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95]


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
        rng.choice([stain, mark, paint], p=[0.44, 0.5, 0.06])(brush, tone, warmth)
    coverage = crack(brush, tone, crack_width) if cracked else np.zeros_like(tone)
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
            jpeg = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), JPEG)[1]
            (images / f"{name}.jpg").write_bytes(jpeg)
            (masks / f"{name}.png").write_bytes(cv2.imencode(".png", 255 * mask)[1])
