"""Seconds of a trained model's halves on PyTorch, ONNX Runtime and OpenVINO, on the CPU.

OpenVINO is no dependency: `pip install openvino` for its row.
"""

import statistics
import time
from importlib.util import find_spec
from pathlib import Path

import onnx
import torch
from onnx.utils import Extractor
from torch import Tensor

from benchmarks.measure import prepare, report
from benchmarks.options import at_least, existing_folder, parser_of
from cssr.device import keep_freed_memory
from cssr.inspection.backends import Network, TorchNetwork
from cssr.inspection.onnx_model import OnnxNetwork, to_onnx
from cssr.inspection.segmenter import in_threads
from cssr.models.pipeline import normalise
from cssr.models.saved import load_model
from cssr.models.unet import NONE, Margins
from stages.common import run_stage

TILES = 4  # of a photo, computed as `cssr segment` does: as many at a time as an engine takes


class OpenVinoNetwork:
    """An exported pipeline with SR in two halves, on OpenVINO."""

    threads = 1  # OpenVINO has its own

    def __init__(self, content: bytes) -> None:
        import openvino  # no dependency of the project

        halves = Extractor(onnx.load_from_string(content))
        ends = ("image", "sr"), ("normalised", "probs")
        models = [halves.extract_model([first], [last]) for first, last in ends]
        core = openvino.Core()
        exact = {"INFERENCE_PRECISION_HINT": "f32"}
        self.sr, self.ss = (
            core.compile_model(core.read_model(model.SerializeToString()), "CPU", exact)
            for model in models
        )

    def ss_input(self, images: Tensor) -> Tensor:
        """See `Network`."""
        return torch.from_numpy(self.sr(images.numpy())[0].copy())

    def probs(self, normalised: Tensor, margins: Margins = NONE) -> Tensor:
        """See `Network`."""
        return torch.from_numpy(self.ss(normalised.numpy())[0].copy())


def compute(network: Network, tiles: list[Tensor]) -> tuple[Tensor, float, float]:
    """Probabilities of the first tile; seconds of SR and of SS for all of them."""
    with in_threads(network.threads) as each:
        started = time.perf_counter()
        seen = list(each(network.ss_input, tiles))
        between = time.perf_counter()
        normalised = [normalise(image).contiguous() for image in seen]
        resumed = time.perf_counter()
        probs = list(each(lambda image: network.probs(image, NONE), normalised))
    return probs[0], between - started, time.perf_counter() - resumed


def main() -> None:
    """Time the engines in turn and report medians."""
    parser = parser_of(__doc__.splitlines()[0], "engines")
    parser.add_argument(
        "--model", type=existing_folder, default="runs/seed-0/cssr", help="trained, SR before SS"
    )
    parser.add_argument("--side", type=at_least(32), default=192, help="of a tile, px of the photo")
    args = parser.parse_args()
    device = prepare(args)
    pipeline, description = load_model(Path(args.model))
    content = to_onnx(pipeline, description)
    keep_freed_memory()
    networks = {"PyTorch": TorchNetwork(pipeline, device), "ONNX Runtime": OnnxNetwork(content)}
    if find_spec("openvino"):
        networks["OpenVINO"] = OpenVinoNetwork(content)
    tiles = [torch.rand(1, 3, args.side, args.side) for _ in range(TILES)]
    expected = compute(networks["PyTorch"], tiles)[0]
    differences = {name: compute(n, tiles)[0] - expected for name, n in networks.items()}
    times = {name: [] for name in networks}
    for _ in range(args.repeats):
        for name, network in networks.items():
            times[name].append(compute(network, tiles)[1:])
    rows = [
        {
            "engine": name,
            "SR, s": statistics.median(sr for sr, _ in times[name]),
            "SS, s": statistics.median(ss for _, ss in times[name]),
            "differs by": f"{differences[name].abs().max():.0e}",
        }
        for name in networks
    ]
    report("engines", rows, device, args, {"side": args.side, "tiles": TILES})


if __name__ == "__main__":
    run_stage(main)
