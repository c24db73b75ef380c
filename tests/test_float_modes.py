"""How a thread rounds, and whether it keeps subnormal numbers, is its own affair: kernels follow it on every thread, and leave it so."""

import contextlib
import ctypes
import ctypes.util
import platform
import subprocess
import sys

import numpy as np
import pytest
from compare import assert_same_bits
from kernels import DTYPES, LONG, on_both_dtypes, winograd
from operations import NETWORKS, OPERATIONS, arrays_of, assert_all_same_bits, results_of

import fastcnn

pytestmark = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64") or sys.platform != "linux", reason="this is how glibc keeps x86's registers"
)

#: Bits of MXCSR: what operations found, which is no mode; what makes it round up; what makes subnormal results, and arguments, zeros.
FLAGS, UPWARD, FLUSH = 0x3F, 0x4000, 0x8040
ENVIRONMENT_BYTES, MXCSR_AT = 32, 28  # of glibc's fenv_t


def environment():
    """This thread's floating-point environment: bytes that `ctypes` gives back to `fesetenv`."""
    buffer = ctypes.create_string_buffer(ENVIRONMENT_BYTES)
    assert ctypes.CDLL(ctypes.util.find_library("m")).fegetenv(buffer) == 0
    return buffer


def mode():
    """The modes in this thread's MXCSR."""
    return int.from_bytes(environment()[MXCSR_AT:], "little") & ~FLAGS


@contextlib.contextmanager
def changed(bits):
    """Have these bits in this thread's MXCSR."""
    before, buffer = environment(), environment()
    buffer[MXCSR_AT:] = (int.from_bytes(before[MXCSR_AT:], "little") | bits).to_bytes(4, "little")
    libm = ctypes.CDLL(ctypes.util.find_library("m"))
    assert libm.fesetenv(buffer) == 0
    try:
        yield
    finally:
        assert libm.fesetenv(before) == 0


@pytest.mark.parametrize("bits", [0, UPWARD, FLUSH, UPWARD | FLUSH])
def test_calls_leave_the_mode_as_it_is(isa, bits):
    with changed(bits), fastcnn.num_threads(3):
        before = mode()
        assert before & bits == bits
        for name in (*OPERATIONS, *NETWORKS) * (300 if LONG else 1):
            results_of(name, arrays_of(name, np.float32))
            assert mode() == before


def test_the_import_leaves_the_mode_as_it_is():
    code = "import sys; sys.path[:0] = sys.argv[1:]; import numpy; from test_float_modes import mode; print(mode())"
    command = [sys.executable, "-c", code, *sys.path]
    with_import = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert int(with_import) == mode() == 0x1F80


@pytest.mark.parametrize("bits", [UPWARD, FLUSH])
@pytest.mark.parametrize(("name", "dtype"), [(name, dtype) for name in OPERATIONS for dtype in DTYPES])
def test_every_thread_computes_in_the_callers_mode(name, dtype, bits):
    """Whoever computes a number: the bits are those of the caller alone, before and after its mode has changed."""
    arrays = [array * array.dtype.type(1e-25 if dtype is np.float32 else 1e-160) for array in arrays_of(name, dtype)]
    usual = results_of(name, arrays)
    with changed(bits):
        with fastcnn.num_threads(1):
            alone = results_of(name, arrays)
        with fastcnn.num_threads(3):
            assert_all_same_bits(results_of(name, arrays), alone)
    with fastcnn.num_threads(3):
        assert_all_same_bits(results_of(name, arrays), usual)


@on_both_dtypes
@pytest.mark.parametrize("groups", [1, 8, 32])
def test_subnormal_numbers_pass_through_an_identity(isa, dtype, groups):
    """By each direct method, and by Winograd's with tiles of each size, forward and back."""
    x = np.full((2, 9, 7, 32), np.finfo(dtype).smallest_subnormal)
    x[..., ::3] *= -5
    w = np.zeros((3, 3, 32 // groups, 32), dtype)
    w[1, 1] = np.tile(np.eye(32 // groups, dtype=dtype), groups)
    few = x[..., :3].copy()
    w_few = np.zeros((3, 3, 3, 32), dtype)
    w_few[1, 1, :, :3] = np.eye(3)
    for method in (0, 3, 4, 5):
        with winograd(method), fastcnn.num_threads(2):
            assert_same_bits(fastcnn.conv2d(x, w, padding=1, groups=groups), x)
            assert_same_bits(fastcnn.conv2d_backward(x, x, w, padding=1, groups=groups)[0], x)
            assert_same_bits(fastcnn.conv2d_backward(x, few, w_few, padding=1)[0], few)
