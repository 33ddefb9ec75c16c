import inspect
import io
import random
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import gdown
import kagglehub
import pytest

from cssr.sources import khanhha
from cssr.sources.khanhha import DRIVE_URL, KAGGLE_HANDLE, download_khanhha
from cssr.sources.listing import DataError


class Handler(BaseHTTPRequestHandler):
    """Sends `content`, with ranges; misbehaves as `faults` says, one per request."""

    content = b""
    faults: ClassVar[list[str]] = []
    ranges = True
    asked: ClassVar[list[str]] = []  # ranges of the requests that were answered

    def log_message(self, *args):
        pass

    def do_GET(self):
        fault = self.faults.pop(0) if self.faults else ""
        if fault.isdigit():
            self.send_error(int(fault))
            return
        self.asked.append(self.headers.get("Range", "all"))
        start = int(re.match(r"bytes=(\d+)-", self.headers.get("Range", "bytes=0-"))[1])
        start = start if self.ranges else 0
        self.send_response(206 if start else 200)
        if start:
            last = len(self.content) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(self.content)}")
        self.send_header("Content-Length", str(len(self.content) - start))
        self.end_headers()
        rest = self.content[start:]
        self.wfile.write(rest[: len(rest) // 2] if fault else rest)
        self.wfile.flush()
        if fault == "stall":
            time.sleep(1.5)
        if fault:
            self.connection.close()


@pytest.fixture
def server(monkeypatch):
    """A handler class and the URL at which it answers."""
    monkeypatch.setattr(khanhha, "PAUSES", (0.01, 0.02, 0.04))
    monkeypatch.setattr("random.uniform", lambda least, greatest: 0.01)  # gdown's pauses
    handler = type("Served", (Handler,), {"content": zip_bytes(), "faults": [], "asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, args=[0.01], daemon=True).start()
        handler.url = f"http://127.0.0.1:{running.server_port}/khanhha.zip"
        yield handler
        running.shutdown()


def zip_bytes() -> bytes:
    """A zip of about 2 MB."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("train/images/a.jpg", random.Random(0).randbytes(2_000_000))
    return stream.getvalue()


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


def test_the_first_way_is_the_zip_from_the_drive(server, kaggle, folder):
    downloaded = download_khanhha(folder, drive_url=server.url)
    assert downloaded.read_bytes() == server.content
    assert not kaggle.calls


def test_the_second_way_is_kaggle(server, kaggle, folder):
    server.faults += ["404"]
    downloaded = download_khanhha(folder, drive_url=server.url)
    assert downloaded.is_dir()
    assert kaggle.calls == [{"handle": KAGGLE_HANDLE, "output_dir": str(downloaded)}]


@pytest.mark.parametrize(
    "faults",
    [
        ["drop"],
        ["drop", "drop", "drop"],
        ["stall"],
        ["429"],
        ["500", "503"],
        ["429", "drop", "500"],
    ],
    ids=lambda faults: "-".join(faults),
)
def test_a_passing_fault_is_survived(server, kaggle, folder, faults, monkeypatch, tried):
    monkeypatch.setattr(khanhha, "TIMEOUT", 0.5)
    server.faults += faults
    downloaded = download_khanhha(folder, drive_url=server.url)
    assert downloaded.read_bytes() == server.content
    assert [file.name for file in folder.iterdir()] == ["khanhha.zip"]
    assert server.faults == []
    dropped = {"drop", "stall"} & set(faults)
    assert (server.asked[-1] != "all") == bool(dropped)  # went on from its part
    assert not kaggle.calls
    tried(f"download: {', then '.join(faults)}", 1, "resumed or tried again; whole")


@pytest.mark.parametrize("fault", ["404", "429", "500", "drop"])
def test_a_lasting_fault_ends_with_the_other_ways(
    server, kaggle, folder, fault, monkeypatch, tried
):
    monkeypatch.setattr(khanhha, "RETRIES", 1)
    kaggle.fails.append(kagglehub.exceptions.UnauthenticatedError())
    server.faults += [fault] * 20
    with pytest.raises(DataError) as error:
        download_khanhha(folder, drive_url=server.url)
    assert ("incomplete" if fault == "drop" else fault) in str(error.value)
    assert "User is not authenticated" in str(error.value)
    assert "Third way: download the zip by hand and set data.source: path" in str(error.value)
    assert not (folder / "khanhha.zip").exists()
    asked = 20 - len(server.faults)
    assert asked > 4 if fault == "drop" else asked == {"404": 1}.get(fault, 4)
    tried(f"download: always {fault}", asked, "one line with the other ways, no file")


def test_a_page_instead_of_the_zip_leads_to_the_second_way(server, kaggle, folder, tried):
    server.content = b"<html>quota exceeded</html>"
    download_khanhha(folder, drive_url=server.url)
    assert [file.name for file in folder.iterdir()] == ["kaggle"]
    tried("download: a quota page instead of the zip", 1, "the second way, no file")


def part_of(folder: Path, content: bytes) -> None:
    (folder / "khanhha.zipabcdefgh.part").write_bytes(content)


def test_an_earlier_part_is_completed(server, kaggle, folder):
    part_of(folder, server.content[:1000])
    assert download_khanhha(folder, drive_url=server.url).read_bytes() == server.content


def test_an_earlier_part_that_the_server_cannot_go_on_from_is_thrown_away(server, kaggle, folder):
    server.ranges = False
    part_of(folder, server.content[:1000])
    assert download_khanhha(folder, drive_url=server.url).read_bytes() == server.content
    assert [file.name for file in folder.iterdir()] == ["khanhha.zip"]


@pytest.mark.parametrize("answer", ["a page", "always stall"])
def test_an_earlier_part_survives_an_answer_that_is_not_the_zip(
    server, kaggle, folder, answer, monkeypatch, tried
):
    monkeypatch.setattr(khanhha, "TIMEOUT", 0.2)
    monkeypatch.setattr(khanhha, "RETRIES", 1)
    server.ranges = False
    part_of(folder, server.content[:1000])
    kept = next(folder.iterdir()).read_bytes()
    if answer == "a page":
        server.content = b"<html>quota exceeded</html>"
    else:
        server.faults += ["stall"] * 9
    download_khanhha(folder, drive_url=server.url)  # from Kaggle
    (part,) = folder.glob("*.part")
    assert part.read_bytes() == kept
    assert {path.name for path in folder.iterdir()} == {part.name, "kaggle"}
    tried(f"a part of a download, then {answer}", 1, "the second way; the part is kept")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_download_goes_on_from_where_it_was(server, kaggle, folder, number, tried):
    server.faults += ["stall"]
    code = (
        "import sys; from pathlib import Path; from cssr.sources.khanhha import download_khanhha; "
        "download_khanhha(Path(sys.argv[1]), drive_url=sys.argv[2])"
    )
    command = [sys.executable, "-c", code, str(folder), server.url]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while not sum(file.stat().st_size for file in folder.iterdir()):
        time.sleep(0.01)
    process.send_signal(number)
    process.wait(10)
    assert [file.suffix for file in folder.iterdir()] == [".part"]
    assert download_khanhha(folder, drive_url=server.url).read_bytes() == server.content
    assert server.asked[-1] != "all"
    assert not kaggle.calls
    tried(f"download killed ({number.name})", 1, "went on from its part")


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
