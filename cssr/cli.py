"""The console command `cssr`: photos in, crack maps and measurements out."""

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from cssr.errors import end_quickly, os_error_line, ran_out_of_memory
from cssr.inspection.scale_table import EXIF, MM_MAX, to_number

BAD_INPUT = 2  # exit codes
SOME_FAILED = 3
PATH = click.Path(path_type=Path)


def _check_unit(context: click.Context, option: click.Parameter, value: float | None) -> Any:
    if value is not None and not 0 <= value <= 1:
        raise click.BadParameter(f"{value:g} is not in [0, 1]")
    return value


def _read_scale(context: click.Context, option: click.Parameter, value: str | None) -> Any:
    """A number, a CSV file or EXIF."""
    if value is None or (value == EXIF and context.command.name == "segment"):
        return value
    try:
        size = to_number(value)
    except ValueError:
        if not Path(value).is_file():
            raise click.BadParameter(f"{value} is neither a number nor a file") from None
        return Path(value)
    if not 0 < size <= MM_MAX:
        raise click.BadParameter(f"{size:g} is not in (0, {MM_MAX:g}]")
    return size


def _read_bounds(context: click.Context, option: click.Parameter, value: str | None) -> Any:
    """Ascending numbers, separated by commas."""
    if value is None:
        return ()
    try:
        bounds = tuple(to_number(bound) for bound in value.split(","))
    except ValueError:
        bounds = ()
    ascend = all(low < high for low, high in zip((0.0, *bounds), bounds, strict=False))
    if not bounds or not ascend or bounds[-1] > MM_MAX:
        raise click.BadParameter(f"{value}: numbers of mm must ascend, such as 0.1,0.3,0.5")
    return bounds


def _read_colour(context: click.Context, option: click.Parameter, value: str | None) -> Any:
    """Red, green and blue, separated by commas."""
    if value is None:
        return None
    parts = value.split(",")
    if len(parts) != 3 or not all(part.isdecimal() and int(part) <= 255 for part in parts):
        raise click.BadParameter(f"{value}: three numbers up to 255, such as 255,255,255")
    return tuple(map(int, parts))


def _default(name: str, default: Any, text: str, *, type: Any = None) -> Any:
    return click.option(name, type=type, default=default, show_default=True, help=text)


def _model(text: str) -> Any:
    return _default("--model", "runs/seed-0/cssr", text, type=PATH)


PATHS = click.argument("paths", nargs=-1, required=True, type=PATH)
POSITIVE = click.IntRange(min=1)
SHARE = click.FloatRange(0, 1, max_open=True)
SCALE = click.FloatRange(0, 8, min_open=True)
MIN_AREA = _default("--min-area", 16, "Smallest crack, px of the mask.", type=POSITIVE)
MM_PER_PX = click.option(
    "--mm-per-px",
    metavar="MM|FILE.csv|exif",
    callback=_read_scale,
    help="Size of a pixel of the photo, for mm in the results: a number; a CSV file with the "
    "columns photo and mm_per_px; or, for `segment`, `exif`: from focal length and distance, as "
    "cameras and drones write them.  [default: what georeferenced photos say] (Of the mask, where "
    "`measure` is given one that `segment` has not written.)",
)
WIDTH_CLASSES = click.option(
    "--width-classes",
    metavar="MM,MM,…",
    callback=_read_bounds,
    help="Bounds of classes of crack width, mm, such as 0.1,0.3,0.5; a bound belongs to the class "
    "below it.",
)
CRACK_VALUE = click.option(
    "--crack-value",
    type=click.IntRange(min=0),
    metavar="N",
    help="The value of crack, or its index in a palette; all others are background.  [default: the "
    "greater of two values]",
)
RECURSIVE = click.option("-r", "--recursive", is_flag=True, help="Look in folders of folders too.")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="cssr")
def cli() -> None:
    """Find and measure cracks in photos of walls and roads."""


@cli.command()
@PATHS
@_model("Folder of a trained model, or an exported .onnx file.")
@_default(
    "--out", "cracks", "Folder to write; results of the same photos in it are replaced.", type=PATH
)
@click.option(
    "--threshold",
    type=float,
    callback=_check_unit,
    help="Probability from which a pixel is crack, in [0, 1].  [default: the model's own, the best "
    "one on its validation images]",
)
@click.option(
    "--tile",
    type=POSITIVE,
    help="Greatest side of what the networks see at a time, px of the photo; smaller takes less "
    "memory.  [default: the model's]",
)
@_default("--device", "auto", "auto, cpu, cuda or cuda:N.")
@MM_PER_PX
@WIDTH_CLASSES
@MIN_AREA
@click.option(
    "--sr/--no-sr", default=True, help="Write the super-resolved photo, where there is one."
)
@RECURSIVE
@click.option("--resume", is_flag=True, help="Skip photos that are done with the same settings.")
def segment(paths: tuple[Path, ...], out: Path, recursive: bool, **options: Any) -> None:
    """Segment photos, and measure the cracks in them.

    PATHS are photos and folders of photos of any size: JPEG, PNG, TIFF, BMP, WebP, AVIF, and HEIC
    with `cssr[heic]`. OUT gets a folder for each photo, cracks.csv with a row for each crack,
    photos.csv with a row for each photo, and index.html to look at.

    Exits with 3 if some photos could not be read, and with 2 if none could.
    """
    from cssr.inspection.photo_files import find_photos
    from cssr.inspection.photo_inspection import Options, inspect_photos

    photos = find_photos(paths, recursive=recursive, exclude=out)
    failed = inspect_photos(photos, out, Options(**options))
    sys.exit(_exit_code(len(failed), len(photos)))


@cli.command()
@PATHS
@click.option(
    "--out",
    type=PATH,
    help="Folder to write cracks.csv, photos.csv and the lines of each mask to; else cracks.csv is "
    "printed.",
)
@MM_PER_PX
@WIDTH_CLASSES
@MIN_AREA
@CRACK_VALUE
@RECURSIVE
def measure(paths: tuple[Path, ...], out: Path | None, recursive: bool, **options: Any) -> None:
    """Measure the cracks in masks: images of two values, of which the greater one is crack.

    PATHS are masks and folders of masks, of the formats and sizes that `cssr segment` reads, GIF,
    .npy, .npz and .mat; in what it has written (with -r), its masks, with the size of a pixel that
    was given there. Soft edges are cut at half of the range. A mask that does not tell what is
    crack is skipped; --crack-value says it.

    Exits with 3 if some masks could not be read, and with 2 if none could.
    """
    from cssr.inspection.mask_measurement import measure_masks
    from cssr.inspection.photo_files import find_photos

    masks = find_photos(paths, recursive=recursive, exclude=out, masks=True)
    table, failed = measure_masks(masks, out, **options)
    if table is not None and out is None:
        click.echo(table.to_csv(index=False), nl=False)
    sys.exit(_exit_code(len(failed), len(masks)))


@cli.command()
@PATHS
@_default("--out", "own.zip", "Zip to write.", type=PATH)
@click.option("--images", metavar="PATTERN", help="Which files are images, such as 'photos/*.jpg'.")
@click.option("--masks", metavar="PATTERN", help="Which are masks; what * stands for is the name.")
@click.option("--negatives", multiple=True, type=PATH, help="Folder of images without crack.")
@click.option("--only-labelled", is_flag=True, help="Leave out images without a label.")
@click.option("--label", multiple=True, help="Label in annotations that means crack.")
@_default("--line-width", 3.0, "Of lines in annotations, px.", type=click.FloatRange(min=1))
@CRACK_VALUE
@click.option(
    "--crack-colour",
    metavar="R,G,B",
    callback=_read_colour,
    help="Colour of crack in masks of coloured labels, such as 255,255,255.",
)
@click.option("--inverted", is_flag=True, help="Masks show the background.")
@click.option("--allow-dense", is_flag=True, help="Masks may have more crack than background.")
@_default("--size", 448, "Side of the squares, px.", type=click.IntRange(min=32))
@click.option("--fit", is_flag=True, help="Squash whole photos into squares instead of cutting.")
@_default("--scale", 1.0, "Factor of the photos' sides, before they are cut.", type=SCALE)
@_default("--empty", 0.2, "Greatest share of squares without crack.", type=SHARE)
@click.option(
    "--test",
    type=SHARE,
    help="Share of the photos to test on.  [default: as folders train and test tell, else 0.15]",
)
@click.option(
    "--group",
    metavar="PATTERN|folder",
    help="Photos that stay together, in training or in testing: those with the same text where "
    "this regular expression matches their path, or in the same folder.  [default: each by itself]",
)
@_default("--seed", 0, "Of the choice of photos to test on.", type=int)
@click.option("--params", type=PATH, help="File of parameters, such as params.yaml, to suit to it.")
@click.option("--dry-run", is_flag=True, help="Show what is found, and write nothing.")
def dataset(paths: tuple[Path, ...], out: Path, **options: Any) -> None:
    """Make a data set for training from photos and labels as you have them.

    PATHS are folders and zips of photos with masks, or with annotations of LabelMe, COCO, YOLO,
    CVAT, Supervisely or VIA. OUT is what `data.path` takes; beside it stand a page of numbers
    (.md) and a sheet of its squares (.jpg), to look at before you train.
    """
    from cssr.dataset.command import run

    run(paths, out, **options)


@cli.command()
@_model("Folder of a trained model.")
@click.option("--onnx", type=PATH, required=True, help="File to write.")
def export(model: Path, onnx: Path) -> None:
    """Export a trained model as ONNX, and compare it with the model itself."""
    from cssr.inspection.onnx_model import export_model

    difference = export_model(model, onnx)
    click.echo(f"{onnx}: differs from {model} by at most {difference:.1e} in probability")


def main() -> NoReturn:
    """Run the command; whatever is wrong ends it with one line.

    Exits with 2 for bad input, with 1 where disk or memory do not suffice, with 130 on Ctrl-C and
    with 143 on SIGTERM.
    """
    signal.signal(signal.SIGTERM, _terminate)
    end_quickly()
    try:
        cli(standalone_mode=False)
    except click.exceptions.Abort:
        hint = "; with --resume it goes on" if sys.argv[1:2] == ["segment"] else ""
        _end(f"interrupted{hint}", 128 + signal.SIGINT)
    except click.exceptions.NoArgsIsHelpError as error:
        _end(error.format_message(), BAD_INPUT)
    except click.ClickException as error:
        _end(f"error: {error.format_message()}", BAD_INPUT)
    except ModuleNotFoundError as error:
        _end(f"error: {error.name} is not installed; the extra cssr[onnx] brings it", BAD_INPUT)
    except ValueError as error:
        _end(f"error: {' '.join(str(error).split())}", BAD_INPUT)
    except OSError as error:
        bad_input = isinstance(error, FileNotFoundError)
        _end(f"error: {os_error_line(error)}", BAD_INPUT if bad_input else 1)
    except (MemoryError, RuntimeError) as error:
        if not ran_out_of_memory(error):
            raise
        _end("error: not enough memory; try a smaller --tile", 1)
    sys.exit(0)


def _exit_code(failed: int, total: int) -> int:
    if not failed:
        return 0
    return SOME_FAILED if failed < total else BAD_INPUT


def _end(line: str, code: int) -> NoReturn:
    click.echo(line, err=True)
    sys.exit(code)


def _terminate(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
