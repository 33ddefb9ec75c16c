import numpy as np
import pytest
import rasterio
import tifffile
from PIL import Image

from cssr.inspection.photos import open_photo
from cssr.sources.images import photo_headers
from cssr.sources.images.photo_headers import PhotoError, read_header

PIXELS = np.zeros((40, 56, 3), np.uint8)
PIXELS[:8, :16] = (250, 20, 20)
WHOLE = np.repeat(np.repeat(PIXELS, 2, axis=0), 2, axis=1)
SENSOR = np.zeros((80, 112), np.uint16)


def preview(file, **options):
    """A TIFF whose first image is a preview, before the image of a sensor."""
    with tifffile.TiffWriter(file) as tiff:
        tiff.write(PIXELS, photometric="rgb", subfiletype=1, **options)
        tiff.write(SENSOR, photometric="cfa", extratags=[(33421, "H", 2, (2, 2), True)])


@pytest.mark.parametrize("name", ["a.dng", "a.tif", "a.jpg"])
def test_the_preview_of_a_dng_is_not_read_whatever_its_name(tmp_path, name):
    version = [(50706, "B", 4, (1, 4, 0, 0), True)]
    preview(tmp_path / name, subifds=1, extratags=version)
    with pytest.raises(PhotoError, match=r"raw file \(DNG\).* need developing"):
        read_header(tmp_path / name)


@pytest.mark.parametrize("subifds", [0, 1])
def test_the_preview_of_a_raw_file_that_is_a_tiff_is_not_read(tmp_path, subifds):
    preview(tmp_path / "a.tif", subifds=subifds)
    with pytest.raises(PhotoError, match="a camera's raw file, "):
        read_header(tmp_path / "a.tif")
    (tmp_path / "a.tif").rename(tmp_path / "a.NEF")
    with pytest.raises(PhotoError, match=r"raw file \(NEF\)"):
        read_header(tmp_path / "a.NEF")


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("subifds", [0, 1])
def test_a_preview_before_its_whole_image_is_not_read_for_it(tmp_path, subifds):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(PIXELS, photometric="rgb", subfiletype=1, subifds=subifds)
        tiff.write(WHOLE, photometric="rgb")
    with pytest.raises(PhotoError, match="is a reduced preview; to read") as error:
        read_header(tmp_path / "a.tif")
    named = str(error.value).split()[-2].replace("FILE", str(tmp_path / "a.tif"))
    with rasterio.open(named, driver="GTiff") as source:
        assert np.array_equal(source.read().transpose(1, 2, 0), WHOLE)


def test_a_reduced_image_that_is_alone_or_comes_later_is_no_preview(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, photometric="rgb", subfiletype=1)
    assert read_header(tmp_path / "a.tif")[:2] == (40, 56)
    with tifffile.TiffWriter(tmp_path / "b.tif") as tiff:
        for pixels, kind in ((WHOLE, 0), (PIXELS, 1), (WHOLE, 0)):
            tiff.write(pixels, photometric="rgb", subfiletype=kind)
    with open_photo(tmp_path / "b.tif") as photo:
        assert photo.height == 80
        assert photo.notes == ("the first of 2 pages; the others are not read",)


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"II*\0\x10\0\0\0CR\2\0", "CR2"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1", "CR3"),
        (b"IIU\0\x18\0\0\0", "RW2"),
        (b"IIRO\x08\0\0\0", "ORF"),
        (b"FUJIFILMCCD-RAW 0201", "RAF"),
    ],
)
def test_raw_files_are_known_by_how_they_begin(tmp_path, start, kind):
    (tmp_path / "a.jpg").write_bytes(start + bytes(1000))
    with pytest.raises(PhotoError, match=rf"raw file \({kind}\)"):
        read_header(tmp_path / "a.jpg")


@pytest.mark.parametrize("name", ["a.heic", "a.jpg"])
def test_a_heic_is_read_whatever_its_name(tmp_path, name):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.from_pillow(Image.fromarray(PIXELS)).save(tmp_path / name, quality=95)
    with open_photo(tmp_path / name) as photo:
        assert np.abs(photo.rows(0, 40).astype(int) - PIXELS)[2:6, 2:14].max() < 20
        assert not photo.has_gaps


def test_a_heic_of_10_bits_and_one_with_alpha_are_read(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    wide = PIXELS.astype(np.uint16) * 257
    heic = pillow_heif.from_bytes("RGB;16", (56, 40), wide.tobytes())
    heic.save(tmp_path / "a.heic", quality=-1)
    with open_photo(tmp_path / "a.heic") as photo:
        assert np.abs(photo.rows(0, 40).astype(int) - PIXELS)[2:6, 2:14].max() < 20
    alpha = np.zeros((40, 56, 1), np.uint8)
    alpha[:, 30:] = 255
    image = Image.fromarray(np.concatenate([PIXELS, alpha], axis=2))
    pillow_heif.from_pillow(image).save(tmp_path / "b.heic", quality=-1)
    with open_photo(tmp_path / "b.heic") as photo:
        assert np.array_equal(photo.valid(0, 40), alpha[..., 0] > 0)


@pytest.mark.parametrize("suffix", ["heic", "avif"])
def test_a_turned_heic_or_avif_is_upright_once(tmp_path, suffix):
    pytest.importorskip("pillow_heif").register_heif_opener()
    exif = Image.Exif()
    exif[274] = 6
    file = tmp_path / f"a.{suffix}"
    Image.fromarray(PIXELS).save(file, exif=exif.tobytes(), quality=95)
    header = read_header(file)
    assert (header.height, header.width) == (56, 40)
    with open_photo(file) as photo:
        pixels = photo.rows(0, photo.height)
    assert pixels.shape == (56, 40, 3)
    assert np.abs(pixels.astype(int) - np.rot90(PIXELS, -1)).mean() < 5


def test_a_heic_without_its_library_tells_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(photo_headers, "register_heif", lambda: False)
    (tmp_path / "a.jpg").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    with pytest.raises(PhotoError, match=r"a HEIC; the extra cssr\[heic\] reads HEIC"):
        read_header(tmp_path / "a.jpg")


def test_a_broken_heic_is_called_so(tmp_path):
    pytest.importorskip("pillow_heif")
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    with pytest.raises(PhotoError, match="not a readable HEIC"):
        read_header(tmp_path / "a.heic")
