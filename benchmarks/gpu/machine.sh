#!/usr/bin/env bash
# Measure a GPU on a machine without network that has Python 3.12, PyTorch, torchvision, pandas,
# SciPy, matplotlib, scikit-image, OpenCV, safetensors, tqdm and pytest, but neither pydantic nor DVC.
#
#   here:   bash benchmarks/gpu/machine.sh pack /path/to/IMAGES.zip   # fills .gpu/
#   carry:  the working tree, and .gpu/ with it
#   there:  bash benchmarks/gpu/machine.sh run "$OUT" 8               # 8 minutes; allow it 500 s
#   here:   python -m benchmarks.gpu.tables OUT                       # into docs/performance.md
#
# IMAGES.zip has the layout of README's «Your own images», 448 px. OUT then holds eight files: the
# JSON of six parts, log.txt, and training.jpg, which shows the images of the set: do not publish it
# if their terms forbid that. The weights of (f) are not kept: 73 MiB in half precision.
set -euo pipefail
cd "$(dirname "$0")/../.."

usage() {
  sed -n '2,12s/^# \{0,1\}//p' benchmarks/gpu/machine.sh >&2
  exit 2
}

pack() {
  test -f "$1" || { echo "error: $1 is not a file" >&2; exit 1; }
  rm -rf .gpu && mkdir -p .gpu/wheels
  cp "$1" .gpu/images.zip
  for name in pydantic pydantic-core annotated-types typing-inspection typing-extensions; do
    version=$(sed -n "s/^$name==\([^ ;]*\).*/\1/p" requirements.lock)
    python3 -m pip download --quiet --no-deps --only-binary=:all: --dest .gpu/wheels \
      --python-version 3.12 --implementation cp --platform manylinux_2_17_x86_64 \
      --platform manylinux2014_x86_64 "$name==$version"
  done
  du -sh .gpu
}

run() {
  test -d .gpu/wheels || { echo "error: .gpu/ is not here: pack it first" >&2; exit 1; }
  python3 -m pip install --quiet --no-index --no-deps --no-compile --target /tmp/site --upgrade .gpu/wheels/*.whl
  PYTHONPATH=/tmp/site PYTHONUNBUFFERED=1 python3 -m benchmarks.gpu --out "$1" --minutes "$2" --images .gpu/images.zip
}

case "${1:-} $#" in
  "pack 2") pack "$2" ;;
  "run 3") run "$2" "$3" ;;
  *) usage ;;
esac
