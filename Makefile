# For those who work on fastcnn; users need only pip.
PYTHON ?= python

.PHONY: develop debug test check-c asan tsan neon coverage lint format docs wheel clean

develop: ## build in place; Python files are used where they are
	$(PYTHON) -m pip install -e '.[test,dev]'

debug: ## the same with asserts in C and bounds checks in Cython
	FASTCNN_DEBUG=1 $(PYTHON) -m pip install -e '.[test,dev]'

test:
	$(PYTHON) -m pytest

check-c asan tsan neon: ## the C kernels without Python: plain, under sanitizers, for AArch64 in an emulator
	$(MAKE) -C tests/ctest $(subst check-c,check,$@)

coverage: ## every branch of what checks arguments and works out shapes, in Python and in C, or a failure
	$(MAKE) -C tests/ctest coverage
	mkdir -p build
	$(PYTHON) -m coverage erase
	$(PYTHON) -m coverage run -m pytest -q tests/test_validation.py tests/test_ops_conv_pool.py
	$(PYTHON) -m coverage combine -q
	$(PYTHON) tools/coverage_of_shapes.py

lint:
	ruff check .
	ruff format --check .
	clang-format --dry-run --Werror csrc/*.[ch] csrc/*.inc csrc/isa/*.c tests/ctest/*.c tests/ctest/*.inc
	$(PYTHON) -m mypy

format:
	ruff check --fix .
	ruff format .
	clang-format -i csrc/*.[ch] csrc/*.inc csrc/isa/*.c tests/ctest/*.c tests/ctest/*.inc

docs: ## the site, in build/docs; needs the extra docs, and no network; FASTCNN_DOCS_EXECUTE=1 runs the tutorial for it
	$(PYTHON) -m sphinx --nitpicky --fail-on-warning --keep-going --quiet --jobs auto --doctree-dir build/doctrees docs build/docs

wheel:
	$(PYTHON) -m build

clean:
	rm -rf build dist docs/api/generated docs/tutorial.ipynb src/*.egg-info src/fastcnn/*.so tests/ctest/build
