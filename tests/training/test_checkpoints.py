import hashlib
import io
import logging
from pathlib import Path

import pytest
import torch

from cssr.training.checkpoints import DIGEST_BYTES, Checkpoints, identify


def state_of(iteration: int) -> dict:
    return {
        "iteration": iteration,
        "weights": {"a": torch.full((3,), float(iteration))},
        "rows": [{"loss": 0.5}],
    }


@pytest.fixture
def checkpoints(tmp_path) -> Checkpoints:
    """With states of iterations 2 and 4."""
    found = Checkpoints(tmp_path / "state")
    for iteration in (2, 4):
        found.save(state_of(iteration))
    return found


def test_a_state_is_read_back_as_it_was_written(checkpoints):
    state = checkpoints.load()
    assert state["weights"]["a"].tolist() == [4.0] * 3
    assert (state["iteration"], state["rows"]) == (4, [{"loss": 0.5}])


def test_the_last_two_are_kept(checkpoints):
    checkpoints.save(state_of(6))
    names = [file.name for file in checkpoints.folder.iterdir()]
    assert sorted(names) == ["checkpoint-0000000004.pt", "checkpoint-0000000006.pt"]


def test_there_is_no_state_before_the_first_checkpoint(tmp_path):
    assert Checkpoints(tmp_path / "new").load() is None


def test_the_generators_go_on_where_they_were(checkpoints):
    torch.manual_seed(3)
    checkpoints.save(state_of(6))
    expected = torch.rand(4)
    torch.manual_seed(8)
    checkpoints.load()
    assert torch.equal(torch.rand(4), expected)


def damages(size: int) -> dict[str, tuple[slice, bytes]]:
    """What is replaced, by what: cut off, and a flipped bit at 20 places."""
    cuts = {
        f"cut at {k}": (slice(k, None), b"") for k in (0, 10, DIGEST_BYTES, size // 2, size - 1)
    }
    places = [size * k // 20 for k in range(20)]
    return cuts | {f"bit at {k}": (slice(k, k + 1), b"") for k in places}


def test_a_damaged_newest_checkpoint_is_reported_and_the_older_one_is_taken(
    checkpoints, caplog, tried
):
    file = checkpoints.files()[-1]
    whole = file.read_bytes()
    found = damages(len(whole))
    for where, _ in found.values():
        content = bytearray(whole)
        content[where] = b"" if where.stop is None else bytes([whole[where.start] ^ 16])
        file.write_bytes(content)
        caplog.clear()
        assert checkpoints.load()["iteration"] == 2
        assert [path.name for path in checkpoints.files()] == ["checkpoint-0000000002.pt"]
        assert f"{file} is passed over: its checksum does not fit" in caplog.text
    tried("newest checkpoint truncated or bit-flipped", len(found), "older one taken, reported")


def test_a_checkpoint_that_cannot_be_read_is_named_and_left_alone(checkpoints):
    folder = checkpoints.folder / "checkpoint-0000000009.pt"
    folder.mkdir()  # root may read every file, but not a folder
    with pytest.raises(IsADirectoryError, match=str(folder)):
        checkpoints.load()
    assert [file.suffix for file in checkpoints.folder.iterdir()] == [".pt"] * 3


class Evil:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


def test_a_pickle_in_a_checkpoint_is_not_run(checkpoints, tmp_path, caplog):
    stream = io.BytesIO()
    torch.save({"evil": Evil(tmp_path / "owned")}, stream)
    payload = stream.getvalue()
    file = checkpoints.folder / "checkpoint-0000000009.pt"
    file.write_bytes(hashlib.sha256(payload).digest() + payload)
    with caplog.at_level(logging.WARNING):
        assert checkpoints.load()["iteration"] == 4
    assert "more than tensors" in caplog.text
    assert not (tmp_path / "owned").exists()


def test_the_key_changes_with_settings_inputs_and_code(tmp_path):
    code, data = tmp_path / "code.py", tmp_path / "hr.npy"
    code.write_text("a = 1")
    data.write_bytes(b"1")

    def key(beta: float) -> str:
        return identify({"beta": beta}, code=[code], inputs=[data])

    keys = [key(0.3), key(0.7)]
    data.write_bytes(b"2")
    keys.append(key(0.3))
    code.write_text("a = 2")
    keys.append(key(0.3))
    assert len(set(keys)) == 4
    assert keys[-1] == key(0.3)
