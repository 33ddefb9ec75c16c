import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from shell import ROOT, be_interrupted, make_clone, run

REAL_DATA = Path(os.environ.get("CSSR_REAL_DATA", ROOT / "../shared/data/crack_real.zip"))


def pytest_addoption(parser) -> None:
    """How often a training is killed; other stages half as often."""
    parser.addoption("--kills", type=int, default=6, help="24 for docs/reliability.md")


def pytest_configure() -> None:
    """Let what the tests start be interrupted, even where they run in the background."""
    be_interrupted()


@pytest.fixture
def kills(pytestconfig) -> int:
    """How often a training is killed at random moments."""
    return pytestconfig.getoption("kills")


@pytest.fixture
def tried(record_property) -> Callable[[str, int, str], None]:
    """Counts a fault that a test tried, how often, and what happened: docs/reliability.md."""
    return lambda *fault: record_property("tried", fault)


def pytest_terminal_summary(terminalreporter) -> None:
    """Print the faults that were tried, in whichever process."""
    reports = terminalreporter.getreports("passed")
    found = [value for report in reports for name, value in report.user_properties]
    if found:
        terminalreporter.section("faults tried")
        for fault, times, outcome in found:
            terminalreporter.write_line(f"| {fault} | {times:,} | {outcome} |")


@pytest.fixture(scope="session")
def real_zip() -> Path:
    """The real crack images, where they are there."""
    if not REAL_DATA.is_file():
        pytest.skip(f"no real images at {REAL_DATA} (set CSSR_REAL_DATA)")
    return REAL_DATA.resolve()


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes a fresh Git clone of the project as it stands, with a preset for params.yaml."""

    return lambda preset: make_clone(tmp_path_factory.mktemp("clone"), preset)


@pytest.fixture(scope="session")
def reproduced(clone: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which `dvc repro` has run on the smoke preset; not to be changed.

    The processes of a parallel run share it: the first that needs it makes it, others wait. Runs
    one after the other do, too, where CSSR_SMOKE names a folder for it.
    """
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    shared = Path(os.environ.get("CSSR_SMOKE", base))
    with (shared / "reproduced.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "reproduced").exists():
            folder = clone("smoke")
            run("dvc repro", folder)
            run("git add -A && git commit -qm results", folder)
            folder.rename(shared / "reproduced")
    return shared / "reproduced"


@pytest.fixture(scope="module")
def repo(reproduced: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of it that a module may change."""
    folder = tmp_path_factory.mktemp("repo") / "clone"
    shutil.copytree(reproduced, folder, symlinks=True)
    return folder


@pytest.fixture
def deterministic(monkeypatch):
    """What `train.deterministic` switches on, until the test ends."""
    import torch  # slow, and most tests do without

    from cssr.training.step import compute_deterministically

    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    compute_deterministically()
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="session")
def browser():
    """A Chromium without a window."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    known = os.environ.get("CHROMIUM"), shutil.which("chromium"), shutil.which("google-chrome")
    program = next(filter(None, known), None)
    if program is None:
        pytest.skip("no Chromium: `make browser` installs one")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser):
    """Opens a page; in the end nothing may have failed in it, nor been asked of the network."""
    wrong, pages = [], []

    def visit(address, **options):
        page = browser.new_page(**options)
        page.on("console", lambda message: message.type != "error" or wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: asked(request.url, address))
        page.goto(address)
        pages.append(page)
        return page

    def asked(url, address):
        if url != address and not url.startswith("data:"):
            wrong.append(url)

    yield visit
    for page in pages:
        page.close()
    assert not wrong
