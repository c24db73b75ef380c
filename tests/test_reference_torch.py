"""The specification against PyTorch: results and gradients, where both have the same rules."""

import numpy as np
import pytest
from compare import assert_close, assert_same_bits, scale_of
from reference_cases import CONVOLUTIONS, POOLINGS, TRANSPOSED, by_name, convolution_of, signed, transposed_of

from fastcnn import reference


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def torch_results(torch, operation, arrays, dy):
    """Return the result of a PyTorch operation and its gradients for `dy`, as NumPy arrays."""
    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    y = operation(*tensors)
    y.backward(torch.tensor(dy))
    return [tensor.detach().numpy() for tensor in (y, *(tensor.grad for tensor in tensors))]


def assert_all_close(actual, expected, *, terms, scales):
    assert len(actual) == len(expected) == len(scales)
    for ours, theirs, scale in zip(actual, expected, scales, strict=True):
        assert_close(ours, theirs, terms=terms, scale=scale)


def with_numbers_for_padding(cases):
    """Run a test on the batches among `cases` whose padding is not a rule's name, for PyTorch has other rules."""
    return by_name({name: case for name, case in cases.items() if len(case[0]) == 4 and not isinstance(case[2].get("padding"), str)})


def sides(padding=0, **options):
    """Return the padding as (top, bottom, left, right), and the other options that PyTorch knows too."""
    height, width = padding if np.ndim(padding) else (padding, padding)
    options.pop("data_format", None)
    return [int(side) for side in (*np.broadcast_to(height, 2), *np.broadcast_to(width, 2))], options


@with_numbers_for_padding(CONVOLUTIONS)
def test_conv2d_is_pytorchs(rng, torch, case):
    x, w, b, options = convolution_of(case, rng)
    (top, bottom, left, right), torch_options = sides(**options)
    last = options.get("data_format") != "channels_first"

    def operation(x, w, b):
        x = torch.nn.functional.pad(x.permute(0, 3, 1, 2) if last else x, (left, right, top, bottom))
        y = torch.nn.functional.conv2d(x, w.permute(3, 2, 0, 1).contiguous(), b, **torch_options)
        return y.permute(0, 2, 3, 1) if last else y

    y = reference.conv2d(x, w, b, **options)
    dy = rng.standard_normal(y.shape)
    results = [y, *reference.conv2d_backward(dy, x, w, **options)]
    scales = [scale_of(reference.conv2d, x, w, b, **options), *scale_of(reference.conv2d_backward, dy, x, w, **options)]
    assert_all_close(results, torch_results(torch, operation, (x, w, b), dy), terms=w.size + dy.size, scales=scales)


@with_numbers_for_padding(TRANSPOSED)
def test_conv2d_transpose_is_pytorchs(rng, torch, case):
    x, w, b, options = transposed_of(case, rng)
    (top, bottom, left, right), torch_options = sides(**options)
    last = options.get("data_format") != "channels_first"

    def operation(x, w, b):
        x = x.permute(0, 3, 1, 2) if last else x
        y = torch.nn.functional.conv_transpose2d(x, w.permute(3, 2, 0, 1).contiguous(), b, **torch_options)
        y = y[:, :, top : y.shape[2] - bottom, left : y.shape[3] - right]
        return y.permute(0, 2, 3, 1) if last else y

    y = reference.conv2d_transpose(x, w, b, **options)
    dy = rng.standard_normal(y.shape)
    backward = reference.conv2d_transpose_backward
    results = [y, *backward(dy, x, w, **options)]
    scales = [scale_of(reference.conv2d_transpose, x, w, b, **options), *scale_of(backward, dy, x, w, **options)]
    assert_all_close(results, torch_results(torch, operation, (x, w, b), dy), terms=w.size + dy.size, scales=scales)


@by_name(POOLINGS)
@pytest.mark.parametrize("dilation", [1, 2, (2, 1)])
def test_max_pool2d_is_pytorchs(rng, torch, case, dilation):
    shape, options = case
    x = rng.integers(-9, -2, shape).astype(float)  # negative, to lose against a padding of zeros, and with many ties
    y, indices = reference.max_pool2d(x, return_indices=True, dilation=dilation, data_format="channels_first", **options)
    dy = rng.standard_normal(y.shape)
    dx = reference.max_pool2d_backward(dy, indices, shape, data_format="channels_first")

    torch_options = {"kernel_size" if name == "pool_size" else name: value for name, value in options.items()}
    pool = torch.nn.MaxPool2d(return_indices=True, dilation=dilation, **torch_options)
    torch_y, torch_dx = torch_results(torch, lambda x: pool(x)[0], [x], dy)
    assert_same_bits(y, torch_y)
    assert_same_bits(indices, pool(torch.tensor(x))[1].numpy())
    assert_close(dx, torch_dx, terms=9, scale=reference.max_pool2d_backward(np.abs(dy), indices, shape, data_format="channels_first"))


@by_name(POOLINGS)
@pytest.mark.parametrize("count_include_pad", [False, True])
def test_avg_pool2d_is_pytorchs(rng, torch, case, count_include_pad):
    shape, options = case
    x = rng.standard_normal(shape)
    torch_options = {"kernel_size" if name == "pool_size" else name: value for name, value in options.items()}
    pool = torch.nn.AvgPool2d(count_include_pad=count_include_pad, **torch_options)
    options = {**options, "count_include_pad": count_include_pad, "data_format": "channels_first"}
    y = reference.avg_pool2d(x, **options)
    dy = rng.standard_normal(y.shape)
    results = [y, reference.avg_pool2d_backward(dy, shape, **options)]
    scales = [scale_of(reference.avg_pool2d, x, **options), scale_of(reference.avg_pool2d_backward, dy, input_shape=shape, **options)]
    assert_all_close(results, torch_results(torch, pool, [x], dy), terms=12, scales=scales)


@pytest.mark.parametrize(
    "options", [{}, {"stride": (2, 1)}, {"padding": (1, 2)}, {"dilation": (1, 2)}, {"stride": 2, "padding": (2, 1), "dilation": 2}]
)
def test_im2col_and_col2im_are_pytorchs_unfold_and_fold(rng, torch, options):
    x = rng.standard_normal((2, 3, 5, 6))
    cols = reference.im2col(x, (2, 3), data_format="channels_first", **options)
    assert_same_bits(cols, torch.nn.functional.unfold(torch.tensor(x), (2, 3), **options).numpy())
    folded = reference.col2im(cols, x.shape, (2, 3), data_format="channels_first", **options)
    scale = scale_of(reference.col2im, cols, input_shape=x.shape, kernel_size=(2, 3), data_format="channels_first", **options)
    assert_close(folded, torch.nn.functional.fold(torch.tensor(cols), (5, 6), (2, 3), **options).numpy(), terms=6, scale=scale)


def test_dense_and_the_activations_are_pytorchs(rng, torch):
    x, w, b = signed(rng, (2, 3, 4), (4, 5), 5)
    y = reference.dense(x, w, b, activation="relu")
    dy = rng.standard_normal(y.shape)
    results = [y, *reference.dense_backward(reference.relu_backward(dy, y), x, w)]
    scales = [scale_of(reference.dense, x, w, b), *scale_of(reference.dense_backward, dy, x, w)]
    expected = torch_results(torch, lambda x, w, b: torch.relu(x @ w + b), (x, w, b), dy)
    assert_all_close(results, expected, terms=6, scales=scales)
    assert_close(reference.softmax(x, axis=1), torch.softmax(torch.tensor(x), 1).numpy(), terms=8, scale=1.0)


def test_softmax_cross_entropy_is_pytorchs(rng, torch):
    logits, labels = 3 * rng.standard_normal((6, 4)), np.array([0, 3, 1, 1, 2, 3])
    loss, dlogits = reference.softmax_cross_entropy(logits, labels)
    entropy = torch.nn.CrossEntropyLoss()
    expected, gradient = torch_results(torch, lambda x: entropy(x, torch.tensor(labels)), [logits], 1.0)
    assert_close(loss, expected, terms=12, scale=np.ptp(logits) + np.log(4))
    assert_close(dlogits, gradient, terms=8, scale=1.0)
