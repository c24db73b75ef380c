"""What a metric is, and means of numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastcnn import _registry, _targets, _validate
from fastcnn._settings import Setting


class _Gathering(_registry.Configurable):
    """A figure that is gathered bit by bit, under a name that is made of the class's if none is given."""

    name: Setting[str | None, str] = Setting(lambda value, _: value, None)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.name = self.name or _registry.snake_case(type(self).__name__)
        self.reset_state()

    def reset_state(self) -> None:
        """Forget what was gathered."""
        raise NotImplementedError

    def result(self) -> Any:
        """Return the figure, of what was gathered."""
        raise NotImplementedError

    def get_state(self) -> dict[str, Any]:
        """Return what was gathered, in numbers and arrays."""
        numbers = {name: value for name, value in vars(self).items() if isinstance(value, int | float | np.ndarray)}
        return numbers | {name: value.get_state() for name, value in vars(self).items() if isinstance(value, _Gathering)}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `get_state` returned."""
        for name, value in state.items():
            if isinstance(value, Mapping):
                getattr(self, name).set_state(value)
            else:
                setattr(self, name, value)


class Mean(_Gathering):
    """The weighted mean of numbers, such as the losses of batches; 0 of none.

    Parameters
    ----------
    name : str, optional
        By default "mean".

    Raises
    ------
    TypeError, ValueError
        From `update_state`, for values that are no real numbers, or weights that do not fit them.

    References
    ----------
    ``keras.metrics.Mean``.

    Examples
    --------
    >>> from fastcnn.metrics import Mean
    >>> mean = Mean()
    >>> mean.update_state(1.0, 3)
    >>> mean.update_state([2.0, 4.0], [1, 0])
    >>> mean.result()
    1.25
    """

    def reset_state(self) -> None:
        """Forget what was gathered."""
        self._total = self._weight = 0.0

    def update_state(self, values: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Gather a value, or (N, ...) values for N samples, of which each counts the same; with a weight for each sample or value."""
        numbers = _validate.array(values, "values", range(33))
        counts = numbers.dtype.kind == "b"  # the sum's fast case
        total, weight = float(np.count_nonzero(numbers) if counts else numbers.sum(dtype=np.float64)), float(numbers.size)
        if sample_weight is not None:
            weights = _targets.weights(sample_weight, numbers.shape, np.float64)
            total, weight = np.sum(numbers * weights), float(weights.sum())
        values_a_sample = math.prod(numbers.shape[1:])
        self.add(float(total) / values_a_sample, weight / values_a_sample)

    def add(self, total: float, weight: float) -> None:
        """Take in values whose weights, and whose products with these, have been summed."""
        self._total += total
        self._weight += weight

    def result(self) -> float:
        """Return the mean of what was gathered."""
        return self._total / self._weight if self._weight else 0.0


class Metric(_Gathering):
    """The base of what `compile` takes as a metric. A subclass gives `reset_state`, `update_state` and `result`.

    Where the figure is a mean, `MeanMetric` leaves less to do.

    Parameters
    ----------
    name : str, optional
        The key in a history; by default made of the class's name.

    References
    ----------
    ``keras.metrics.Metric``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcnn.metrics import Metric
    >>> class LargestError(Metric):
    ...     def reset_state(self):
    ...         self.largest = 0.0
    ...     def update_state(self, y_true, y_pred, sample_weight=None):
    ...         self.largest = max(self.largest, float(np.max(np.abs(y_pred - y_true))))
    ...     def result(self):
    ...         return self.largest
    >>> largest = LargestError()
    >>> largest.update_state(np.zeros(3), np.array([1, -2, 0]))
    >>> largest.name, largest.result()
    ('largest_error', 2.0)
    """

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Gather a batch of targets and predictions, with a weight for each sample if wanted."""
        raise NotImplementedError


class MeanMetric(Metric):
    """The base of metrics that are the mean of some value of each prediction. A subclass gives `values`, for targets like predictions.

    Parameters
    ----------
    name : str, optional

    Raises
    ------
    TypeError, ValueError
        From `update_state`, for targets, predictions and weights that do not fit each other.

    References
    ----------
    ``keras.metrics.MeanMetricWrapper``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcnn.metrics import MeanMetric
    >>> class Near(MeanMetric):
    ...     def values(self, y_true, y_pred):
    ...         return np.abs(y_pred - y_true) < 1
    >>> near = Near()
    >>> near.update_state([[5], [7]], [[5.5], [9]], sample_weight=[3, 1])
    >>> near.result()
    0.75
    """

    def check_targets(self, y_true: ArrayLike, output_shape: _targets.OutputShape) -> np.ndarray:
        """Return `y_true` in the form that `values` takes, here float32, if it fits outputs of `output_shape`."""
        return _targets.like_outputs(y_true, output_shape, "y_true")

    def values(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        """Return what is to be averaged, (N, ...), of `y_true` that has passed `check_targets` and of `y_pred`, of float32."""
        raise NotImplementedError

    def reset_state(self) -> None:
        """Forget what was gathered."""
        self._mean = Mean()

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Gather a batch of targets and predictions, with a weight for each sample or value if wanted."""
        predictions = _targets.predictions(y_pred)
        self._mean.update_state(self.values(self.check_targets(y_true, predictions.shape), predictions), sample_weight)

    def result(self) -> float:
        """Return the mean of what was gathered; 0 where nothing was."""
        return self._mean.result()
