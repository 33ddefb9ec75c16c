import pytest
import torch

from cssr.models.dbpn import DBPN
from cssr.models.initial import initialise, start_from
from cssr.models.unet import UNet


def test_biases_start_at_zero_and_weights_at_kaimings_spread():
    sr = DBPN(stages=2, features=64, width=64)
    initialise(sr, torch.Generator().manual_seed(0))
    conv = sr.features[0][0]
    assert conv.bias.abs().max() == 0
    assert conv.weight.std().item() == pytest.approx((2 / 27) ** 0.5, rel=0.05)


def test_a_unet_starts_at_the_share_of_crack():
    ss = UNet(encoder=[4] * 5, decoder=2)
    initialise(ss, torch.Generator().manual_seed(0))
    probs = torch.sigmoid(ss(torch.zeros(1, 3, 16, 16)))
    assert probs.unique().item() == pytest.approx(1 / 20)


def test_a_network_of_the_same_channels_starts_from_all_trained_weights():
    trained, sr = (DBPN(stages=2, features=4, width=4) for _ in range(2))
    start_from(sr, trained.state_dict())
    assert all(
        torch.equal(a, b) for a, b in zip(sr.parameters(), trained.parameters(), strict=True)
    )


def test_a_one_channel_network_keeps_its_own_first_and_last_convolution():
    trained = DBPN(stages=2, features=4, width=4)
    sr = DBPN(channels=1, stages=2, features=4, width=4)
    before = {name: value.clone() for name, value in sr.state_dict().items()}
    start_from(sr, trained.state_dict())
    kept = {name for name, value in sr.state_dict().items() if torch.equal(value, before[name])}
    ends = {
        f"{end}.{kind}" for end in ("features.0.0", "reconstruct") for kind in ("weight", "bias")
    }
    prelus = {name for name in before if before[name].shape == (1,) and name not in ends}
    assert kept == ends | prelus


def test_weights_of_another_size_are_refused():
    with pytest.raises(ValueError, match="2 stages, 4 features, width 4"):
        start_from(
            DBPN(stages=2, features=4, width=4), DBPN(stages=3, features=4, width=4).state_dict()
        )
