"""What the stages have made in a clone, to be compared."""

import hashlib
from pathlib import Path


def digest(folder: Path) -> str:
    """Hash of the names and contents of all files."""
    found = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        found.update(f"{file.relative_to(folder)}\0".encode() + file.read_bytes())
    return found.hexdigest()


def results(folder: Path) -> dict[str, str]:
    """Hashes of all that was made, by name, but for the training logs that tell the speed."""
    tops = ("data", "runs", "results", "reports")
    made = sorted(path for top in tops for path in (folder / top).rglob("*") if path.is_file())
    files = [path for path in made if "live" not in path.parts]
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder, by their names."""
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
