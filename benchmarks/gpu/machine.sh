#!/usr/bin/env bash
# Measure a GPU on a machine without network that has Python 3.12, PyTorch, torchvision, pandas,
# SciPy, matplotlib, scikit-image, OpenCV, safetensors, tqdm and pytest, but neither pydantic nor DVC.
#
#   bash benchmarks/gpu/machine.sh pack IMAGES.zip    # here: fills .gpu/ with what must be carried
#   bash benchmarks/gpu/machine.sh run OUT MINUTES    # there, in a copy of the working tree with .gpu/
#   python -m benchmarks.gpu.tables OUT               # here: the numbers into docs/performance.md
#
# IMAGES.zip has the layout of README's «Your own images». Nothing of .gpu/ is committed. As one call:
#   command: bash benchmarks/gpu/machine.sh run $OUT 8    carry: .gpu    limit: 500 s
# OUT then holds eight files: the JSON of six parts, training.jpg (the data set's images: not to be
# published) and log.txt. The weights of (f) stay there: 73 MiB in half precision.
set -euo pipefail
cd "$(dirname "$0")/../.."

pack() {
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
  python3 -m pip install --quiet --no-index --no-deps --no-compile --target /tmp/site --upgrade .gpu/wheels/*.whl
  PYTHONPATH=/tmp/site PYTHONUNBUFFERED=1 python3 -m benchmarks.gpu --out "$1" --minutes "$2" --images .gpu/images.zip
}

"$@"
