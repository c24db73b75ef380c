"""Optimizers, with Keras's names, defaults and numerics. Each updates all weights of a model at once, in one flat array, in place.

``base.py`` has what they share: the learning rate, clipping, weight decay, accumulation; ``rules.py`` has the rules, ``schedules.py`` the
learning rates that change from step to step.
"""

from typing import Any

from fastcnn import _registry
from fastcnn.optimizers import schedules
from fastcnn.optimizers.base import Optimizer
from fastcnn.optimizers.rules import SGD, Adam, AdamW, Lion, RMSprop

__all__ = ["SGD", "Adam", "AdamW", "Lion", "Optimizer", "RMSprop", "get", "schedules"]

_CLASSES = _registry.table(SGD, Adam, AdamW, RMSprop, Lion, adamw=AdamW, rmsprop=RMSprop)


def get(identifier: Any) -> Optimizer:
    """Return the optimizer that `identifier` stands for: an `Optimizer`, or the name of one with its defaults.

    Parameters
    ----------
    identifier : Optimizer or str

    Raises
    ------
    TypeError, ValueError
        For what is neither, or an unknown name.

    References
    ----------
    ``keras.optimizers.get``.

    Examples
    --------
    >>> from fastcnn import optimizers
    >>> optimizers.get("adam").learning_rate
    0.001
    """
    return _registry.resolve(identifier, _CLASSES, "optimizer", Optimizer)
