"""The typed, validated form of params.yaml."""

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    model_validator,
)

from cssr.errors import shown, validation_line
from cssr.paper import LOSSES, SIDE, STRIDE, VGG16_WIDTHS

Loss = Literal[tuple(LOSSES)]
DEVICE = r"auto|cpu|cuda(:(0|[1-9][0-9]?))?"


def _within(low: float, high: float, shown: str) -> AfterValidator:
    def check(value: float) -> float:
        if not low <= value <= high:
            raise ValueError(f"is not in {shown}")
        return value

    return AfterValidator(check)


def _unique(values: list) -> list:
    if not values or len(set(values)) < len(values):
        raise ValueError("is not a list of one or more different values")
    return values


_TINY = math.nextafter(0.0, 1.0)
Unit = Annotated[float, _within(0.0, 1.0, "[0, 1]")]
# a stage of the sweep is named after its β, and DVC names it before it is read as a number
Beta = Annotated[Unit, BeforeValidator(lambda value: _with_point(value))]
Growth = Annotated[float, _within(-1.0, 1.0, "[-1, 1]")]
Positive = Annotated[float, _within(_TINY, 1e9, "(0, 1e9]")]
Count = Annotated[int, _within(1, 10**9, "1 … 1,000,000,000")]
Channels = Annotated[int, _within(1, 4096, "1 … 4096")]
Natural = Annotated[int, _within(0, 2**32 - 1, "0 … 4,294,967,295")]
Side = Annotated[int, _within(16, 16384, "16 … 16384 px")]
Name = Annotated[str, AfterValidator(lambda value: _plain_name(value))]
Widths = Annotated[list[Channels], AfterValidator(lambda value: _sized(value, 5))]
Interval = Annotated[list[Positive], AfterValidator(lambda value: _sized(value, 2))]


def _with_point(value: Any) -> Any:
    if type(value) is int:
        raise ValueError(f"has no decimal point: write {value}.0")
    return value


def _plain_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", value):
        raise ValueError("is not a name of letters, digits, - and _")
    return value


def _sized(values: list, length: int) -> list:
    if len(values) != length:
        raise ValueError(f"is not a list of {length} values")
    return values


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Synthetic(_Section):
    """The synthetic set: image counts and crack widths (least, greatest) in px of the image."""

    train: Count
    test: Count
    crack_width: Interval

    @model_validator(mode="after")
    def _ordered(self) -> "Synthetic":
        low, high = self.crack_width
        if low > high:
            raise ValueError(
                f"data.synthetic.crack_width: {self.crack_width} is not [least, greatest]"
            )
        return self


class Data(_Section):
    """Source of the images, side of its files, the sides that the networks see and their kernel."""

    source: Literal["synthetic", "khanhha", "path"]
    path: dict[Name, str]
    image_size: Side
    size: Side
    scale: Literal[2, 4, 8]
    downscale: Literal["bicubic", "bilinear"]
    synthetic: Synthetic

    @model_validator(mode="after")
    def _consistent(self) -> "Data":
        if self.size % (STRIDE * self.scale):
            step = STRIDE * self.scale
            raise ValueError(
                f"data.size: {self.size} is not a multiple of {step} ({STRIDE} × data.scale)"
            )
        if self.synthetic.crack_width[1] > self.image_size / 4:
            raise ValueError(
                f"data.synthetic.crack_width: {self.synthetic.crack_width} is not ≤ "
                f"{self.image_size / 4:g} px (data.image_size / 4)"
            )
        if self.source == "khanhha" and self.image_size != SIDE:
            raise ValueError(
                f"data.image_size: {self.image_size} is not {SIDE}, the side of Khanhha's images"
            )
        if self.size > self.image_size:
            raise ValueError(f"data.size: {self.size} is not ≤ data.image_size ({self.image_size})")
        if (self.source == "path") != bool(self.path):
            wanted = "name: folder or zip" if self.source == "path" else "{}"
            raise ValueError(f"data.path: {self.path} is not {wanted} (data.source: {self.source})")
        return self


class Split(_Section):
    """How many training images are held out for validation, and the seed of what is drawn once."""

    val: Count
    seed: Natural


class SR(_Section):
    """DBPN: stages, channels of its first convolution and of the others."""

    stages: Annotated[int, _within(2, 20, "2 … 20")]
    features: Channels
    width: Channels


class SS(_Section):
    """U-Net: channels of the encoder's five blocks, of the decoder's last, ImageNet weights."""

    encoder: Widths
    decoder: Channels
    pretrained: bool

    @model_validator(mode="after")
    def _weights_fit(self) -> "SS":
        if self.pretrained and self.encoder != list(VGG16_WIDTHS):
            raise ValueError(
                f"model.ss.pretrained: true is not possible with encoder {self.encoder}, "
                f"only with VGG-16's {list(VGG16_WIDTHS)}"
            )
        return self


class Model(_Section):
    """The two networks, and what SR networks start from."""

    sr: SR
    ss: SS
    sr_init: Literal["train_sr", "random"]


class Objective(_Section):
    """Coefficients of the losses (Eqs. 3 and 4) and the unit of the signed distance map."""

    gamma: Unit
    alpha_start: Unit
    alpha_per_epoch: Growth
    phi: Literal["normalised", "pixels"]


class Train(_Section):
    """How every network is trained; intervals are in iterations."""

    batch_size: Count
    learning_rate: Positive
    precision: Literal["float32", "bfloat16"]
    compile: bool
    recompute: bool
    deterministic: bool
    micro_batch: Count
    devices: Annotated[int, _within(1, 64, "1 … 64")]
    checkpoint_every: Count
    log_every: Count
    validate_every: Count

    @model_validator(mode="after")
    def _batch_divides(self) -> "Train":
        if self.micro_batch > self.batch_size:
            raise ValueError(
                f"train.micro_batch: {self.micro_batch} is not ≤ train.batch_size "
                f"({self.batch_size})"
            )
        if self.batch_size % self.devices:
            raise ValueError(
                f"train.devices: {self.devices} does not divide train.batch_size "
                f"({self.batch_size})"
            )
        return self


class Iterations(_Section):
    """Budget of the SR network alone, from which others start, and of each of the models."""

    sr: Count
    models: Count


class Sweep(_Section):
    """The analysis of losses and β (Figs. 3–5)."""

    losses: Annotated[list[Loss], AfterValidator(_unique)]
    betas: Annotated[list[Beta], AfterValidator(_unique)]


class Evaluate(_Section):
    """Images per batch, and how many test images the figures show."""

    batch_size: Count
    examples: Annotated[int, _within(1, 12, "1 … 12")]


class Params(_Section):
    """The whole of params.yaml."""

    preset: str
    seeds: Annotated[list[Natural], AfterValidator(_unique)]
    device: str
    loss: Loss
    beta: Unit
    data: Data
    split: Split
    model: Model
    objective: Objective
    train: Train
    iterations: Iterations
    sweep: Sweep
    evaluate: Evaluate

    @model_validator(mode="after")
    def _device_known(self) -> "Params":
        if not re.fullmatch(DEVICE, self.device):
            raise ValueError(f"device: {self.device!r} is not auto, cpu, cuda or cuda:N")
        return self

    @model_validator(mode="after")
    def _images_remain(self) -> "Params":
        if self.data.source == "synthetic" and self.split.val >= self.data.synthetic.train:
            raise ValueError(
                f"split.val: {self.split.val} is not < data.synthetic.train "
                f"({self.data.synthetic.train})"
            )
        return self


def parse_params(values: Any) -> Params:
    """Validate the content of params.yaml.

    Args:
        values: the parsed file, a mapping of keys to values.

    Raises:
        ValueError: one line with the first offending key, its value and what is allowed.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{shown(values)} is not a mapping of keys to values")
    try:
        return Params.model_validate(dict(values))
    except ValidationError as error:
        raise ValueError(validation_line(error, Params)) from None
