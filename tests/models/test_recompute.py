import pytest
import torch

from cssr.models.dbpn import DBPN
from cssr.models.unet import UNet


def gradients(network: torch.nn.Module, recompute: bool) -> tuple[list[torch.Tensor], int]:
    """Gradients of a network's parameters, and the bytes that were kept for the backward pass."""
    network.recompute, kept = recompute, {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    network.zero_grad()
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = network(image)
    output.square().sum().backward()
    return [parameter.grad.clone() for parameter in network.parameters()], sum(kept.values())


@pytest.mark.parametrize(
    "network",
    [DBPN(stages=4, features=8, width=4), UNet(encoder=[8] * 5, decoder=4)],
    ids=["DBPN", "U-Net"],
)
def test_recomputing_keeps_less_and_gives_the_same_gradients(network):
    kept, much = gradients(network, recompute=False)
    recomputed, little = gradients(network, recompute=True)
    assert little < 0.6 * much
    for first, second in zip(kept, recomputed, strict=True):
        torch.testing.assert_close(first, second)
