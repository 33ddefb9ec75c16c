"""The console command `cssr`: photos in, crack maps and measurements out."""

import signal
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from cssr.errors import os_error_line, ran_out_of_memory

BAD_INPUT, SOME_FAILED = 2, 3
MM_MAX = 1e6  # mm of a pixel


def _check_unit(context: click.Context, option: click.Parameter, value: float | None) -> Any:
    if value is not None and not 0 <= value <= 1:
        raise click.BadParameter(f"{value:g} is not in [0, 1]")
    return value


def _check_positive(context: click.Context, option: click.Parameter, value: float | None) -> Any:
    if value is not None and not 0 < value <= MM_MAX:
        raise click.BadParameter(f"{value:g} is not in (0, {MM_MAX:g}]")
    return value


def _model(text: str) -> Any:
    return click.option(
        "--model",
        type=click.Path(path_type=Path),
        default="runs/cssr",
        show_default=True,
        help=text,
    )


PATHS = click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
MIN_AREA = click.option(
    "--min-area",
    type=click.IntRange(min=1),
    default=16,
    show_default=True,
    help="Smallest crack, px of the mask.",
)
MM_PER_PX = click.option(
    "--mm-per-px",
    type=float,
    callback=_check_positive,
    help="Size of a pixel of the photo, for mm in the results. (Of the mask, where `measure` is "
    "given one that `segment` has not written.)",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="cssr")
def cli() -> None:
    """Find and measure cracks in photos of walls and roads."""


@cli.command()
@PATHS
@_model("Folder of a trained model, or an exported .onnx file.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="cracks",
    show_default=True,
    help="Folder to write; results of the same photos in it are replaced.",
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
    type=click.IntRange(min=1),
    help="Side of the tiles, px of the photo.  [default: the model's]",
)
@click.option(
    "--overlap",
    type=click.IntRange(min=0),
    help="What each tile shares with its neighbours, px of the photo.  [default: what the model "
    "sees, so that no seam shows]",
)
@click.option(
    "--batch", type=click.IntRange(1, 1024), default=1, show_default=True, help="Tiles at a time."
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@MM_PER_PX
@MIN_AREA
@click.option(
    "--sr/--no-sr", default=True, help="Write the super-resolved photo, where there is one."
)
@click.option("-r", "--recursive", is_flag=True, help="Look in folders of folders too.")
@click.option("--resume", is_flag=True, help="Skip photos that are done with the same settings.")
def segment(
    paths: tuple[Path, ...],
    model: Path,
    out: Path,
    threshold: float | None,
    tile: int | None,
    overlap: int | None,
    batch: int,
    device: str,
    mm_per_px: float | None,
    min_area: int,
    sr: bool,
    recursive: bool,
    resume: bool,
) -> None:
    """Segment photos, and measure the cracks in them.

    PATHS are photos and folders of photos: JPEG, PNG, TIFF, BMP, WebP of any size. OUT gets a
    folder for each photo, cracks.csv with a row for each crack, and index.html to look at.

    Exits with 3 if some photos could not be read, and with 2 if none could.
    """
    from cssr.inspection.folders import check_free, folder_to_write, read_headers, segment_all
    from cssr.inspection.gallery import write_gallery
    from cssr.inspection.photos import find_photos
    from cssr.inspection.results import Settings, fingerprint
    from cssr.inspection.segmenter import load

    photos = find_photos(paths, recursive=recursive, leave_out=out)
    headers, failed = read_headers(photos)
    segmenter = load(model, device=device)
    if threshold is None and segmenter.threshold is None:
        raise ValueError(f"{model} has no threshold of its own; give --threshold")
    tiling = segmenter.tiling(tile, overlap, batch)
    settings = Settings(
        model=fingerprint(model),
        threshold=segmenter.threshold if threshold is None else threshold,
        tile=tiling.tile,
        overlap=tiling.overlap,
        sr=sr and segmenter.has_sr,
        min_area=min_area,
        mm_per_px=mm_per_px,
    )
    check_free(out, {name: photos[name] for name in headers})
    unit = "" if mm_per_px else f"; lengths in px of the results, {segmenter.scale} × the photo's"
    click.echo(f"{model}, threshold {settings.threshold:g}{unit}")
    with folder_to_write(out):
        try:
            failed |= segment_all(segmenter, photos, headers, out, settings, tiling, resume=resume)
        finally:
            if any(out.iterdir()):
                same = write_gallery(out, failed)
                click.echo(f"see {out / 'index.html'} and {out / 'cracks.csv'}")
                if not same:
                    click.echo("note: not all results there are of the same settings", err=True)
    if failed:
        sys.exit(SOME_FAILED if len(failed) < len(photos) else BAD_INPUT)


@cli.command()
@PATHS
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder to write cracks.csv and a .geojson for each mask to; else a CSV is printed.",
)
@MM_PER_PX
@MIN_AREA
@click.option("-r", "--recursive", is_flag=True, help="Look in folders of folders too.")
def measure(
    paths: tuple[Path, ...],
    out: Path | None,
    mm_per_px: float | None,
    min_area: int,
    recursive: bool,
) -> None:
    """Measure the cracks in masks: images whose crack pixels are 128 or more.

    PATHS are masks and folders of masks, of the formats and sizes that `cssr segment` reads; in
    what it has written (with -r), its masks, with the size of a pixel that was given there.

    Exits with 3 if some masks could not be read, and with 2 if none could.
    """
    from cssr.inspection.folders import folder_to_write, read_headers
    from cssr.inspection.photos import PhotoError, find_photos, shown
    from cssr.inspection.results import measure_mask, scale_of, write_measurements

    masks = find_photos(paths, recursive=recursive, leave_out=out, masks=True)
    headers, failed = read_headers(masks)
    with nullcontext() if out is None else folder_to_write(out):
        found = {}
        for name in masks.keys() - failed.keys():
            try:
                found[name] = measure_mask(masks[name], min_area=min_area)
            except PhotoError as error:
                failed[name] = str(error)
                click.echo(f"{shown(masks[name])}: {error}; skipped", err=True)
        if not found:
            sys.exit(BAD_INPUT)
        for name, cracks in found.items():
            size = headers[name].height * headers[name].width
            if (share := sum(crack.area for crack in cracks) / size) > 0.5:
                hint = f"{share:.0%} of it is crack; is it a photo, or inverted?"
                click.echo(f"note: {shown(masks[name])}: {hint}", err=True)
        mm = {name: scale_of(masks[name], mm_per_px) for name in found}
        table = write_measurements(out, dict(sorted(found.items())), mm_per_px=mm)
    if out is None:
        click.echo(table.to_csv(index=False), nl=False)
    sys.exit(SOME_FAILED if failed else 0)


@cli.command()
@_model("Folder of a trained model.")
@click.option("--onnx", type=click.Path(path_type=Path), required=True, help="File to write.")
def export(model: Path, onnx: Path) -> None:
    """Export a trained model as ONNX, and compare it with the model itself."""
    from cssr.inspection.onnx import TOLERANCE, export_onnx, greatest_difference
    from cssr.models.saved import check_segments, load_model

    if onnx.suffix != ".onnx":
        raise ValueError(f"{onnx}: the name must end in .onnx")
    pipeline, description = load_model(model)
    check_segments(model, description)
    try:
        with tempfile.TemporaryDirectory(dir=onnx.parent) as folder:
            file = Path(folder, onnx.name)
            export_onnx(file, pipeline, description)
            difference = greatest_difference(file, pipeline, description)
            if difference > TOLERANCE:
                raise ValueError(f"differs from {model} by {difference:.1e}, above {TOLERANCE:g}")
            file.replace(onnx)
    except OSError as error:
        raise ValueError(f"--onnx: {onnx}: {error.strerror}") from None
    click.echo(f"{onnx}: differs from {model} by at most {difference:.1e} in probability")


def main() -> NoReturn:
    """Run the command; whatever is wrong ends it with one line.

    Exits with 2 for bad input, with 1 where disk or memory do not suffice, with 130 on Ctrl-C and
    with 143 on SIGTERM.
    """
    signal.signal(signal.SIGTERM, _terminate)
    try:
        cli(standalone_mode=False)
    except click.exceptions.Abort:
        hint = "; with --resume it goes on" if sys.argv[1:2] == ["segment"] else ""
        _end(f"interrupted{hint}", 128 + signal.SIGINT)
    except click.exceptions.NoArgsIsHelpError as error:
        _end(error.format_message(), BAD_INPUT)
    except click.ClickException as error:
        _end(f"error: {error.format_message()}", BAD_INPUT)
    except FileNotFoundError as error:
        _end(f"error: {os_error_line(error)}", BAD_INPUT)
    except ModuleNotFoundError as error:
        _end(f"error: {error.name} is not installed; the extra cssr[onnx] brings it", BAD_INPUT)
    except ValueError as error:
        _end(f"error: {' '.join(str(error).split())}", BAD_INPUT)
    except OSError as error:
        _end(f"error: {os_error_line(error)}", 1)
    except (MemoryError, RuntimeError) as error:
        if not ran_out_of_memory(error):
            raise
        _end("error: not enough memory; try a smaller --tile or --batch", 1)
    sys.exit(0)


def _end(line: str, code: int) -> NoReturn:
    click.echo(line, err=True)
    sys.exit(code)


def _terminate(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
