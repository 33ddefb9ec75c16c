"""Trained models on disk."""

import json
from collections.abc import Mapping
from errno import ENOENT
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save

from cssr.files import write_whole
from cssr.models.dbpn import DBPN
from cssr.models.pipeline import Pipeline
from cssr.models.unet import UNet
from cssr.models.variants import VARIANTS

WEIGHTS, DESCRIPTION = "weights.safetensors", "model.json"


def save_model(folder: Path, pipeline: Pipeline, training: Mapping[str, Any]) -> None:
    """Write a trained pipeline: its weights, and what is needed to rebuild it.

    Args:
        folder: an existing folder.
        pipeline: with trained weights.
        training: how it was trained, in JSON's types; holds at least `variant` and `scale`.
    """
    networks = {"sr": pipeline.sr, "ss": pipeline.ss}
    configs = {name: network and network.config for name, network in networks.items()}
    text = json.dumps({**training, **configs}, indent=2)
    (folder / DESCRIPTION).write_text(text + "\n", encoding="utf-8")
    weights = {name: value.cpu().contiguous() for name, value in pipeline.state_dict().items()}
    write_whole(folder / WEIGHTS, save(weights))


def load_model(folder: Path) -> tuple[Pipeline, dict[str, Any]]:
    """Rebuild a trained pipeline on the CPU, and its description.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if the folder does not hold a model.
    """
    if not folder.exists():
        why = "no such folder of a model (`make repro` makes the demo's, such as runs/seed-0/cssr)"
        raise FileNotFoundError(ENOENT, why, str(folder))
    try:
        text = (folder / DESCRIPTION).read_text(encoding="utf-8")
        description = json.loads(text)
        sr, ss = description["sr"], description["ss"]
        pipeline = Pipeline(
            description["variant"],
            sr=DBPN(**sr) if sr else None,
            ss=UNet(**ss) if ss else None,
            scale=description["scale"],
        )
        pipeline.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise ValueError(f"{folder} is not a trained model: {error}") from None
    return pipeline, description


def check_segments(path: Path, description: Mapping[str, Any]) -> None:
    """Raise ValueError if a model, by its description, is super-resolution alone."""
    if not VARIANTS[description["variant"]].segments:
        raise ValueError(f"{path}: super-resolution alone, it does not segment")
