"""Random mirroring, colour jitter and cropping, batched on the device."""

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

MIN_CROP_AREA = 0.6  # of a crop
BRIGHTNESS = 32 / 255  # greatest shift
FACTORS = (0.5, 1.5)  # of contrast and of saturation
HUE = math.radians(18)  # greatest rotation
LUMA = (0.299, 0.587, 0.114)


class Augmentation(NamedTuple):
    """One random augmentation per image.

    Attributes:
        theta: sampling grid, output to input in [−1, 1] coordinates, (B, 2, 3).
        zoom: magnification of the crop, ≥ 1, (B,).
        colour: linear map of RGB, (B, 3, 3).
        shift: added to every channel after it, (B,).
    """

    theta: Tensor
    zoom: Tensor
    colour: Tensor
    shift: Tensor


def draw_augmentation(n: int, rng: np.random.Generator) -> Augmentation:
    """Draw the augmentations of a batch of n images, on the CPU.

    Mirroring has probability ½. So has each of brightness ±32/255, contrast 0.5–1.5, saturation
    0.5–1.5 and hue ±18°, in this order. The crop is a square of 0.6–1.0 of the area.

    Note:
        Without a clip between them the four are one affine map of RGB. Hue is turned about the
        grey axis, which agrees with HSV for the nearly grey colours of pavement and concrete.
    """

    def maybe(values: np.ndarray, otherwise: float) -> np.ndarray:
        return np.where(rng.random(n) < 0.5, values, otherwise)

    side = np.sqrt(rng.uniform(MIN_CROP_AREA, 1.0, n))
    mirror = maybe(np.full(n, -1.0), 1.0)
    offset = rng.uniform(-1.0, 1.0, (2, n)) * (1 - side)
    brightness = maybe(rng.uniform(-BRIGHTNESS, BRIGHTNESS, n), 0.0)
    contrast = maybe(rng.uniform(*FACTORS, n), 1.0)
    saturation = maybe(rng.uniform(*FACTORS, n), 1.0)
    hue = maybe(rng.uniform(-HUE, HUE, n), 0.0)

    theta = np.zeros((n, 2, 3))
    theta[:, 0, 0], theta[:, 1, 1] = side * mirror, side
    theta[:, :, 2] = offset.T
    colour = contrast[:, None, None] * (_hue_rotation(hue) @ _saturation(saturation))
    as_tensor = [theta, 1 / side, colour, contrast * brightness]
    return Augmentation(*(torch.from_numpy(array.astype(np.float32)) for array in as_tensor))


def _saturation(factor: np.ndarray) -> np.ndarray:
    """Blend with the grey image, (B, 3, 3)."""
    factor = factor[:, None, None]
    return factor * np.eye(3) + (1 - factor) * np.broadcast_to(LUMA, (3, 3))


def _hue_rotation(angle: np.ndarray) -> np.ndarray:
    """Rotate about the grey axis (Rodrigues' formula), (B, 3, 3)."""
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    return cos * np.eye(3) + sin * cross + (1 - cos) / 3


def augment(
    hr: Tensor, mask: Tensor, phi: Tensor, augmentation: Augmentation
) -> tuple[Tensor, Tensor, Tensor]:
    """Apply augmentations to a batch.

    Args:
        hr: images in [0, 1], (B, 3, H, W).
        mask: 0 or 1, (B, 1, H, W).
        phi: signed distance map in px, (B, 1, H, W).
        augmentation: one per image, on the same device.

    Returns:
        The three, changed. Mask and φ are sampled nearest; φ is in px of the crop (times the
        zoom), and 0 if the crop holds no crack.
    """
    grid = F.affine_grid(augmentation.theta, list(hr.shape), align_corners=False)
    hr = F.grid_sample(hr, grid, mode="bilinear", padding_mode="border", align_corners=False)
    hr = torch.einsum("bij,bjhw->bihw", augmentation.colour, hr)
    hr = (hr + augmentation.shift[:, None, None, None]).clamp(0, 1)
    both = torch.cat([mask, phi], dim=1)
    both = F.grid_sample(both, grid, mode="nearest", padding_mode="border", align_corners=False)
    mask, phi = both.split(1, dim=1)
    has_crack = mask.amax(dim=(1, 2, 3), keepdim=True)
    return hr, mask, phi * augmentation.zoom[:, None, None, None] * has_crack
