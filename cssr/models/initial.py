"""Initial weights of the networks."""

import torch
from torch import Tensor, nn

from cssr.models.dbpn import DBPN


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Kaiming-normal weights and zero biases for every convolution, in place."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(module.bias)


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
    last = weights.get("reconstruct.bias", own["reconstruct.bias"])
    same_channels = last.shape == own["reconstruct.bias"].shape
    kept = {} if same_channels else {name: own[name] for name in own if name.startswith(ends)}
    try:
        sr.load_state_dict({**weights, **kept})
    except RuntimeError:
        raise ValueError(
            "the initial SR weights are of another network: model.sr names one of "
            f"{sr.config['stages']} stages, {sr.config['features']} features, "
            f"width {sr.config['width']}"
        ) from None
