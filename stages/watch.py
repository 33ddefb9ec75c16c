"""Write a fingerprint of one source of data.path, so that DVC notices other content."""

import argparse
import json
from pathlib import Path

from cssr.files import write_whole
from cssr.sources.listing import DataError, fingerprint, locate
from stages.common import SOURCES, read_params, run_stage, user_repo

PARAMS = ("data.path",)


def main() -> None:
    """Write data/sources/NAME.json."""
    parser = argparse.ArgumentParser(prog="python -m stages.watch", description=__doc__)
    parser.add_argument("name", help="a key of data.path")
    name = parser.parse_args().name
    paths = read_params(*PARAMS).data.path
    if name not in paths:
        raise ValueError(f"{name} is not a key of data.path ({', '.join(paths) or 'it has none'})")
    file = SOURCES / f"{name}.json"
    try:
        source = locate(paths[name], user_repo())
    except DataError as error:
        keep_known(file, paths[name], error)
        return
    content = {"path": paths[name], "sha256": fingerprint(source)}
    write_whole(file, f"{json.dumps(content, indent=2)}\n".encode())


def keep_known(file: Path, path: str, missing: DataError) -> None:
    """Keep the fingerprint that is there of a source that is not, such as after `dvc pull`.

    Raises:
        DataError: if there is none of this path.
    """
    try:
        known = json.loads(file.read_text(encoding="utf-8"))["path"]
    except FileNotFoundError:
        known = None
    if known != path:
        hint = "`dvc pull` brings what somebody has made of it"
        raise DataError(f"{missing}; {hint}") from None
    print(f"note: {path} is not here; taken as it was when {file} was written", flush=True)


if __name__ == "__main__":
    run_stage(main)
