import pytest
import torch

from cssr.inspection.blocks import BlockDBPN
from cssr.models.dbpn import DBPN


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("stages", [1, 2, 4])
@pytest.mark.parametrize("channels", [1, 3])
def test_dbpn_in_blocks_gives_the_same_numbers(scale, stages, channels):
    torch.manual_seed(0)
    network = DBPN(channels=channels, scale=scale, stages=stages, features=6, width=5)
    image = torch.rand(2, channels, 11, 7)
    with torch.inference_mode():
        for parameter in network.parameters():
            if parameter.numel() == 1:
                parameter.uniform_(-0.5, 0.5)  # PReLU's
        expected, found = network(image), BlockDBPN(network)(image)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
