"""The operations that can be verified: what arrays each takes and gives, by axes, and how to run it on `reference` or on `fastcnn`.

An array's axes are letters: N images, H x W pixels, C channels, F filters, K x L taps. A form of an operation is what becomes of it without
some of them: a convolution without N, C and F is the tutorial's, of one plane and one kernel. Only the whole operation is run;
`lift` puts the missing axes into a form's arrays, of length 1, and `lower` takes them out of the results.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from fastcnn.reference.windows import as_paddings, as_pair, window_axis

Arrays: TypeAlias = dict[str, np.ndarray]
Results: TypeAlias = tuple[np.ndarray, ...]
#: An operation on arrays by name and settled options, all with their axes.
Run: TypeAlias = Callable[..., Results]


class Form(NamedTuple):
    """What a function takes: everything, or an operation without some axes."""

    name: str
    without: str = ""

    def shape(self, shape: tuple[int, ...], letters: str) -> tuple[int, ...]:
        """Return the shape in this form of an array with these axes; without letters it has any."""
        return tuple(n for n, letter in zip(shape, letters, strict=True) if letter not in self.without) if letters else shape

    def lift(self, array: np.ndarray, letters: str) -> np.ndarray:
        """Return an array of this form with all axes."""
        return np.expand_dims(array, tuple(i for i, letter in enumerate(letters) if letter in self.without))

    def lower(self, array: np.ndarray, letters: str) -> np.ndarray:
        """Return an array with all axes as this form has it."""
        return array[tuple(0 if letter in self.without else slice(None) for letter in letters[: array.ndim])]


BATCH = Form("a batch of images (N, H, W, C)")
IMAGE = Form("one image (H, W, C)", "N")
PLANE = Form("one plane (H, W)", "NCF")
ROWS = Form("a batch of rows")
ROW = Form("one row", "N")
ANY = Form("arrays of any shape")


@dataclass(frozen=True)
class Operation:
    """An operation: its arrays and results with their axes, and how it is run."""

    name: str
    takes: Mapping[str, str]
    gives: Mapping[str, str]
    run: Callable[..., Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    forms: tuple[Form, ...] = (BATCH, IMAGE, PLANE)
    #: The operation that this is the gradient of; its results are those for these of the forward's arrays.
    forward: str | None = None
    #: What a function may take beside, or instead: the name, and its Python text made from the texts of the arrays and the options.
    derived: Mapping[str, Callable[[Mapping[str, str], Mapping[str, Any], tuple[int, ...]], str]] = field(default_factory=dict)

    def settle(self, arrays: Arrays, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return all options in one form: pairs (height, width), and the padding as ((before, after), (before, after))."""
        settled = {**self.options, **options}
        for name in settled.keys() & {"stride", "dilation", "pool_size", "kernel_size", "output_padding"}:
            settled[name] = settled[name] if settled[name] is None else as_pair(settled[name])
        window: Any = settled.get("pool_size", settled.get("kernel_size"))
        if "w" in arrays and "padding" in settled:
            window = arrays["w"].shape[:2]
        if settled.get("stride", ()) is None:
            settled["stride"] = window
        if "padding" not in settled:
            return settled
        paddings: tuple[Any, ...] = as_paddings(settled["padding"])
        if "transpose" not in self.name:
            dilations = settled.get("dilation", (1, 1))
            rules = zip(arrays["x"].shape[1:3], window, settled["stride"], dilations, paddings, strict=True)
            paddings = tuple((axis.before, axis.after) for axis in (window_axis(*rule) for rule in rules))
        return {**settled, "padding": paddings}

    def runner(self, kernels: ModuleType) -> Run:
        """Return the operation on the functions of `kernels`: ``fastcnn`` or ``fastcnn.reference``."""

        def run(**arguments: Any) -> Results:
            results = self.run(getattr(kernels, self.name), kernels, **arguments)
            return results if isinstance(results, tuple) else (np.asarray(results),)

        return run

    def call(self, run: Run, form: Form, arrays: Arrays, options: Mapping[str, Any]) -> Results:
        """Return what `run` makes of the arrays of a form, in that form."""
        lifted = {name: form.lift(array, self.takes[name]) for name, array in arrays.items()}
        results = run(**lifted, **self.settle(lifted, options))
        return tuple(form.lower(np.asarray(result), axes) for result, axes in zip(results, self.gives.values(), strict=True))


def _plain(function: Any, kernels: ModuleType, **arguments: Any) -> Any:
    return function(**arguments)


def _max_pool_gradient(function: Any, kernels: ModuleType, *, dy: np.ndarray, x: np.ndarray, **options: Any) -> Any:
    _, indices = kernels.max_pool2d(x, **options, return_indices=True)
    return function(dy, indices, x.shape)


def _shape_alone(function: Any, kernels: ModuleType, *, x: np.ndarray, **arguments: Any) -> Any:
    return function(input_shape=x.shape, **arguments)


def _input_shape(texts: Mapping[str, str], options: Mapping[str, Any], shape: tuple[int, ...]) -> str:
    return repr(shape)


def _indices(texts: Mapping[str, str], options: Mapping[str, Any], shape: tuple[int, ...]) -> str:
    chosen = "".join(f", {name}={value!r}" for name, value in options.items())
    return f"fastcnn.max_pool2d({texts['x']}{chosen}, return_indices=True)[1]"


def _pooled(texts: Mapping[str, str], options: Mapping[str, Any], shape: tuple[int, ...]) -> str:
    return _indices(texts, options, shape).replace(", return_indices=True)[1]", ")")


_IMAGES = {"x": "NHWC", "w": "KLCF", "b": "F"}
_CONV = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
_POOL = {"pool_size": 2, "stride": None, "padding": 0}
_AVERAGE = {**_POOL, "ceil_mode": False, "count_include_pad": False}
_PATCHES = {"kernel_size": 2, "stride": 1, "padding": 0, "dilation": 1}
_ROWS = {"x": "ND", "w": "DU", "b": "U"}
_GRADIENTS = {"dx": "NHWC", "dw": "KLCF", "db": "F"}

OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation("conv2d", _IMAGES, {"y": "NHWF"}, _plain, {**_CONV, "activation": None}),
        Operation("conv2d_backward", {"dy": "NHWF", "x": "NHWC", "w": "KLCF"}, _GRADIENTS, _plain, _CONV, forward="conv2d"),
        Operation(
            "conv2d_transpose",
            {"x": "NHWC", "w": "KLFC", "b": "F"},
            {"y": "NHWF"},
            _plain,
            {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1},
        ),
        Operation("max_pool2d", {"x": "NHWC"}, {"y": "NHWC"}, _plain, {**_POOL, "dilation": 1, "ceil_mode": False}),
        Operation(
            "max_pool2d_backward",
            {"dy": "NHWC", "x": "NHWC"},
            {"dx": "NHWC"},
            _max_pool_gradient,
            {**_POOL, "dilation": 1, "ceil_mode": False},
            forward="max_pool2d",
            derived={"indices": _indices, "input_shape": _input_shape, "y": _pooled},
        ),
        Operation("avg_pool2d", {"x": "NHWC"}, {"y": "NHWC"}, _plain, _AVERAGE),
        Operation(
            "avg_pool2d_backward",
            {"dy": "NHWC", "x": "NHWC"},
            {"dx": "NHWC"},
            _shape_alone,
            _AVERAGE,
            forward="avg_pool2d",
            derived={"input_shape": _input_shape},
        ),
        Operation("im2col", {"x": "NHWC"}, {"cols": "NHWT"}, _plain, _PATCHES, (BATCH, IMAGE)),
        Operation(
            "col2im",
            {"cols": "NHWT", "x": "NHWC"},
            {"x": "NHWC"},
            _shape_alone,
            _PATCHES,
            (BATCH, IMAGE),
            forward="im2col",
            derived={"input_shape": _input_shape},
        ),
        Operation("dense", _ROWS, {"y": "NU"}, _plain, {"activation": None}, (ROWS, ROW)),
        Operation(
            "dense_backward",
            {"dy": "NU", "x": "ND", "w": "DU"},
            {"dx": "ND", "dw": "DU", "db": "U"},
            _plain,
            {},
            (ROWS, ROW),
            forward="dense",
        ),
        Operation("relu", {"x": ""}, {"y": ""}, _plain, forms=(ANY,)),
        Operation("relu_backward", {"dy": "", "y": ""}, {"dx": ""}, _plain, forms=(ANY,)),
        Operation("softmax", {"x": "NK"}, {"p": "NK"}, _plain, {"axis": -1}, (ROWS, ROW)),
        Operation("softmax_cross_entropy", {"logits": "NK", "labels": "N"}, {"loss": "", "dlogits": "NK"}, _plain, {}, (ROWS, ROW)),
    )
}

#: Other names under which people write the operations; their gradients' names end in ``_backward`` besides.
NAMES = {
    "convolve": "conv2d",
    "convolution": "conv2d",
    "conv": "conv2d",
    "transposed_conv": "conv2d_transpose",
    "conv_transpose": "conv2d_transpose",
    "maxpool": "max_pool2d",
    "max_pool": "max_pool2d",
    "avgpool": "avg_pool2d",
    "avg_pool": "avg_pool2d",
    "average_pool": "avg_pool2d",
    "mean_pool": "avg_pool2d",
    "linear": "dense",
    "fully_connected": "dense",
    "affine": "dense",
    "cross_entropy": "softmax_cross_entropy",
    "crossentropy": "softmax_cross_entropy",
    **{name: name for name in OPERATIONS if not name.endswith("_backward")},
}


def operation_of(function: Callable[..., Any], like: str | Callable[..., Any] | None) -> tuple[Operation, Form | None]:
    """Return the operation that `like`, or else the function's own name, means, and the form that the name asks for: a plane or any.

    Of the names found inside, the longest counts: ``my_max_pool2d_v2`` is a `max_pool2d`. ``_grad`` says what ``_backward`` says.

    Examples
    --------
    >>> operation_of(print, "student_maxpool_grad")[0].name
    'max_pool2d_backward'
    """
    given = like if isinstance(like, str) else getattr(function if like is None else like, "__name__", "")
    text = given.lower()
    found = max((name for name in NAMES if name in text), key=len, default="")
    suffix = "_backward" if any(word in text for word in ("backward", "grad", "deriv", "backprop")) else ""
    operation = OPERATIONS.get(f"{NAMES[found]}{suffix}") if found else None
    if operation is None:
        what = f"{given!r} names no operation that is known" if given else "the function has no name"
        raise ValueError(f"{what}; say with like= which it is: one of {', '.join(OPERATIONS)}, or convolve2d")
    return operation, PLANE if "convolve2d" in text else None
