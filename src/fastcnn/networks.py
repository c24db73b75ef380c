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

    References
    ----------
    F. Chollet: Deep learning with Python. Manning, 2017, section 5.1; the dropout is added.

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


def picture_network(image_shape: tuple[int, int, int], classes: int) -> Sequential:
    """Return a fresh network for small pictures: three convolutions, each halving the plane, and one dense layer, compiled with Adam.

    Parameters
    ----------
    image_shape : (int, int, int)
        (H, W, C), with 8 rows and columns or more.
    classes : int

    Returns
    -------
    Sequential
        Its input is (N, H, W, C), its output the probabilities (N, classes).

    Examples
    --------
    >>> from fastcnn import networks
    >>> networks.picture_network((64, 64, 3), 2).output_shape
    (None, 2)
    """
    model = Sequential([layers.Input(shape=image_shape)], name="pictures")
    for filters in (32, 64, 128):
        model.add(layers.Conv2D(filters, (3, 3), activation="relu", padding="same"))
        model.add(layers.MaxPooling2D((2, 2)))
    model.add(layers.Flatten())
    model.add(layers.Dropout(0.5))
    model.add(layers.Dense(classes, activation="softmax"))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
