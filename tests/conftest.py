"""What tests of several files share: the kernel sets, outputs that start as NaN, and Keras."""

import functools
import gc
import os

import numpy as np
import pytest
from explorer_browser import pages_of, running_browser
from kernels import OUTPUTS

from fastcnn import _core

# Work is shared out among threads however little it is: tests are small.
_core.set_least_share(0)


@pytest.fixture(params=[name for name, runs_here in _core.isas().items() if runs_here])
def isa(request):
    """Each kernel set that this machine can run, in turn; the one in use before is in use again afterwards."""
    before = _core.selected_isa()
    _core.select_isa(request.param)
    yield request.param
    _core.select_isa(before)


def with_unwritten_outputs(kernel, outputs):
    """Return `kernel` such that its last `outputs` arguments hold NaN, or the largest integer, when it is called."""

    @functools.wraps(kernel)
    def call(*arguments):
        for output in arguments[-outputs:]:
            if output is not None:
                output.fill(np.nan if output.dtype.kind == "f" else np.iinfo(output.dtype).max)
        return kernel(*arguments)

    return call


@pytest.fixture
def unwritten_outputs():
    """Fill every output with NaN before its kernel runs: what a kernel does not write cannot pass for a result."""
    with pytest.MonkeyPatch.context() as patch:  # not the fixture, which pytest-run-parallel takes for unsafe
        for name, outputs in OUTPUTS.items():
            patch.setattr(_core, name, with_unwritten_outputs(getattr(_core, name), outputs))
        yield


def pytest_collection_finish():
    """Spare the garbage collector the tests themselves, which are many and stay: a twentieth of the time of a run."""
    gc.freeze()


@pytest.fixture(scope="session")
def keras():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras

    gc.freeze()
    return keras


@pytest.fixture(scope="session")
def tensorflow(keras):
    import tensorflow

    return tensorflow


@pytest.fixture(scope="module")
def browser():
    with running_browser() as running:
        yield running


@pytest.fixture
def open_page(browser):
    with pages_of(browser) as open_at:
        yield open_at
