"""Download of Khanhha's crack segmentation set: 9,603 training and 1,695 test images, 448×448."""

import time
import zipfile
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory

from cssr.sources.listing import DataError

DRIVE_URL = "https://drive.google.com/uc?id=1xrOqv0-3uMHjZyEUrerOYiYXW_E8SUMP"
KAGGLE_HANDLE = "lakshaymiddha/crack-segmentation-dataset"
KHANHHA_IMAGES = {"train": 9603, "test": 1695}
TIMEOUT = 60.0  # s without a byte
RETRIES = 5  # of a connection that drops or stalls; gdown resumes it, with growing pauses
PAUSES = (5.0, 20.0, 60.0)  # s, after a response that the server is busy or broken


def download_khanhha(folder: Path, *, drive_url: str = DRIVE_URL) -> Path:
    """Download the set from Google Drive or, if that fails, from Kaggle.

    Args:
        folder: an existing folder to download into; a whole zip there is taken, a partial one
            completed.
        drive_url: of the zip.

    Returns:
        A zip or a folder that holds the data set somewhere inside.

    Raises:
        DataError: if both fail, with the reasons and how to download the zip by hand.
    """
    downloads: dict[str, Callable[[], Path]] = {
        f"Google Drive ({drive_url})": lambda: _from_drive(drive_url, folder / "khanhha.zip"),
        f"Kaggle ({KAGGLE_HANDLE})": lambda: _from_kaggle(folder / "kaggle"),
    }
    reasons = []
    for name, download in downloads.items():
        try:
            return download()
        except Exception as error:  # quota, network, credentials, no package: no common class
            reasons.append(f"{name}: {' '.join(str(error).split()) or type(error).__name__}")
    raise DataError(
        f"Khanhha's images could not be downloaded. {'; '.join(reasons)}. "
        f"Third way: download the zip by hand and set data.source: path and data.path to it"
    )


def _from_drive(url: str, file: Path) -> Path:
    if zipfile.is_zipfile(file):  # of an earlier run
        return file
    import gdown  # like kagglehub and requests, needed for this data set alone

    partial = list(file.parent.glob(f"{file.name}*.part"))  # of an earlier run
    try:
        _download_zip(url, file)
    except gdown.exceptions.DownloadError:
        if not partial:
            raise
        # perhaps it cannot be completed; it is kept until the whole zip is there
        with TemporaryDirectory(dir=file.parent) as temporary:
            complete = Path(temporary, file.name)
            _download_zip(url, complete)
            complete.replace(file)
        for part in partial:
            part.unlink()
    return file


def _download_zip(url: str, file: Path) -> None:
    _download_with_pauses(url, file)
    if not zipfile.is_zipfile(file):
        file.unlink()
        raise DataError("what was sent is not a zip")


def _download_with_pauses(url: str, file: Path) -> None:
    """Download, or resume a partial download; wait while the server is busy or broken."""
    import gdown
    import requests

    for pause in (*PAUSES, None):
        try:
            gdown.download(url=url, output=str(file), timeout=TIMEOUT, retries=RETRIES, resume=True)
            return
        except (requests.HTTPError, gdown.exceptions.DownloadError) as error:
            if pause is None or not _is_temporary(error):
                raise
            print(f"{' '.join(str(error).split())}; next try in {pause:g} s", flush=True)
        time.sleep(pause)


def _is_temporary(error: Exception) -> bool:
    """Whether a later try may succeed: after 429, 5xx, and a connection that broke off."""
    import gdown
    import requests

    if isinstance(error, requests.HTTPError):
        status = error.response.status_code
        return status == HTTPStatus.TOO_MANY_REQUESTS or status >= 500
    return not isinstance(error, gdown.exceptions.FileURLRetrievalError)  # a page about a quota


def _from_kaggle(folder: Path) -> Path:
    import kagglehub

    return Path(kagglehub.dataset_download(KAGGLE_HANDLE, output_dir=str(folder)))
