"""Synthetic photographs of cracked pavement and walls, drawn from a seed, with exact masks.

Every image is a function of (seed, split, index) alone. Lengths below are given in pixels of a
448 x 448 image, Khanhha's size, and scale with the size asked for; crack widths do not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from cssr.data.crack_paths import draw_cracks
from cssr.data.surfaces import MATERIALS, Brush, Surface
