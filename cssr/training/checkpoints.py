"""States of unfinished trainings: the last two of each, with checksums."""

import hashlib
import io
import json
import logging
import pickle
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from cssr.files import write_whole

KEPT = 2
DIGEST_BYTES = hashlib.sha256().digest_size

log = logging.getLogger(__name__)


def identify(settings: Mapping[str, Any], *, code: Iterable[Path], inputs: Iterable[Path]) -> str:
    """Short name of a training, for its folder: a hash of all that its result depends on.

    Args:
        settings: the parameters, in JSON's types.
        code: modules that run.
        inputs: files that are read.
    """
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for file in (*sorted(code), *sorted(inputs)):
        with file.open("rb") as stream:
            digest.update(f"{file.as_posix()}\0".encode())
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:32]


class DamagedError(ValueError):
    """A checkpoint that is not what was written."""


class Checkpoints:
    """The last states of one training.

    A file holds the SHA-256 of what follows, then PyTorch's serialisation of the state and of the
    state of PyTorch's generators.

    Args:
        folder: of this training alone, named by `identify`; made if missing.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder

    def files(self) -> list[Path]:
        """The checkpoints, oldest first."""
        return sorted(self.folder.glob("checkpoint-*.pt"))

    def save(self, state: Mapping[str, Any]) -> None:
        """Write a state atomically; then remove all but the last two.

        Args:
            state: tensors and plain values; `iteration` names the file.

        Raises:
            OSError: naming the file, if it cannot be written; the older ones are untouched.
        """
        generators = {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}
        stream = io.BytesIO()
        torch.save({**state, "generators": generators}, stream)
        content = stream.getbuffer()
        file = self.folder / f"checkpoint-{state['iteration']:010}.pt"
        write_whole(file, hashlib.sha256(content).digest(), content)
        for old in self.files()[:-KEPT]:
            old.unlink()

    def load(self) -> dict[str, Any] | None:
        """The newest state that is whole, on the CPU, its generators set; None if there is none.

        Damaged ones are reported and passed over.

        Raises:
            OSError: naming the file, if it cannot be read; it may well be whole.
        """
        for file in reversed(self.files()):
            try:
                state = self._read(file)
            except FileNotFoundError:  # another process of this training has found it damaged
                continue
            except DamagedError as error:
                log.warning("%s is passed over: %s", file, error)
                with suppress(FileNotFoundError):  # likewise
                    # or it would count among the last two
                    file.rename(file.with_suffix(".damaged"))
                continue
            generators = state.pop("generators")
            torch.set_rng_state(generators["cpu"])
            if len(generators["cuda"]) == torch.cuda.device_count():
                torch.cuda.set_rng_state_all(generators["cuda"])
            return state
        return None

    def _read(self, file: Path) -> dict[str, Any]:
        content = file.read_bytes()
        digest, payload = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
        if hashlib.sha256(payload).digest() != digest:
            raise DamagedError("its checksum does not fit its content")
        try:
            return torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:
            raise DamagedError("it holds more than tensors and plain values") from None
