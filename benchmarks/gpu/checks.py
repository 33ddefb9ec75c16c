"""Run the tests that want a GPU, and note how each ended."""

import sys
from pathlib import Path

import pytest

from benchmarks.measure import Row, facts_of, prepare, save
from benchmarks.options import parser_of
from stages.common import run_stage

PRECISION = "test_smoothed_losses_within_2_percent_and_the_aiu_within_1_percent"
TESTS = (f"tests/training/test_precision.py::{PRECISION}[cuda]", "tests/test_gpu.py")


class Recorder:
    """A plugin of pytest that writes the outcome of each test as soon as it is known."""

    def __init__(self, file: Path, facts: Row) -> None:
        self.file = file
        self.facts = facts
        self.rows = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note how many tests there are."""
        self.facts["collected"] = len(session.items)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the outcome of a test's call, or of the setup that skipped or failed it."""
        if report.when == "call" or not report.passed:
            row = {"test": report.nodeid, "outcome": report.outcome, "s": report.duration}
            self.rows.append(row)
            save(self.file, {"benchmark": "tests", **self.facts, "rows": self.rows})


def main() -> int:
    """Run the tests; pytest's exit code."""
    args = parser_of(__doc__, "gpu.checks", json_required=True).parse_args()
    recorder = Recorder(args.json, facts_of(prepare(args)))
    return pytest.main([*TESTS, "-p", "no:cacheprovider"], plugins=[recorder])


if __name__ == "__main__":
    run_stage(lambda: sys.exit(main()))
