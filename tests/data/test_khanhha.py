import inspect
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import gdown
import kagglehub
import pytest

from cssr.data.khanhha import DRIVE_URL, KAGGLE_HANDLE, download_khanhha
from cssr.data.layout import DataError


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path):
    """URL of a server of the files in tmp_path/served."""
    (tmp_path / "served").mkdir()
    handler = partial(QuietHandler, directory=str(tmp_path / "served"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, args=[0.01], daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.fixture
def kaggle(monkeypatch):
    """Stands in for Kaggle: takes what the real function takes, then fails or makes a folder."""
    signature = inspect.signature(kagglehub.dataset_download)
    calls = []

    def dataset_download(*args, **kwargs):
        calls.append(signature.bind(*args, **kwargs).arguments)
        if kaggle_fails:
            raise kaggle_fails[0]
        Path(kwargs["output_dir"]).mkdir()
        return kwargs["output_dir"]

    kaggle_fails = []
    dataset_download.calls, dataset_download.fails = calls, kaggle_fails
    monkeypatch.setattr(kagglehub, "dataset_download", dataset_download)
    return dataset_download


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "download").mkdir()
    return tmp_path / "download"


def test_the_first_way_is_the_zip_from_the_drive(server, kaggle, folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "served/a.zip", "w") as archive:
        archive.writestr("train/images/a.jpg", "x")
    downloaded = download_khanhha(folder, drive_url=f"{server}/a.zip")
    assert downloaded.read_bytes() == (tmp_path / "served/a.zip").read_bytes()
    assert not kaggle.calls


def test_the_second_way_is_kaggle(server, kaggle, folder):
    downloaded = download_khanhha(folder, drive_url=f"{server}/none.zip")
    assert downloaded.is_dir()
    assert kaggle.calls == [{"handle": KAGGLE_HANDLE, "output_dir": str(downloaded)}]


def test_a_page_instead_of_the_zip_leads_to_the_second_way(server, kaggle, folder, tmp_path):
    (tmp_path / "served/a.zip").write_text("<html>quota exceeded</html>")
    download_khanhha(folder, drive_url=f"{server}/a.zip")
    assert [file.name for file in folder.iterdir()] == ["kaggle"]


def test_when_both_ways_fail_both_reasons_and_the_third_way_are_told(server, kaggle, folder):
    kaggle.fails.append(kagglehub.exceptions.UnauthenticatedError())
    with pytest.raises(DataError) as error:
        download_khanhha(folder, drive_url=f"{server}/none.zip")
    message = str(error.value)
    assert "404" in message
    assert "User is not authenticated" in message
    assert "data.source: path" in message


def test_the_drive_is_asked_for_khanhhas_file(kaggle, folder, monkeypatch):
    signature, asked = inspect.signature(gdown.download), []

    def download(*args, **kwargs):
        asked.append(signature.bind(*args, **kwargs).arguments["url"])
        raise gdown.exceptions.FileURLRetrievalError("Too many users")

    monkeypatch.setattr(gdown, "download", download)
    download_khanhha(folder)
    assert asked == [DRIVE_URL]


def test_gdown_takes_the_address_for_a_file_of_google_drive():
    file_id = "1xrOqv0-3uMHjZyEUrerOYiYXW_E8SUMP"
    assert gdown.parse_url.parse_url(url=DRIVE_URL) == (file_id, True)


def test_kagglehub_takes_the_handle_for_a_data_set():
    handle = kagglehub.handle.parse_dataset_handle(KAGGLE_HANDLE)
    assert (handle.owner, handle.dataset) == tuple(KAGGLE_HANDLE.split("/"))
