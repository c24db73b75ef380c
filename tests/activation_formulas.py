"""The activations that are kernels, in float64."""

import math

import numpy as np


def sigmoid(z):
    power = np.exp(-np.abs(z))
    return np.where(z < 0, power, 1) / (1 + power)


def share(z):
    """The normal distribution's share below z."""
    return np.vectorize(math.erfc, otypes=[float])(-z / math.sqrt(2)) / 2


def hard(z):
    return np.clip(z + 3, 0, 6) / 6


def between(z, low, high):
    return (z > low) & (z < high)


#: name: (the function, its derivative), in float64 and of the input.
FORMULAS = {
    "sigmoid": (sigmoid, lambda z: sigmoid(z) * sigmoid(-z)),
    "relu6": (lambda z: np.clip(z, 0, 6), lambda z: between(z, 0, 6)),
    "hard_sigmoid": (hard, lambda z: between(z, -3, 3) / 6),
    "silu": (lambda z: z * sigmoid(z), lambda z: sigmoid(z) * (1 + z * sigmoid(-z))),
    "hard_silu": (lambda z: z * hard(z), lambda z: np.where(z <= -3, 0, np.where(z >= 3, 1, (2 * z + 3) / 6))),
    "gelu": (lambda z: z * share(z), lambda z: share(z) + z * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)),
}
#: Those whose derivative is told from the result.
OF_RESULT = ("sigmoid", "relu6", "hard_sigmoid")


def steepness(name, z):
    """How much the rounding of an argument is magnified: by its square, in the tail of gelu."""
    return 1 + np.minimum(z * z, 1600) * (z < 0) if name == "gelu" else 1
