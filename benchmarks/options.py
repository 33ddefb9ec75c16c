"""Options of the benchmarks' command lines."""

import argparse
import zipfile
from collections.abc import Callable
from pathlib import Path

from cssr.models.variants import VARIANTS
from cssr.training.batches import DEVICE_SHARE
from stages.common import preset_names


def parser_of(
    description: str, name: str, *, json_required: bool = False
) -> argparse.ArgumentParser:
    """A command line with the options that all benchmarks have; its help tells defaults."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=at_least(1), help="of PyTorch on the CPU")
    parser.add_argument("--repeats", type=at_least(1), default=10, help="timed calls, for a median")
    parser.add_argument(
        "--json", type=new_file, required=json_required, help="also write the numbers to this file"
    )
    return parser


def add_preset(parser: argparse.ArgumentParser, default: str, what: str) -> None:
    """Add the option of a preset, of which `what` is used."""
    parser.add_argument("--preset", default=default, choices=preset_names(), help=what)


def add_variants(parser: argparse.ArgumentParser, *default: str) -> None:
    """Add the option of the variants that are timed."""
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=default, help="timed")


def add_device_share(parser: argparse.ArgumentParser) -> None:
    """Add the option that decides where a GPU's batches come from."""
    parser.add_argument(
        "--device-share",
        type=share,
        default=DEVICE_SHARE,
        help="of a GPU's free memory for the training set; 0: batches are read ahead",
    )


def at_least(least: int) -> Callable[[str], int]:
    """The type of an option that is a whole number of at least `least`."""

    def number(text: str) -> int:
        if not text.isascii() or not text.isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text} is not a whole number from {least} on")
        return int(text)

    return number


def share(text: str) -> float:
    """The type of an option that is in [0, 1]."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not in [0, 1]")
    return value


def existing_folder(text: str) -> Path:
    """The type of an option that names an existing folder."""
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text} is not a folder")
    return Path(text)


def zip_file(text: str) -> Path:
    """The type of an option that names a zip."""
    if not zipfile.is_zipfile(text):
        raise argparse.ArgumentTypeError(f"{text} is not a zip")
    return Path(text)


def new_file(text: str) -> Path:
    """The type of an option that names a file in an existing folder."""
    if Path(text).is_dir() or not Path(text).parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is not a file in an existing folder")
    return Path(text)
