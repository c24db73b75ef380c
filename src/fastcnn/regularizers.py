"""Penalties on large weights, which are added to the loss, with Keras's names and defaults."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from fastcnn import _registry
from fastcnn._settings import Real, real
from fastcnn.ops import updates

__all__ = ["L1", "L1L2", "L2", "Regularizer", "get", "l1", "l1_l2", "l2"]


class Regularizer(_registry.Configurable):
    """The base of all regularizers: ``regularizer(w)`` is the penalty for a weight, which `gradient` differentiates.

    References
    ----------
    ``keras.regularizers.Regularizer``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcnn.regularizers import Regularizer
    >>> class Sum(Regularizer):
    ...     def __call__(self, w):
    ...         return float(w.sum())
    ...     def gradient(self, w):
    ...         return np.ones_like(w)
    >>> Sum()(np.array([1, 2], np.float32))
    3.0
    """

    def __call__(self, w: np.ndarray) -> float:
        """Return the penalty for `w`, an array of any shape."""
        raise NotImplementedError

    def gradient(self, w: np.ndarray) -> np.ndarray:
        """Return the gradient of the penalty by `w`, in its shape and dtype."""
        raise NotImplementedError


class _Norms(Regularizer):
    """``l1 * sum(abs(w)) + l2 * sum(w ** 2)``; a subclass declares which of the two may be anything but 0."""

    l1 = l2 = 0.0

    def __call__(self, w: np.ndarray) -> float:
        """Return the penalty for `w`, an array of any shape."""
        flat = w.reshape(-1)
        with np.errstate(all="ignore"):
            absolute = self.l1 * updates.sum_of_absolutes(flat) if self.l1 else 0.0
            return absolute + (self.l2 * updates.sum_of_squares(flat) if self.l2 else 0.0)

    def gradient(self, w: np.ndarray) -> np.ndarray:
        """Return the gradient of the penalty by `w`, in its shape and dtype; of ``abs(0)``, that is 0."""
        with np.errstate(all="ignore"):
            result: np.ndarray = np.multiply(w, 2 * self.l2) if self.l2 else np.zeros_like(w)
            if self.l1:
                result += self.l1 * np.sign(w)
        return result


class L1(_Norms):
    """``l1 * sum(abs(w))``: makes weights 0 that do not matter.

    Parameters
    ----------
    l1 : float, default 0.01

    Raises
    ------
    TypeError, ValueError
        For a factor that is no number, negative or infinite.

    References
    ----------
    R. Tibshirani: Regression shrinkage and selection via the lasso. J. R. Stat. Soc. B 58, 1996; as ``keras.regularizers.L1``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcnn.regularizers import L1
    >>> L1(0.5)(np.array([1, -3], np.float32)), L1(0.5).gradient(np.array([1, -3], np.float32))
    (2.0, array([ 0.5, -0.5], dtype=float32))
    """

    l1: Real = real(0, sys.float_info.max, 0.01)


class L2(_Norms):
    """``l2 * sum(w ** 2)``: keeps weights small.

    Parameters
    ----------
    l2 : float, default 0.01

    Raises
    ------
    TypeError, ValueError
        For a factor that is no number, negative or infinite.

    References
    ----------
    A. Krogh, J. A. Hertz: A simple weight decay can improve generalization. NIPS 1991; as ``keras.regularizers.L2``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcnn.regularizers import L2
    >>> L2(0.5)(np.array([1, -3], np.float32)), L2(0.5).gradient(np.array([1, -3], np.float32))
    (5.0, array([ 1., -3.], dtype=float32))
    """

    l2: Real = real(0, sys.float_info.max, 0.01)


class L1L2(_Norms):
    """``l1 * sum(abs(w)) + l2 * sum(w ** 2)``.

    Parameters
    ----------
    l1, l2 : float, default 0.0
        The name "l1_l2" stands for 0.01 both.

    Raises
    ------
    TypeError, ValueError
        For a factor that is no number, negative or infinite.

    References
    ----------
    H. Zou, T. Hastie: Regularization and variable selection via the elastic net. J. R. Stat. Soc. B 67, 2005; as
    ``keras.regularizers.L1L2``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcnn.regularizers import L1L2
    >>> L1L2(l1=0.5, l2=0.5)(np.array([1, -3], np.float32))
    7.0
    """

    l1: Real = real(0, sys.float_info.max, 0.0)
    l2: Real = real(0, sys.float_info.max, 0.0)


l1, l2, l1_l2 = L1, L2, L1L2

_CLASSES = _registry.table(L1, L2, L1L2)


def get(identifier: Any) -> Regularizer | None:
    """Return the regularizer that `identifier` stands for: a `Regularizer`, the name of one with its defaults, or None for None.

    Parameters
    ----------
    identifier : Regularizer or str, optional

    Raises
    ------
    TypeError, ValueError
        For what is neither, or an unknown name.

    References
    ----------
    ``keras.regularizers.get``.

    Examples
    --------
    >>> from fastcnn import regularizers
    >>> regularizers.get("l2").get_config()
    {'l2': 0.01}
    """
    if identifier is None:
        return None
    if identifier == "l1_l2":  # by what Keras's documentation says
        return L1L2(0.01, 0.01)
    return _registry.resolve(identifier, _CLASSES, "regularizer", Regularizer)
