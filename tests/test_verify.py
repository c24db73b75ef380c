"""`fastcnn.verify`: planted bugs are named, right functions pass, and nothing is claimed that is not so."""

import contextlib
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from planted_bugs import RIGHT, WRONG, convolutions, dense, gradients, plane, pooling

import fastcnn
from fastcnn.teaching.verification import binding, cases, operations, running, tables
from fastcnn.teaching.verification.running import agree, time_limit

pytest_plugins = ["pytester"]

NO_FUNCTIONS_OF_ONE_ARRAY = {"explain_conv", "conv2d_transpose_backward"}


def named(planted):
    return [pytest.param(*arguments, id=arguments[0].__name__) for arguments in planted]


@pytest.fixture(autouse=True)
def no_timing(monkeypatch, request):
    """Do without the time of large problems, except where it is looked at."""
    if "speed" not in request.node.name:
        monkeypatch.setattr("fastcnn.teaching.verification.verifying.compare_speed", lambda binding, form: "")


# --- Right and wrong functions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function, like", named(RIGHT))
def test_right_functions_pass(function, like):
    verification = fastcnn.verify(function, like)
    assert verification, verification
    assert verification.passed == verification.count > 3
    assert verification.cause is None


@pytest.mark.parametrize("function, like, bugs", named(WRONG))
def test_bugs_are_named(function, like, bugs):
    verification = fastcnn.verify(function, like)
    assert not verification
    assert verification.cause is not None, verification
    assert set(verification.cause.names) == set(bugs), verification
    assert all(bug.sentence in str(verification) for bug in verification.cause.bugs)


@pytest.mark.parametrize("name", sorted(set(fastcnn.ops.__all__) - NO_FUNCTIONS_OF_ONE_ARRAY))
@pytest.mark.parametrize("module", [fastcnn, fastcnn.reference])
def test_our_own_functions_pass(module, name):
    assert fastcnn.verify(getattr(module, name))


def twins(name):
    """Yield each bug that is tried for an operation, and whether its twin differs from the reference in any case."""
    operation = operations.OPERATIONS[name]
    bound = binding.bind(getattr(fastcnn.reference, name), operation)
    form, right = operation.forms[0], operation.runner(fastcnn.reference)
    chosen, _ = cases.cases_of(operation, form, bound.offered, bound.required)

    def results(run, case):
        try:
            return operation.call(run, form, case.arrays(operation), case.options)
        except Exception:
            return ()

    with np.errstate(all="ignore"):
        expected = [results(right, case) for case in chosen]
        for bug in tables.BUGS[name]:
            given = [results(bug.twin(right), case) for case in chosen]
            pairs = [pair for pair in zip(given, expected, strict=True) if pair[0]]
            yield bug.name, not all(agree(mine, right, 1e-9) for both in pairs for mine, right in zip(*both, strict=True))


def test_every_hypothesis_is_about_something_wrong():
    found = [twin for name in tables.BUGS for twin in twins(name)]
    assert {name for name, _ in found} == {name for name, differs in found if differs}


# --- Nothing is claimed that is not so ------------------------------------------------------------------------------------


def off_by_one_number(image, kernel, bias=0, stride=1):
    return plane.from_the_tutorial(image, kernel, bias, stride) + 0.125


def twice(image, kernel, bias=0, stride=1):
    return 2 * plane.from_the_tutorial(image, kernel, bias, stride)


def wrong_corner(image, kernel, bias=0, stride=1):
    result = plane.from_the_tutorial(image, kernel, bias, stride)
    result[0, 0] += 1
    return result


def wrong_with_stride(image, kernel, bias=0, stride=1):
    return plane.from_the_tutorial(image, kernel, bias, stride) + (stride > 1) * 3.25 * image[0, 0]


def wrong_where_negative(x):
    return np.where(x < 0, 3.25 * x * x, x)


@pytest.mark.parametrize(
    "function, like, hint",
    [
        (off_by_one_number, "convolve2d", "off by the same: 0.125"),
        (twice, "convolve2d", "the right ones times 2"),
        (wrong_corner, "convolve2d", "only the border"),
        (wrong_with_stride, "convolve2d", "with a stride other than 1 fail, all of them and no others"),
        (wrong_where_negative, "relu", ""),
    ],
)
def test_a_bug_without_a_name_gets_none(function, like, hint):
    verification = fastcnn.verify(function, like)
    assert not verification and verification.cause is None
    assert "No known cause fits" in str(verification)
    assert any(hint in told for told in [*verification.hints, ""])


def test_the_failing_case_can_be_repeated():
    verification = fastcnn.verify(plane.flips, "convolve2d")
    call = re.search(r"^    (flips\(.*\))$", str(verification), re.MULTILINE)[1]
    outcome = verification.failures[0]
    np.testing.assert_array_equal(eval(call, {"np": np, "flips": plane.flips}), outcome.got[0])
    np.testing.assert_array_equal(eval(call, {"np": np, "flips": fastcnn.convolve2d}), outcome.expected[0])


# --- Whatever a function does ---------------------------------------------------------------------------------------------


def test_exceptions_are_told_with_their_line():
    def convolve2d(image, kernel):
        return image[100]

    text = str(fastcnn.verify(convolve2d))
    assert "IndexError" in text and "test_verify.py" in text and "return image[100]" in text


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers")
def test_endless_loops_end(monkeypatch):
    def relu(x):
        while True:
            with contextlib.suppress(Exception):
                time.sleep(0.01)

    monkeypatch.setattr(running, "LIMIT", 0.2)
    start = time.monotonic()
    text = str(fastcnn.verify(relu))
    assert "No answer after 0.2 s: does a loop never end?" in text
    assert time.monotonic() - start < 10


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers")
def test_another_timer_goes_on():
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(True))
    try:
        signal.setitimer(signal.ITIMER_REAL, 30)
        with time_limit(1):
            pass
        assert 20 < signal.getitimer(signal.ITIMER_REAL)[0] <= 30
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.raise_signal(signal.SIGALRM)
        assert rung == [True]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_it_works_in_a_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(fastcnn.verify(dense.relu_of_the_tutorial, "relu")))
    thread.start()
    thread.join()
    assert found[0]


def test_a_changed_input_is_told():
    def relu(x):
        x[x < 0] = 0
        return x

    verification = fastcnn.verify(relu)
    assert not verification
    assert "It changes its input x." in str(verification)


@pytest.mark.parametrize(
    "result, told", [(None, "None"), ("text", "no array of numbers"), ([[1], [1, 2]], "lengths differ"), (1j, "complex")]
)
def test_results_of_no_use_are_told(result, told):
    def relu(x):
        return result

    assert told in str(fastcnn.verify(relu))


def test_prints_and_warnings_stay_inside(capsys):
    def relu(x):
        print("here")
        return np.sqrt(-1.0 * np.ones(x.shape))

    assert not fastcnn.verify(relu)
    assert capsys.readouterr().out == ""


# --- What is asked for ----------------------------------------------------------------------------------------------------


def test_what_is_not_offered_is_said():
    def conv2d(x, w):
        return fastcnn.conv2d(x, w)

    verification = fastcnn.verify(conv2d)
    assert verification
    assert re.search("Not tested.*stride, padding, dilation, groups", str(verification))


def test_nan_can_be_left_out():
    assert not fastcnn.verify(pooling.compares, "max_pool2d")
    verification = fastcnn.verify(pooling.compares, "max_pool2d", nan=False)
    assert verification and "NaN" in verification.untested


@pytest.mark.parametrize("like", ["conv2d", fastcnn.conv2d, fastcnn.reference.conv2d])
def test_like_is_a_name_or_a_function(like):
    assert fastcnn.verify(lambda x, w: fastcnn.conv2d(x, w), like)


@pytest.mark.parametrize(
    "name, operation", [("student_maxpool", "max_pool2d"), ("MyConv2D", "conv2d"), ("naive_avg_pool_grad", "avg_pool2d_backward")]
)
def test_the_name_says_which_operation(name, operation):
    def function(*arguments, **options):
        return getattr(fastcnn, operation)(*arguments, **options)

    function.__name__ = name
    assert f"like {operation} " in str(fastcnn.verify(function))


def test_unknown_names_and_parameters_are_errors():
    with pytest.raises(ValueError, match=r"'mystery'.*conv2d"):
        fastcnn.verify(lambda x: x, "mystery")
    with pytest.raises(TypeError, match="'other'"):
        fastcnn.verify(lambda x, other: x, "relu")
    with pytest.raises(ValueError, match="forward"):
        fastcnn.verify(dense.relu_by_mask, "relu", forward=fastcnn.relu)


# --- Gradients by central differences -------------------------------------------------------------------------------------


def test_central_differences_speak_for_the_reference():
    text = str(fastcnn.verify(gradients.takes_dy_for_ones, "conv2d_backward"))
    expected = re.search(r"expected (\S+), got", text)[1]
    assert f"by {expected} per unit" in text


def flipping(x, w, b=None, stride=1, padding=0):
    return convolutions.padded_loops(x, w[::-1, ::-1], b, stride, padding)


def gradient_of_flipping(dy, x, w, stride=1, padding=0):
    dx, dw, db = gradients.gradient_by_loops(dy, x, w[::-1, ::-1], stride, padding)
    return dx, dw[::-1, ::-1], db


def test_a_gradient_is_that_of_the_forward_given():
    assert fastcnn.verify(gradients.gradient_by_loops, "conv2d_backward", forward=convolutions.padded_loops)
    assert fastcnn.verify(gradient_of_flipping, "conv2d_backward", forward=flipping)
    assert not fastcnn.verify(gradient_of_flipping, "conv2d_backward")
    verification = fastcnn.verify(gradients.gradient_by_loops, "conv2d_backward", forward=flipping)
    assert verification.cause.names == ("of another forward",)


# --- Speed, imports, the plugin -------------------------------------------------------------------------------------------


def test_the_speed_is_told():
    assert re.search(r"Speed \(.*\): .* fastcnn .* times as fast", str(fastcnn.verify(plane.from_the_tutorial, "convolve2d")))


def test_import_stays_light():
    code = "import sys, fastcnn; assert 'fastcnn.teaching' not in sys.modules; fastcnn.verify; assert 'pytest' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    code = "import sys, pytest_fastcnn; assert not {'numpy', 'fastcnn'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_fixture_fails_with_the_report(pytester):
    pytester.makepyfile(
        """
        import numpy as np

        def relu(x):
            return np.maximum(x, 0)

        def wrong_relu(x):
            return np.abs(x)

        def test_right(verify):
            assert verify(relu)

        def test_wrong(verify):
            verify(wrong_relu, nan=False)
        """
    )
    result = pytester.runpytest_subprocess("-p", "pytest_fastcnn")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*wrong_relu, like relu*", "*negative numbers lose their sign*"])
