"""Convolutional networks on a CPU, fast.

How the package is built; data flows one way, and no arrow goes back::

    cli ─> models, layers, optimizers, losses, metrics, datasets, io
             └─> ops/            the public kernels: docstring, validation, output shape       Python
                   └─> _core     picks the dtype, drops the GIL                                Cython
                         └─> csrc/fastcnn.h     blocking, threads, scratch; microkernels      C
    reference/                   plain loops, the specification; imports nothing of the above

The kernels are functions of this module; so are ``set_num_threads`` and its like. The model layer carries Keras's names, so that
``import fastcnn as keras`` is enough for a small script; its modules are imported when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fastcnn import config, ops
from fastcnn._version import __version__
from fastcnn.config import get_num_threads, get_winograd, num_threads, set_num_threads, set_winograd, show_config
from fastcnn.ops import *  # noqa: F403

if TYPE_CHECKING:
    from fastcnn import (
        attribution,
        callbacks,
        datasets,
        initializers,
        io,
        layers,
        losses,
        metrics,
        models,
        optimizers,
        plots,  # noqa: F401
        random,
        reference,
        regularizers,
    )
    from fastcnn.inference import InferenceSession
    from fastcnn.layers import Input
    from fastcnn.models import Model, Sequential, load_model
    from fastcnn.teaching.verification import verify

_SUBMODULES = frozenset(
    {
        "attribution",
        "callbacks",
        "datasets",
        "initializers",
        "io",
        "layers",
        "losses",
        "metrics",
        "models",
        "optimizers",
        "plots",
        "random",
        "reference",
        "regularizers",
    }
)
_CLASSES = {
    "InferenceSession": "inference",
    "Input": "layers",
    "Model": "models",
    "Sequential": "models",
    "load_model": "models",
    "verify": "teaching.verification",
}

__all__ = [
    "InferenceSession",
    "Input",
    "Model",
    "Sequential",
    "__version__",
    "attribution",
    "callbacks",
    "config",
    "datasets",
    "get_num_threads",
    "get_winograd",
    "initializers",
    "io",
    "layers",
    "load_model",
    "losses",
    "metrics",
    "models",
    "num_threads",
    "ops",
    "optimizers",
    "random",
    "reference",
    "regularizers",
    "set_num_threads",
    "set_winograd",
    "show_config",
    "verify",
    *ops.__all__,
]


def __getattr__(name: str) -> Any:
    """Import the model layer's modules when they are first asked for: who wants the kernels alone does not wait for them."""
    if name in _SUBMODULES:
        return importlib.import_module(f"fastcnn.{name}")
    if name in _CLASSES:
        return getattr(importlib.import_module(f"fastcnn.{_CLASSES[name]}"), name)
    raise AttributeError(f"module 'fastcnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "plots"])  # which needs matplotlib: ``from fastcnn import *`` does without
