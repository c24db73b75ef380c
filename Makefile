# For those who work on fastcnn; users need only pip.
PYTHON ?= python

.PHONY: develop debug test check-c asan tsan neon shapes shapes-check shapes-asan valgrind lint format docs wheel clean

develop: ## build in place; Python files are used where they are
	$(PYTHON) -m pip install -e '.[test,dev]'

debug: ## the same with asserts in C and bounds checks in Cython
	FASTCNN_DEBUG=1 $(PYTHON) -m pip install -e '.[test,dev]'

test:
	$(PYTHON) -m pytest

check-c asan tsan neon shapes shapes-check shapes-asan valgrind: ## the C kernels without Python, in ways that tests/ctest/Makefile tells
	$(MAKE) -C tests/ctest $(subst check-c,check,$@)

lint:
	ruff check .
	ruff format --check .
	clang-format --dry-run --Werror csrc/*.[ch] csrc/*.inc csrc/isa/*.c tests/ctest/*.[ch] tests/ctest/*.inc
	$(PYTHON) -m mypy

format:
	ruff check --fix .
	ruff format .
	clang-format -i csrc/*.[ch] csrc/*.inc csrc/isa/*.c tests/ctest/*.[ch] tests/ctest/*.inc

docs: ## the site, in build/docs; needs the extra docs, and no network; FASTCNN_DOCS_EXECUTE=1 runs the tutorial for it
	$(PYTHON) -m sphinx --nitpicky --fail-on-warning --keep-going --quiet --jobs auto --doctree-dir build/doctrees docs build/docs

wheel:
	$(PYTHON) -m build

clean:
	rm -rf build dist docs/api/generated docs/tutorial.ipynb src/*.egg-info src/fastcnn/*.so tests/ctest/build
