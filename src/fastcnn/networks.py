"""Networks that are known by name."""

from __future__ import annotations

from fastcnn import layers
from fastcnn.models import Sequential


def mnist_network() -> Sequential:
    """Return a fresh network for MNIST: three convolutions and two dense layers, 93,322 parameters, compiled with Adam.

    Returns
    -------
    Sequential
        Its input is (N, 28, 28, 1), its output the probabilities (N, 10).

    Examples
    --------
    >>> from fastcnn import networks
    >>> networks.mnist_network().count_params()
    93322
    """
    model = Sequential(
        [
            layers.Input(shape=(28, 28, 1)),
            layers.Conv2D(32, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(64, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(64, (3, 3), activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ],
        name="mnist",
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
