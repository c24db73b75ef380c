"""Pictures of what a network does, one call each. They need matplotlib: ``pip install 'fastcnn[plots]'``.

Every function returns a ``matplotlib.figure.Figure`` of its own. pyplot has no part in it: nothing is shown, nothing piles up, and what is
set in ``matplotlib.rcParams`` is neither used nor changed. A notebook shows a figure that is the last value of a cell, or that is given to
``display``; ``figure.savefig(path)`` writes a file.

``steps.py`` draws single operations, ``training.py`` what training and predicting give, ``networks.py`` a network's inside and, with
``diagram.py``, its layers, ``attribution.py`` what in an image speaks for a class; ``style.py`` is how it all looks. Numbers come from the
kernels, and from `fastcnn.attribution`.
"""

from __future__ import annotations

try:
    import matplotlib  # noqa: F401
except ImportError as error:
    raise ImportError("fastcnn.plots needs matplotlib: pip install 'fastcnn[plots]'") from error

from fastcnn.plots.attribution import grad_cam, saliency
from fastcnn.plots.networks import architecture, feature_maps, filters
from fastcnn.plots.steps import convolution_step, feature_map, flatten, image, max_pool, pipeline, relu
from fastcnn.plots.training import confusion_matrix, history, predictions

__all__ = [
    "architecture",
    "confusion_matrix",
    "convolution_step",
    "feature_map",
    "feature_maps",
    "filters",
    "flatten",
    "grad_cam",
    "history",
    "image",
    "max_pool",
    "pipeline",
    "predictions",
    "relu",
    "saliency",
]
