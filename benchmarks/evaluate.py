"""Time of the metrics, of the distance map and of a whole evaluation, in ms per image."""

from functools import partial

import cv2
import torch

from benchmarks.measure import median_ms, prepare, report
from benchmarks.options import add_preset, at_least, parser_of
from benchmarks.step import build, random_arrays
from cssr.device import keep_freed_memory
from cssr.evaluation.reported import REPORTED, ssim
from cssr.preparation.distance import signed_distance
from cssr.sources.synthetic import synthesize
from cssr.validation.metrics import iou_curve, psnr
from cssr.validation.predictor import Predictor
from cssr.validation.scores import evaluate
from stages.common import run_stage
from stages.preset import read_preset


def main() -> None:
    """Time each metric, and the evaluation of (f), on random images and report."""
    parser = parser_of(__doc__, "evaluate")
    parser.add_argument("--size", type=at_least(64), default=448, help="side of the images, px")
    parser.add_argument("--batch-size", type=at_least(1), default=16, help="images at a time")
    add_preset(parser, "demo", "networks of (f)")
    args = parser.parse_args()
    device = prepare(args)
    images = args.batch_size
    keep_freed_memory()  # as the stage does
    sr, hr = torch.rand(2, images, 3, args.size, args.size, device=device)
    probs = torch.rand(images, 1, args.size, args.size, device=device)
    mask = (torch.rand_like(probs) < 0.05).to(torch.uint8)
    _, crack = synthesize(3, seed=0, size=args.size, crack_width=(1.0, 8.0))
    cv2.setNumThreads(torch.get_num_threads())
    cpu = torch.device("cpu")
    batched = {
        "PSNR": lambda: psnr(sr, hr),
        "SSIM": lambda: ssim(sr, hr),
        "IoU at 99 thresholds": lambda: iou_curve(probs, mask),
    }
    rows = [
        {"metric": name, "ms/image": median_ms(metric, device, repeats=args.repeats) / images}
        for name, metric in batched.items()
    ]
    phi = median_ms(lambda: signed_distance(crack), cpu, repeats=5 * args.repeats)
    rows.append({"metric": "signed distance map (on the CPU)", "ms/image": phi})
    params = read_preset(args.preset)
    arrays = random_arrays(args.size, params.data.scale)
    predictor = Predictor(build("cssr", params), device=device, batch_size=images)
    run = partial(evaluate, predictor, arrays, **REPORTED)
    evaluation = median_ms(run, device, repeats=3, warmup=1)
    rows.append({"metric": "evaluation of (f)", "ms/image": evaluation / len(arrays.names)})
    facts = {"preset": args.preset, "size": args.size, "batch_size": images}
    report("evaluate", rows, device, args, facts)


if __name__ == "__main__":
    run_stage(main)
