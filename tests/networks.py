"""Small networks for tests."""

import torch

from cssr.models.dbpn import DBPN
from cssr.models.initial import initialise
from cssr.models.unet import UNet
from cssr.models.variants import build_pipeline


def pipeline(variant: str) -> torch.nn.Module:
    """A variant around seeded small networks, at scale 4."""
    generator = torch.Generator().manual_seed(0)
    sr = DBPN(channels=1 if variant in ("ss_sr", "inverse") else 3, stages=2, features=4, width=4)
    ss = UNet(encoder=[4] * 5, decoder=2)
    initialise(sr, generator)
    initialise(ss, generator)
    return build_pipeline(variant, sr=sr, ss=ss, scale=4)
