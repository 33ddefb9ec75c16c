import re
from pathlib import Path

import pytest

RESULTS = Path(__file__).parents[1] / "docs/results"


@pytest.mark.parametrize("folder", sorted(RESULTS.glob("*/")), ids=lambda folder: folder.name)
def test_the_intervals_in_the_text_are_those_of_the_tables(folder):
    text = (RESULTS / "README.md").read_text()
    tables = "".join(file.read_text() for file in folder.glob("*.md"))
    intervals = re.findall(r"\[[^\[\]()]*\d, [^\[\]()]*\d\]", text)
    assert len(intervals) > 10
    assert [interval for interval in intervals if interval not in tables] == []
