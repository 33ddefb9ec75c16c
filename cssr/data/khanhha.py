"""Download of Khanhha's crack segmentation set: 9,603 training and 1,695 test images, 448×448."""

import zipfile
from collections.abc import Callable
from pathlib import Path

from cssr.data.layout import DataError

DRIVE_URL = "https://drive.google.com/uc?id=1xrOqv0-3uMHjZyEUrerOYiYXW_E8SUMP"
KAGGLE_HANDLE = "lakshaymiddha/crack-segmentation-dataset"
KHANHHA_IMAGES = {"train": 9603, "test": 1695}
TIMEOUT = 60.0  # s without a byte
RETRIES = 3


def download_khanhha(folder: Path, *, drive_url: str = DRIVE_URL) -> Path:
    """Download the set from Google Drive or, if that fails, from Kaggle.

    Args:
        folder: an existing folder to download into; what a failed way leaves there is useless.
        drive_url: of the zip.

    Returns:
        A zip or a folder that holds the data set somewhere inside.

    Raises:
        DataError: if both ways fail, with both reasons and the third way.
    """
    ways: dict[str, Callable[[], Path]] = {
        f"Google Drive ({drive_url})": lambda: _from_drive(drive_url, folder / "khanhha.zip"),
        f"Kaggle ({KAGGLE_HANDLE})": lambda: _from_kaggle(folder / "kaggle"),
    }
    reasons = []
    for name, download in ways.items():
        try:
            return download()
        except Exception as error:  # quota, network, credentials, no package: no common class
            reasons.append(f"{name}: {' '.join(str(error).split()) or type(error).__name__}")
    raise DataError(
        f"Khanhha's images could not be downloaded. {'; '.join(reasons)}. "
        f"Third way: download the zip by hand and set data.source: path and data.path to it"
    )


def _from_drive(url: str, file: Path) -> Path:
    import gdown

    gdown.download(url=url, output=str(file), timeout=TIMEOUT, retries=RETRIES)
    if not zipfile.is_zipfile(file):
        file.unlink()
        raise DataError("what was sent is not a zip")
    return file


def _from_kaggle(folder: Path) -> Path:
    import kagglehub

    return Path(kagglehub.dataset_download(KAGGLE_HANDLE, output_dir=str(folder)))
