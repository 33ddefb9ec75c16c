"""Initial weights of the networks."""

import math

import torch
from torch import Tensor, nn

from cssr.models.dbpn import DBPN
from cssr.models.unet import UNet

CRACK_SHARE = 1 / 20  # of an image; the counterpart of the crack class's weight w_pos = 19/20


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Kaiming-normal weights and zero biases for every convolution, in place.

    Note:
        A U-Net's output bias is the log-odds of CRACK_SHARE instead (Lin et al., 2017). From even
        odds, the first steps push all logits down, and a narrow decoder can lose for good the
        channels that would raise them again: its probabilities then end near 0.6.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(module.bias)
    if isinstance(network, UNet):
        nn.init.constant_(network.last[-1].bias, math.log(CRACK_SHARE / (1 - CRACK_SHARE)))


def start_from(sr: DBPN, weights: dict[str, Tensor]) -> None:
    """Set an SR network to trained weights, in place.

    A network with another number of image channels keeps its own first and last convolution.

    Args:
        sr: the network to set.
        weights: state of a DBPN of the same stages and widths.

    Raises:
        ValueError: if the weights are of another network.
    """
    own = sr.state_dict()
    ends = ("features.0.0.", "reconstruct.")
    same_channels = weights["reconstruct.bias"].shape == own["reconstruct.bias"].shape
    kept = {} if same_channels else {name: own[name] for name in own if name.startswith(ends)}
    try:
        sr.load_state_dict({**weights, **kept})
    except RuntimeError:
        raise ValueError(
            "the initial SR weights are of another network: model.sr names one of "
            f"{sr.config['stages']} stages, {sr.config['features']} features, "
            f"width {sr.config['width']}"
        ) from None
