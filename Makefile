# Builds, checks and shows tfcolor. `make help` lists the targets.
#
# Every path below is relative, so the checkout may lie under any folder name.
# .venv is made once; a stamp is written only after a step has succeeded, so an
# interrupted step is done again and a finished one is not.

PYTHON ?= python3
VENV := .venv/bin/python
INSTALL := $(VENV) -m pip install --quiet --disable-pip-version-check -c constraints.txt
MANIFEST := setup.py pyproject.toml constraints.txt

export TF_CPP_MIN_LOG_LEVEL ?= 3
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help quickstart test native sanitize wheel bench lint format clean

help:  ## List the targets.
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

quickstart: .venv/.installed-runtime  ## Train, evaluate, export and colorize in ten minutes.
	$(VENV) -m tfcolor.train --flagfile=configs/quickstart.cfg --run_dir=quickstart/run
	$(VENV) -m tfcolor.evaluate --protocol=colorization --model=quickstart/run \
	  --images=builtin:photos:heldout --output_json=quickstart/evaluation.json >quickstart/log.txt
	$(VENV) -m tfcolor.evaluate --protocol=colorization --baseline=gray \
	  --images=builtin:photos:heldout --output_json=quickstart/baseline.json >>quickstart/log.txt
	@rm -rf quickstart/saved_model quickstart/originals
	$(VENV) -m tfcolor.export --run_dir=quickstart/run --export_dir=quickstart/saved_model
	@$(VENV) -c "$$COPY_PHOTOS"
	$(VENV) -m tfcolor.colorize --model=quickstart/saved_model --output=quickstart/colorized \
	  --sheet=quickstart/before_after.png quickstart/originals
	@$(VENV) -c "$$SHOW_SCORES"
	@echo "TensorBoard logs    quickstart/run/events (.venv/bin/tensorboard --logdir quickstart/run)"
	@echo "Before and after    quickstart/before_after.png"
	@echo "Colored photographs quickstart/colorized"
	@echo "SavedModel          quickstart/saved_model"

# Two photographs that the network never saw, and two that it was trained on.
define COPY_PHOTOS
import pathlib, shutil
from tfcolor.data.sources.builtin_photos import open_photos
photos = open_photos("photos")
paths = [pathlib.Path(photos.name_of(i)) for i in range(photos.num_examples)]
folders = {"chelsea": "1_unseen", "coffee": "1_unseen", "astronaut": "2_seen", "china": "2_seen"}
for path in paths:
    if path.stem in folders:
        target = pathlib.Path("quickstart/originals") / folders[path.stem] / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
endef
export COPY_PHOTOS

define SHOW_SCORES
import json
read = lambda name: json.load(open(f"quickstart/{name}.json"))
ours, gray, run = read("evaluation"), read("baseline"), read("run/result")
print()
print(f"Held-out PSNR       {ours['psnr_db']:.2f} dB; left gray {gray['psnr_db']:.2f} dB")
print(f"Held-out loss       {run['best_loss']:.3f}; best constant {run['heldout/constant_loss']:.3f}")
endef
export SHOW_SCORES

native: .venv/.installed-runtime  ## Build the native op again if its sources changed.
	@$(VENV) custom_ops/build.py

sanitize: .venv/.installed-test  ## Fuzz the native op under ASan and UBSan.
	@$(VENV) custom_ops/sanitize.py

wheel: .venv/.installed-runtime  ## Make a wheel for this platform in dist.
	@$(VENV) -m pip wheel --quiet --no-build-isolation --no-deps -w dist .
	@ls dist

test: lint native  ## Check the style, then run the whole suite.
	$(VENV) -m pytest -n 2 --dist=loadfile --no-loadscope-reorder --durations=15

bench: .venv/.installed-test  ## Run every benchmark; results go to benchmarks/results.
	@for benchmark in benchmarks/bench_*.py; do \
	  [ -e "$$benchmark" ] || continue; \
	  echo "$$benchmark"; $(VENV) "$$benchmark" || exit 1; \
	done

lint: .venv/.installed-test  ## Check format, style and types.
	$(VENV) -m ruff format --check .
	$(VENV) -m ruff check .
	$(VENV) -m mypy
	@find custom_ops tests -type f -regex '.*\.\(cc\|cu\|h\)' -print0 | \
	  xargs -0 -r .venv/bin/clang-format --dry-run --Werror

format: .venv/.installed-test  ## Rewrite the sources in the house format.
	$(VENV) -m ruff format .
	$(VENV) -m ruff check --fix .
	@find custom_ops tests -type f -regex '.*\.\(cc\|cu\|h\)' -print0 | \
	  xargs -0 -r .venv/bin/clang-format -i

clean:  ## Remove everything made here, .venv and quickstart included.
	rm -rf .venv quickstart build dist tfcolor.egg-info .pytest_cache .mypy_cache .ruff_cache
	find tfcolor tests -type d -name __pycache__ -prune -exec rm -rf {} +

.venv/.created:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
	  echo "tfcolor needs Python 3.11 and '$(PYTHON)' is not; name one with make PYTHON=python3.11"; \
	  exit 1; }
	"$(PYTHON)" -m venv --clear .venv
	@touch $@

.venv/.installed-runtime: .venv/.created $(MANIFEST)
	@echo "Installing tfcolor and what it needs into .venv (about 3 GB, some minutes the first time)"
	@$(INSTALL) setuptools wheel 'tensorflow==2.15.*'
	@$(INSTALL) --no-build-isolation -e .
	@$(VENV) custom_ops/build.py
	@touch $@

.venv/.installed-test: .venv/.installed-runtime
	@$(INSTALL) --no-build-isolation -e '.[test]'
	@touch $@
