import pytest
import torch

from cssr.models.dbpn import DBPN


def count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(("channels", "parameters"), [(3, 8_802_094), (1, 8_790_572)])
def test_the_papers_network_has_the_published_number_of_parameters(channels, parameters):
    assert count(DBPN(channels=channels, scale=4, stages=6)) == parameters


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("stages", [2, 3, 5])
def test_the_side_grows_by_the_scale(scale, stages):
    sr = DBPN(scale=scale, stages=stages, features=4, width=2)
    assert sr(torch.rand(2, 3, 6, 9)).shape == (2, 3, 6 * scale, 9 * scale)


def test_every_parameter_gets_a_gradient():
    torch.manual_seed(0)
    sr = DBPN(channels=3, stages=4, features=8, width=8)
    sr(torch.randn(2, 3, 8, 8)).sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in sr.parameters())


def test_six_stages_have_forty_three_prelus():
    prelus = [m for m in DBPN().modules() if isinstance(m, torch.nn.PReLU)]
    assert [prelu.weight.numel() for prelu in prelus] == [1] * 43


def test_an_unknown_scale_is_refused():
    with pytest.raises(ValueError, match="scale 3 is not one of 2, 4, 8"):
        DBPN(scale=3)
