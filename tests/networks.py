"""Small networks and budgets for tests."""

import torch

from cssr.models.dbpn import DBPN
from cssr.models.initial import initialise
from cssr.models.unet import UNet
from cssr.models.variants import build_pipeline
from cssr.params import Train


def pipeline(variant: str) -> torch.nn.Module:
    """A variant around seeded small networks, at scale 4."""
    generator = torch.Generator().manual_seed(0)
    sr = DBPN(channels=1 if variant in ("ss_sr", "inverse") else 3, stages=2, features=4, width=4)
    ss = UNet(encoder=[4] * 5, decoder=2)
    initialise(sr, generator)
    initialise(ss, generator)
    return build_pipeline(variant, sr=sr, ss=ss, scale=4)


def budget(**changes: object) -> Train:
    """Six iterations of two images, but for what is changed."""
    values = {
        "iterations": 6,
        "batch_size": 2,
        "learning_rate": 1e-3,
        "precision": "float32",
        "compile": False,
        "recompute": False,
        "deterministic": False,
        "micro_batch": 2,
        "devices": 1,
        "checkpoint_every": 2,
        "log_every": 3,
        "validate_every": 6,
    }
    return Train(**{**values, **changes})
