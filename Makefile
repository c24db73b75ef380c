# For those who work on fastcnn; users need only pip.
PYTHON ?= python

.PHONY: develop debug test parallel long check-c asan tsan neon shapes shapes-check shapes-asan valgrind fuzz fuzz-asan asan-python coverage lint format docs wheel clean

develop: ## build in place; Python files are used where they are
	$(PYTHON) -m pip install -e '.[test,dev]'

debug: ## the same with asserts in C and bounds checks in Cython
	FASTCNN_DEBUG=1 $(PYTHON) -m pip install -e '.[test,dev]'

test:
	$(PYTHON) -m pytest

parallel: ## each test of a kernel on four threads of Python at once
	$(PYTHON) -m pytest -q --parallel-threads=4 $(addprefix tests/test_,activations.py inference.py invariance.py normalization.py ops_*.py random.py winograd.py)

long: ## trainings that are killed, threads, forks and Ctrl-C, as often as CONTRIBUTING.md says
	FASTCNN_LONG=1 $(PYTHON) -m pytest -q $(addprefix tests/test_,crashes.py float_modes.py forks.py interrupts.py invariance.py)

check-c asan tsan neon shapes shapes-check shapes-asan valgrind: ## the C kernels without Python, in ways that tests/ctest/Makefile tells
	$(MAKE) -C tests/ctest $(subst check-c,check,$@)

CALLS ?= 1000000
SEED ?= 0
JOBS ?= $(shell nproc)

fuzz: ## CALLS of the kernels, drawn from SEED, against the reference, by JOBS processes
	PYTHONPATH=tests:$(PYTHONPATH) $(PYTHON) -m fuzz --calls $(CALLS) --seed $(SEED) --jobs $(JOBS)

SANITIZED := build/sanitized
SANITIZE := -fsanitize=address,undefined
# What Python itself keeps until its end would pass for leaks. The sanitizer looks for C++'s exceptions, which other extensions throw, when it begins.
UNDER_SANITIZERS := LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libstdc++.so.6)" \
  ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 PYTHONPATH=$(SANITIZED)/lib:tests

.PHONY: sanitized
sanitized: ## a debug build under AddressSanitizer and UndefinedBehaviorSanitizer, in a folder of its own
	rm -rf $(SANITIZED) && mkdir -p $(SANITIZED)/from
	cp -r csrc src pyproject.toml setup.py README.md LICENSE $(SANITIZED)/from
	FASTCNN_DEBUG=1 CFLAGS="$(SANITIZE) -fno-sanitize-recover=all" LDFLAGS="$(SANITIZE)" \
	  $(PYTHON) -m pip install --quiet --no-deps --target $(SANITIZED)/lib $(SANITIZED)/from

fuzz-asan: sanitized ## the same as fuzz with that build
	$(UNDER_SANITIZERS) $(PYTHON) -m fuzz --calls $(CALLS) --seed $(SEED) --jobs $(JOBS)

# Not what measures or limits memory, of which the sanitizer takes most; what runs a browser, or C by itself; what crashes on purpose; nor 3e9
# products, which take it longer than a hang may.
asan-python: sanitized ## all other tests with that build
	$(UNDER_SANITIZERS) $(PYTHON) -m pytest -q --numprocesses=$(JOBS) tests -k "not is_the_failure_of_its_case and not 3e9" \
	  $(addprefix --ignore=tests/test_,leaks.py memory.py out_of_memory.py explorer_browser.py explorer_demo.py ctest.py)

coverage: ## every branch of what checks arguments and works out shapes, in Python and in C, or a failure
	$(MAKE) -C tests/ctest coverage
	mkdir -p build
	$(PYTHON) -m coverage erase
	$(PYTHON) -m coverage run -m pytest -q $(addprefix tests/test_,foreign_arrays.py ops_conv_pool.py validation.py)
	$(PYTHON) -m coverage combine -q
	$(PYTHON) tools/coverage_of_shapes.py

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
