"""Convolutions and poolings that the reference is tested with."""

import pytest

#: name: (x's shape, w's shape, options); small, for central differences evaluate a function four times for each number.
CONVOLUTIONS = {
    "plain": ((2, 4, 3, 2), (3, 2, 2, 3), {}),
    "strided": ((1, 6, 5, 2), (2, 3, 2, 2), {"stride": (2, 3)}),
    "stride beyond the kernel": ((1, 6, 5, 1), (2, 1, 1, 2), {"stride": 3}),
    "padded": ((1, 3, 4, 2), (3, 2, 2, 2), {"padding": (2, 1)}),
    "padded unevenly": ((1, 3, 4, 2), (3, 2, 2, 2), {"padding": ((2, 0), (0, 3)), "stride": 2}),
    "dilated": ((1, 5, 6, 1), (2, 3, 1, 2), {"dilation": (3, 2), "padding": 1}),
    "valid": ((1, 4, 4, 1), (2, 3, 1, 2), {"padding": "valid"}),
    "same": ((1, 4, 3, 2), (2, 3, 2, 1), {"padding": "same"}),
    "same, strided": ((1, 5, 4, 1), (3, 3, 1, 2), {"padding": "same", "stride": (2, 3)}),
    "same, dilated": ((1, 5, 4, 1), (2, 3, 1, 1), {"padding": "same", "dilation": 2, "stride": (1, 2)}),
    "grouped": ((1, 3, 3, 4), (2, 2, 2, 6), {"groups": 2}),
    "depthwise": ((2, 3, 4, 3), (2, 3, 1, 6), {"groups": 3, "padding": 1, "stride": 2}),
    "channels first": ((2, 2, 4, 3), (3, 2, 2, 3), {"data_format": "channels_first", "padding": ((1, 0), (0, 1))}),
    "one image": ((4, 3, 2), (3, 2, 2, 3), {"padding": 1, "dilation": 2}),
}
TRANSPOSED = {
    "plain": ((2, 2, 3, 2), (3, 2, 3, 2), {}),
    "strided": ((1, 3, 2, 2), (2, 3, 2, 2), {"stride": (2, 3)}),
    "stride beyond the kernel": ((1, 2, 3, 1), (1, 2, 2, 1), {"stride": 3}),
    "padded": ((1, 3, 4, 2), (3, 4, 2, 2), {"padding": (1, 2), "stride": 2}),
    "padded unevenly": ((1, 3, 3, 1), (3, 4, 2, 1), {"padding": ((2, 0), (1, 3)), "stride": 2}),
    "output padded": ((1, 3, 2, 1), (3, 2, 2, 1), {"padding": 1, "stride": (2, 3), "output_padding": (1, 2)}),
    "dilated": ((1, 2, 3, 1), (2, 3, 2, 1), {"dilation": (3, 2), "output_padding": (2, 1), "padding": 1}),
    "valid": ((1, 2, 3, 1), (3, 2, 2, 1), {"padding": "valid", "stride": 2}),
    "valid, stride beyond the kernel": ((1, 2, 2, 1), (2, 1, 2, 1), {"padding": "valid", "stride": (3, 2)}),
    "same": ((1, 2, 3, 2), (3, 2, 1, 2), {"padding": "same", "stride": 2}),
    "same, stride beyond the kernel": ((1, 2, 2, 1), (2, 1, 2, 1), {"padding": "same", "stride": 3}),
    "grouped": ((1, 2, 3, 4), (2, 2, 3, 4), {"groups": 2, "stride": 2}),
    "channels first": ((2, 2, 3, 2), (3, 2, 3, 2), {"data_format": "channels_first", "stride": 2}),
    "one image": ((3, 2, 2), (3, 2, 2, 2), {"padding": 1}),
}
#: name: (x's shape (N, C, H, W), options), of what both poolings take.
POOLINGS = {
    "tutorial": ((2, 2, 6, 4), {"pool_size": 2, "stride": 2}),
    "rectangular": ((1, 2, 5, 7), {"pool_size": (2, 3)}),
    "overlapping": ((1, 2, 5, 6), {"pool_size": 3, "stride": (1, 2)}),
    "gaps": ((1, 2, 6, 8), {"pool_size": 2, "stride": (3, 5)}),
    "padded": ((1, 2, 5, 6), {"pool_size": (3, 4), "stride": 2, "padding": (1, 2)}),
    "ceil, in one direction": ((1, 1, 6, 7), {"pool_size": 3, "stride": 2, "ceil_mode": True}),
    "ceil, a window dropped": ((1, 1, 4, 5), {"pool_size": 2, "stride": 3, "padding": 1, "ceil_mode": True}),
    "ceil, padded": ((2, 1, 6, 5), {"pool_size": (3, 4), "stride": (2, 3), "padding": (1, 2), "ceil_mode": True}),
}


def by_name(cases):
    return pytest.mark.parametrize("case", cases.values(), ids=cases.keys())


def signed(rng, *shapes):
    return [rng.standard_normal(shape) for shape in shapes]


def convolution_of(case, rng):
    """Signed x, w and b for a case of CONVOLUTIONS, and its options."""
    x_shape, w_shape, options = case
    return *signed(rng, x_shape, w_shape, w_shape[3]), options


def transposed_of(case, rng):
    """Signed x, w and b for a case of TRANSPOSED, and its options."""
    x_shape, w_shape, options = case
    return *signed(rng, x_shape, w_shape, w_shape[2] * options.get("groups", 1)), options
