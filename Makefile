# make repro   sets everything up and regenerates every result; JOBS=2: two stages at a time
# make test    sets everything up and runs the tests
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: setup repro test test-long test-demo test-all lint lock results browser clean

setup: .venv/installed

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed, $(PYTHON) is older: make PYTHON=python3.12 …")'
	@git rev-parse --git-dir >/dev/null 2>&1 || { echo "error: no Git repository here, and DVC needs one: git clone the project, or git init && git add -A" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --require-hashes --requirement requirements.lock
	.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# With JOBS=2, each stage has half of the cores, rounded up, so that no more than two run at a time
repro: setup
	$(if $(filter-out 0 1,$(JOBS)),python -m cluster --cpus $$(( ($$(env -u OMP_NUM_THREADS nproc) + $(JOBS) - 1) / $(JOBS) )),dvc repro)

# Files of tests run side by side, so that each process has one thread: make test JOBS=4
# Trainings are killed 6 times, other stages 3 times: make test-long KILLS=24 for more.
PYTEST = OMP_NUM_THREADS=1 python -m pytest --numprocesses $(or $(JOBS),2) --dist loadfile
test: setup
	$(PYTEST) -m "not slow"

test-long: setup
	$(PYTEST) -m slow $(if $(KILLS),--kills $(KILLS))

# What the demo has learnt, from the results of `make repro`.
test-demo: setup
	python -m pytest tests/test_demo.py

test-all: test test-long test-demo

lint: setup
	ruff check
	ruff format --check

# The paper's claims on real cracks, to docs/results/; needs the images as real.zip.
PRESET ?= real_small
results: setup
	python -m stages.preset $(PRESET)
	$(MAKE) repro
	python -m benchmarks.run_variations
	python -m benchmarks.publish_results

# A browser in which the tests try reports/index.html; without one they are skipped.
browser:
	@command -v chromium || command -v google-chrome || $(if $(filter 0,$(shell id -u)),,sudo) sh -c \
	  'apt-get update --quiet && apt-get install --quiet --yes --no-install-recommends chromium'

# The lock holds for every platform and every Python from 3.11 on. Needs uv.
lock:
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header \
	  --extra dev --output-file requirements.lock pyproject.toml

clean:
	rm -rf data/raw data/arrays data/split.json data/sources/*.json runs results state
