"""Write a fingerprint of one source of data.path, so that DVC notices other content."""

import argparse
import json
import os
from pathlib import Path

from cssr.files import write_whole
from cssr.sources.listing import fingerprint, locate
from stages.common import SOURCES, read_params, run_stage

PARAMS = ("data.path",)


def main() -> None:
    """Write data/sources/NAME.json."""
    parser = argparse.ArgumentParser(prog="python -m stages.watch", description=__doc__)
    parser.add_argument("name", help="a key of data.path")
    name = parser.parse_args().name
    paths = read_params(*PARAMS).data.path
    if name not in paths:
        raise ValueError(f"{name} is not a key of data.path ({', '.join(paths) or 'it has none'})")
    # DVC sets DVC_ROOT to the user's repo in `dvc exp run --temp` too
    source = locate(paths[name], Path(os.environ.get("DVC_ROOT", ".")))
    content = {"path": paths[name], "sha256": fingerprint(source)}
    write_whole(SOURCES / f"{name}.json", f"{json.dumps(content, indent=2)}\n".encode())


if __name__ == "__main__":
    run_stage(main)
