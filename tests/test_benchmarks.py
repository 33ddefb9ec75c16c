import json
from pathlib import Path

import pytest
from shell import run

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("command", "columns"),
    [
        (
            "train_step --preset smoke --variants cssr --warmup 1",
            {
                "ms",
                "data and augmentation",
                "SR forward",
                "SS forward",
                "backward",
                "TFLOP/s",
                "tensors, GiB",
                "peak GiB",
            },
        ),
        ("data --size 64 --images 70", {"step", "images/s"}),
        ("checkpoint --preset smoke", {"MiB", "write, ms", "read, ms"}),
        ("evaluate --size 64 --batch-size 2", {"metric", "ms/image"}),
        ("engines --model tests/models/earlier --side 32", {"engine", "SR, s", "SS, s"}),
        ("inference --preset smoke --variants cssr --side 64", {"ms", "megapixels/s"}),
    ],
    ids=lambda value: value.split()[0] if isinstance(value, str) else "",
)
def test_a_benchmark_prints_a_table_and_writes_its_numbers(command, columns, tmp_path):
    file = tmp_path / "out.json"
    done = run(f"python -m benchmarks.{command} --device cpu --repeats 1 --json {file}", ROOT)
    content = json.loads(file.read_text())
    assert content["device"] == "cpu"
    assert content["torch"]
    for row in content["rows"]:
        assert columns <= row.keys()
        assert all(value > 0 for value in row.values() if isinstance(value, float))
    assert f"| {' | '.join(content['rows'][0])} |" in done.stdout
