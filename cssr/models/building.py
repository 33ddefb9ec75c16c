"""New pipelines with their initial weights, ready to be trained."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cssr.models.dbpn import DBPN
from cssr.models.initial import initialise, start_from
from cssr.models.pipeline import Pipeline
from cssr.models.saved import load_model
from cssr.models.unet import UNet, load_imagenet
from cssr.models.variants import VARIANTS


def build_pipeline(
    variant: str,
    *,
    scale: int,
    seed: int,
    sr: Mapping[str, int] | None = None,
    ss: Mapping[str, Any] | None = None,
    sr_from: Path | None = None,
    ss_from: Path | None = None,
) -> Pipeline:
    """The pipeline of a variant with its initial weights; what is not trained is frozen.

    Each network has a generator of its own, so that all variants start from the same SS network.

    Args:
        variant: a key of `VARIANTS`.
        scale: HR side / LR side.
        seed: of the random weights.
        sr: `stages`, `features` and `width` of a DBPN that is trained.
        ss: `encoder` and `decoder` of a U-Net that is trained, and whether its encoder is
            `pretrained`.
        sr_from: folder of a trained model whose SR network is taken or, if SR is trained, started
            from; None for random weights.
        ss_from: folder of a trained model whose SS network is taken, where SS is not trained.

    Raises:
        ValueError: if a model that is needed is not there or does not fit.
    """
    record = VARIANTS[variant]
    networks: dict[str, nn.Module] = {}
    if "sr" in record.trained:
        networks["sr"] = new_sr(sr, channels=record.sr_channels, scale=scale, seed=seed)
        if sr_from is not None:
            start_from(networks["sr"], _trained(sr_from, "sr").state_dict())
    elif "sr" in record.steps:
        networks["sr"] = _trained(sr_from, "sr").requires_grad_(False)
    if "ss" in record.trained:
        networks["ss"] = new_ss(ss, seed=seed)
    elif "ss" in record.steps:
        networks["ss"] = _trained(ss_from, "ss").requires_grad_(False)
    return Pipeline(variant, sr=networks.get("sr"), ss=networks.get("ss"), scale=scale)


def new_sr(size: Mapping[str, int], *, channels: int, scale: int, seed: int) -> DBPN:
    """A DBPN of random weights; for its size see `build_pipeline`."""
    sr = DBPN(channels=channels, scale=scale, **size)
    initialise(sr, torch.Generator().manual_seed(seed))
    return sr


def new_ss(size: Mapping[str, Any], *, seed: int) -> UNet:
    """A U-Net of random weights, its encoder perhaps pretrained; see `build_pipeline`."""
    widths = dict(size)
    pretrained = widths.pop("pretrained")
    ss = UNet(**widths)
    initialise(ss, torch.Generator().manual_seed(seed))
    if pretrained:
        load_imagenet(ss)
    return ss


def _trained(folder: Path, network: str) -> nn.Module:
    """One network, `sr` or `ss`, of a trained model."""
    pipeline, description = load_model(folder)
    found = {"sr": pipeline.sr, "ss": pipeline.ss}[network]
    if found is None:
        raise ValueError(f"{folder}: {description['variant']} has no {network.upper()} network")
    return found
