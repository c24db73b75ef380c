"""The comparator can fail: what must pass passes, and what must not does not."""

import numpy as np
import pytest
from compare import assert_close, assert_gradient, assert_same_bits, error_bound, numerical_gradient, scale_of

DTYPES = [np.float32, np.float64]


@pytest.fixture
def expected():
    return np.random.default_rng(1).standard_normal((5, 7, 30))


# --- error_bound -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("terms", [1, 10, 1000])
def test_a_sum_in_any_order_is_within_the_bound(dtype, terms):
    rng = np.random.default_rng(terms)
    x, w = rng.standard_normal((2, terms, 2000)).astype(dtype)
    exact = (x.astype(np.longdouble) * w.astype(np.longdouble)).sum(axis=0).astype(np.float64)
    scale = scale_of(lambda x, w: (x * w).sum(axis=0), x, w)
    in_order = np.zeros(2000, dtype)
    for product in x * w:
        in_order += product
    assert_close(in_order, exact, terms=terms, scale=scale, dtype=dtype)
    assert_close((x * w).sum(axis=0), exact, terms=terms, scale=scale, dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("terms", [2, 10, 1000])
def test_a_product_left_out_is_seen(dtype, terms):
    x, w = np.random.default_rng(terms).choice([-1.0, 1.0], (2, terms)).astype(dtype)
    with pytest.raises(AssertionError, match="1 of 1 elements"):
        assert_close(np.dot(x[1:], w[1:]), np.dot(x, w), terms=terms, scale=float(terms))


def test_the_bound_grows_with_terms_scale_and_epsilon():
    assert error_bound(9, 1.0, np.float32) > error_bound(4, 1.0, np.float32)
    assert error_bound(4, 2.0, np.float64) == pytest.approx(2 * error_bound(4, 1.0, np.float64))
    assert error_bound(4, 1.0, np.float32) == pytest.approx(2**29 * error_bound(4, 1.0, np.float64))
    assert error_bound(4, 1.0, np.float64) == 6 * np.finfo(np.float64).eps


@pytest.mark.parametrize(("terms", "scale"), [(0, 1.0), (-1, 1.0), (3, -1.0), (3, [1.0, -1e-300])])
def test_nonsense_is_refused(terms, scale):
    with pytest.raises(ValueError, match="terms must be positive and scale not negative"):
        error_bound(terms, scale, np.float64)


# --- scale_of ----------------------------------------------------------------------------------------------------------


def test_scale_is_of_absolute_values_in_float64():
    scale = scale_of(np.dot, np.array([-128, 2], np.int8), [1, -3])
    assert scale == 134.0
    assert scale.dtype == np.float64


def test_scale_passes_none_and_options_on():
    assert scale_of(lambda x, b, shift: (x, b, shift), [-1.0], None, shift=-5) == ([1.0], None, -5)


# --- assert_close ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_equal_arrays_pass(expected, dtype):
    assert_close(expected.astype(dtype), expected.astype(dtype), terms=1, scale=0.0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("terms", [1, 50])
def test_half_the_bound_passes_and_twice_the_bound_fails(dtype, sign, terms):
    expected, scale = np.zeros(3), np.array([1.0, 10.0, 100.0])
    bound = sign * error_bound(terms, scale, dtype)
    assert_close((0.5 * bound).astype(dtype), expected, terms=terms, scale=scale, dtype=dtype)
    with pytest.raises(AssertionError, match=r"3 of 3 elements .* 2 times the bound"):
        assert_close((2 * bound).astype(dtype), expected, terms=terms, scale=scale, dtype=dtype)


def test_each_element_has_its_own_scale():
    expected, scale = np.zeros(3), np.array([1.0, 100.0, 100.0])
    actual = np.full(3, 2 * float(error_bound(4, 1.0, np.float64)))
    with pytest.raises(AssertionError, match=r"1 of 3 elements are wrong; the worst is at \(0,\)"):
        assert_close(actual, expected, terms=4, scale=scale)


def test_one_wrong_element_among_thousands_is_found_and_named():
    expected = np.random.default_rng(2).standard_normal((50, 10, 20))
    actual = expected.copy()
    actual[31, 4, 15] += 1e-9
    value, wanted = map(repr, (actual[31, 4, 15], expected[31, 4, 15]))
    with pytest.raises(AssertionError, match=r"1 of 10000 elements are wrong; the worst is at \(31, 4, 15\)") as failure:
        assert_close(actual, expected, terms=9, scale=10.0)
    assert f"got {value}, expected {wanted}, off by 1e-09" in str(failure.value)


def test_the_worst_element_is_the_one_furthest_beyond_its_bound():
    with pytest.raises(AssertionError, match=r"2 of 3 elements are wrong; the worst is at \(2,\)"):
        assert_close(np.array([0.0, 1.0, 0.5]), np.zeros(3), terms=1, scale=[1.0, 1000.0, 1.0])


@pytest.mark.parametrize("scale", [0.0, np.inf, np.nan])
def test_a_scale_of_zero_or_none_demands_exactness(expected, scale):
    assert_close(expected, expected, terms=100, scale=scale)
    actual = expected.copy()
    actual[0, 0, 0] = np.nextafter(actual[0, 0, 0], 9)
    with pytest.raises(AssertionError, match="inf times the bound"):
        assert_close(actual, expected, terms=100, scale=scale)


def test_wrong_shape_fails_even_where_it_would_broadcast(expected):
    for actual in (expected[:1], expected[..., np.newaxis], expected.swapaxes(0, 1)):
        with pytest.raises(AssertionError, match="shape must be"):
            assert_close(actual, expected, terms=1, scale=1.0)


def test_a_scale_of_another_shape_is_refused(expected):
    with pytest.raises(ValueError, match="broadcast"):
        assert_close(expected, expected, terms=1, scale=np.ones(29))


@pytest.mark.parametrize("wrong", [np.float32, np.float16, ">f8", np.int64])
def test_wrong_dtype_fails(expected, wrong):
    whole = np.rint(expected)
    with pytest.raises(AssertionError, match="dtype must be float64"):
        assert_close(whole.astype(wrong), whole, terms=1, scale=1.0)


def test_dtype_sets_both_the_dtype_and_the_precision(expected):
    rounded = expected.astype(np.float32)
    assert_close(rounded, expected, terms=1, scale=np.abs(expected), dtype=np.float32)
    with pytest.raises(AssertionError, match="elements are wrong"):
        assert_close(rounded.astype(np.float64), expected, terms=1, scale=np.abs(expected))
    with pytest.raises(AssertionError, match="dtype must be float32"):
        assert_close(expected, expected, terms=1, scale=1.0, dtype=np.float32)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_and_infinity_must_be_where_they_are_expected(dtype, special):
    plain, marked = np.ones((3, 4), dtype), np.ones((3, 4), dtype)
    marked[1, 2] = special
    assert_close(marked, marked, terms=1000, scale=1e30)
    for actual, expected in ((marked, plain), (plain, marked)):
        with pytest.raises(AssertionError, match=r"1 of 12 elements are wrong; the worst is at \(1, 2\)"):
            assert_close(actual, expected, terms=1000, scale=1e30)


@pytest.mark.parametrize(("actual", "expected"), [(np.inf, -np.inf), (np.inf, np.nan), (np.nan, -np.inf)])
def test_nan_and_the_infinities_differ(actual, expected):
    with pytest.raises(AssertionError, match="1 of 1 elements"):
        assert_close(np.array([actual]), np.array([expected]), terms=1, scale=np.inf)


def test_a_value_too_large_for_the_dtype_is_expected_to_overflow():
    assert_close(np.array([np.inf], np.float32), np.array([1e39]), terms=1, scale=1e39, dtype=np.float32)


def test_the_sign_of_a_zero_does_not_matter():
    assert_close(np.array([-0.0, 0.0]), np.array([0.0, -0.0]), terms=1, scale=0.0)


def test_subnormal_results_may_be_off_by_subnormal_numbers_only():
    tiny = np.finfo(np.float32).smallest_subnormal
    assert_close(np.array([1000 * tiny]), np.array([1001 * float(tiny)]), terms=1, scale=1001 * float(tiny), dtype=np.float32)
    with pytest.raises(AssertionError, match="1 of 1 elements"):  # flushed to zero
        assert_close(np.zeros(1, np.float32), np.array([1001 * float(tiny)]), terms=1, scale=1001 * float(tiny), dtype=np.float32)


def test_empty_arrays_and_scalars_compare():
    assert_close(np.empty((0, 3)), np.empty((0, 3)), terms=1, scale=1.0)
    assert_close(1.5, 1.5, terms=1, scale=0.0)
    with pytest.raises(AssertionError, match=r"the worst is at \(\)"):
        assert_close(1.5, 2.5, terms=1, scale=1.0)


# --- assert_same_bits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, bool])
def test_same_bits_pass_in_any_memory_order(dtype):
    array = np.arange(24).reshape(4, 6).astype(dtype)
    assert_same_bits(np.asfortranarray(array), array)
    assert_same_bits(array[::-1, ::2], array[::-1, ::2].copy())
    assert_same_bits(array[:0], array[:0])
    assert_same_bits(array[1, 1:2].reshape(()), array[1, 1:2].reshape(()))


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_has_the_bits_of_nan(dtype):
    assert_same_bits(np.array([np.nan, 1], dtype), np.array([np.nan, 1], dtype))
    with pytest.raises(AssertionError, match=r"1 of 2 elements have other bits; the first is at \(0,\)"):
        assert_same_bits(np.array([np.nan, 1], dtype), np.array([-np.array(np.nan, dtype), 1], dtype))


@pytest.mark.parametrize(("actual", "expected"), [(0.0, -0.0), (1.0, np.nextafter(1.0, 2)), (np.nan, 1.0), (np.inf, -np.inf)])
def test_other_bits_fail(actual, expected):
    array = np.zeros((40, 50))
    other = array.copy()
    array[12, 34], other[12, 34] = actual, expected
    with pytest.raises(AssertionError, match=r"1 of 2000 elements have other bits; the first is at \(12, 34\)"):
        assert_same_bits(array, other)


def test_bits_of_another_shape_or_dtype_fail():
    array = np.zeros((2, 3))
    with pytest.raises(AssertionError, match="shape must be"):
        assert_same_bits(array, array[:1])
    with pytest.raises(AssertionError, match="dtype must be int64, got float64"):
        assert_same_bits(array, array.astype(np.int64))


# --- gradients ---------------------------------------------------------------------------------------------------------


def test_numerical_gradient_of_a_linear_function_is_its_matrix():
    matrix = np.array([[1.0, -2.0, 3.0], [0.0, 5.0, -7.0]])
    np.testing.assert_allclose(numerical_gradient(lambda x: matrix @ x, np.ones(3), [2.0, -1.0]), [2.0, -9.0, 13.0], rtol=1e-10)


@pytest.mark.parametrize(
    ("f", "slope"), [(np.sin, np.cos), (np.exp, np.exp), (np.square, lambda x: 2 * x), (np.negative, lambda x: 0 * x - 1)]
)
def test_right_gradients_pass_and_wrong_ones_fail(f, slope):
    rng = np.random.default_rng(3)
    x, dy = rng.standard_normal((2, 4, 5))
    gradient, options = dy * slope(x), {"terms": 1, "scale": np.abs(f(x))}
    assert_gradient(gradient, f, x, dy, **options)
    for wrong in (gradient * 1.0001, -gradient, gradient / dy, np.where(np.arange(5) == 3, gradient + 1e-4, gradient)):
        with pytest.raises(AssertionError, match="elements are wrong"):
            assert_gradient(wrong, f, x, dy, **options)


def test_gradients_of_another_shape_or_dtype_fail():
    x = np.ones((2, 3))
    with pytest.raises(AssertionError, match="shape must be"):
        assert_gradient(np.ones((3, 2)), np.negative, x, x, terms=1, scale=1.0)
    with pytest.raises(AssertionError, match="dtype must be float64"):
        assert_gradient(-np.ones((2, 3), np.float32), np.negative, x, x, terms=1, scale=1.0)


def test_a_function_in_single_precision_cannot_be_differentiated():
    with pytest.raises(TypeError, match="f must work in float64"):
        numerical_gradient(lambda x: x.astype(np.float32), np.ones(3), np.ones(3))
