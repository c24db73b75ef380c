"""The fuzzer: what it found before, a small run of it, and whether it finds bugs that are put in its way."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fuzz.calls import Array
from fuzz.checking import Wrong, check, understood, use
from fuzz.choices import Choices, reduced
from fuzz.drawing import drawn
from fuzz.found import FOUND
from fuzz.operations import INTERNAL, OPERATIONS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernels import OUTPUTS, by_name

import fastcnn
from fastcnn import _core, ops, reference

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what a process has and does is told by /proc")


@pytest.fixture(autouse=True)
def same_settings():
    before = _core.selected_isa(), _core.get_num_threads(), _core.get_winograd()
    yield
    use(*before)


def calls_of(name, count, seed=0):
    """Calls of one operation, each with the decisions that it was drawn by."""
    for index in range(10**6):
        choices = Choices.at_random(seed, index)
        call = drawn(choices)
        if call.operation == name:
            yield call, choices.made
            count -= 1
        if count == 0:
            return


def run_python(*arguments):
    """What comes of Python in a process of its own, which finds the fuzzer."""
    paths = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    return subprocess.run([sys.executable, *arguments], env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True)


# --- Right code ----------------------------------------------------------------------------------------------------------


@by_name(FOUND)
def test_what_was_found_is_mended(name):
    check(FOUND[name])


def test_two_thousand_calls():
    """In processes of its own, for they might crash, or hang."""
    done = run_python("-m", "fuzz", "--calls", "2000", "--seed", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("2,000 calls: ")
    assert " 0 wrong" in done.stdout


@settings(max_examples=300, deadline=None, derandomize=True, database=None, suppress_health_check=[*HealthCheck])
@given(st.data())
def test_calls_that_hypothesis_draws(data):
    call = drawn(Choices(lambda count: data.draw(st.integers(0, count - 1))))
    check(call)


# --- The fuzzer itself ---------------------------------------------------------------------------------------------------


def test_every_operation_is_drawn():
    assert set(ops.__all__) == set(OPERATIONS) - set(INTERNAL)


def test_every_kernel_is_reached(monkeypatch):
    """But the generator of random numbers, and what drops numbers by these, which no reference has."""
    reached = set()

    def noted(name, kernel):
        return lambda *arguments: (reached.add(name), kernel(*arguments))[1]

    for name in OUTPUTS:
        monkeypatch.setattr(_core, name, noted(name, getattr(_core, name)))
    for name in OPERATIONS:
        for call, _ in calls_of(name, 40):
            check(call)
    assert set(OUTPUTS) - reached == {"uniform", "dropout"}


@by_name(sorted(set(OPERATIONS) & set(reference.__all__)))
def test_what_is_expected_is_what_the_reference_says(name):
    for call, _ in calls_of(name, 60):
        if call.comes != "a result":
            continue
        arguments = understood(call, {name: value for name, value in call.make().items() if name != "out"})
        with np.errstate(all="ignore"):
            expected = OPERATIONS[name].expected(0, **arguments)
            results = getattr(reference, name)(**arguments)
        for theirs, ours in zip(results if isinstance(results, tuple) else (results,), expected, strict=True):
            if ours is not None:
                ours.check(np.asarray(theirs, ours.dtype))


def without_nan(function):
    return lambda x, **options: function(np.nan_to_num(x, nan=-1.0), **options)


def one_pixel_off(function):
    def call(x, padding=0, **options):
        return function(
            x, padding=((padding - 1, padding + 1), (padding, padding)) if type(padding) is int and padding else padding, **options
        )

    return call


def strides_swapped(function):
    return lambda *, stride=1, **options: function(stride=stride[::-1] if isinstance(stride, tuple) else stride, **options)


def tail_of_channels_left_out(function):
    def call(**arguments):
        y = function(**arguments)
        y[..., y.shape[-1] // 8 * 8 :] = 0
        return y

    return call


def last_of_equals(function):
    def call(x, data_format="channels_last", return_indices=False, **options):
        results = function(x, data_format=data_format, return_indices=return_indices, **options)
        if return_indices:
            results[1][...] += (results[0] == 0) & (results[1] > 0)
        return results

    return call


def not_the_same_on_threads(function):
    def call(**arguments):
        p = function(**arguments)
        return np.nextafter(p, 0, dtype=p.dtype) if fastcnn.get_num_threads() == 3 else p

    return call


def argument_written(function):
    def call(x, **options):
        y = function(x, **options)
        if isinstance(x, np.ndarray) and x.flags.writeable and x.size:
            x.flat[-1] = 7
        return y

    return call


def padding_multiplied(function):
    """Padding is zeros, which Inf and NaN make NaN of."""

    def call(x, w, **options):
        y = function(x, w, **options)
        return y * (0 * np.sum(w) + 1) if options.get("padding") == "same" else y

    return call


def raised(error):
    def plant(function):
        def call(**arguments):
            try:
                return function(**arguments)
            except ValueError:
                raise error from None

        return call

    return plant


def anything_taken(function):
    return lambda x, axis=-1: function(x, axis=int(axis) if isinstance(axis, float) and axis == axis and abs(axis) < 9 else axis)


def half_written(function):
    def call(dy, x, w, out=(), **options):
        if isinstance(out, list) and out and isinstance(out[0], np.ndarray) and out[0].flags.writeable:
            out[0].fill(0)
        return function(dy, x, w, out=out, **options)

    return call


def in_float64(function):
    return lambda **arguments: function(**arguments).astype(np.float64)


PLANTED = {
    "NaN dropped": ("max_pool2d", without_nan),
    "padding off by one": ("conv2d", one_pixel_off),
    "strides swapped": ("im2col", strides_swapped),
    "strides of a gradient swapped": ("conv2d_transpose", strides_swapped),
    "the tail of the channels": ("dense", tail_of_channels_left_out),
    "ties": ("max_pool2d", last_of_equals),
    "threads": ("softmax", not_the_same_on_threads),
    "an argument written": ("relu", argument_written),
    "padding multiplied": ("conv2d", padding_multiplied),
    "another exception": ("avg_pool2d", raised(KeyError("stride"))),
    "nothing named": ("col2im", raised(ValueError("bad"))),
    "a float for an integer": ("softmax", anything_taken),
    "memory for results written in a refused call": ("conv2d_backward", half_written),
    "dtype": ("dense", in_float64),
}


@by_name(PLANTED)
def test_a_planted_bug_is_found_and_made_small(monkeypatch, name):
    operation, plant = PLANTED[name]
    monkeypatch.setattr(fastcnn, operation, plant(getattr(fastcnn, operation)))
    found = next((made for call, made in calls_of(operation, 500) if is_wrong(call)), None)
    assert found is not None
    small = drawn(Choices.again(reduced(found, lambda made: is_wrong(drawn(Choices.again(made))))))
    assert is_wrong(small)
    assert sum(np.prod(value.shape) for value in small.arguments.values() if isinstance(value, Array)) < 150


def is_wrong(call):
    try:
        check(call)
    except Wrong:
        return True
    return False


CRASH_AND_HANG = """
import os
import fastcnn
from fuzz import campaign

def relu(x):
    while True:
        pass

fastcnn.relu = relu
fastcnn.softmax = lambda x, axis=-1: os.abort()
campaign.HANG = 0.2
found, _ = campaign.run(30, seed=2)
print({what for _, what in found})
index = next(index for index, what in found if "crashed" in what)
print(campaign.smaller(2, index)[0])
"""


def test_a_crash_and_a_hang_are_found():
    done = run_python("-c", CRASH_AND_HANG)
    assert done.returncode == 0, done.stderr
    what, smallest = done.stdout.splitlines()
    assert what in ("{'crashed with exit code -6', 'took more than 0.2 s'}", "{'took more than 0.2 s', 'crashed with exit code -6'}")
    assert smallest.startswith("Call(operation='softmax'")
