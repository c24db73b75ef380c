"""Smoke: the whole package in less than a second, for the time between two changes."""

import numpy as np

import fastcnn
from fastcnn import layers


def test_a_convolution_by_hand():
    image = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    assert fastcnn.convolve2d(image, [[1, 0], [0, -1]], bias=5).tolist() == [[1, 1], [1, 1]]


def test_a_pooling_by_hand():
    y, indices = fastcnn.max_pool2d([[1, -2, 0, 3], [4, 0, -1, 3]], return_indices=True)
    assert y.tolist() == [[4, 3]]
    assert indices.tolist() == [[4, 3]]
    assert fastcnn.max_pool2d_backward([[5, -6]], indices, (2, 4)).tolist() == [[0, 0, 0, -6], [5, 0, 0, 0]]


def test_a_gradient_by_hand():
    x, w = np.arange(6.0).reshape(1, 2, 3, 1), np.array([1.0, -1]).reshape(1, 2, 1, 1)
    dx, dw, db = fastcnn.conv2d_backward(np.array([[1, 2], [3, 4.0]]).reshape(1, 2, 2, 1), x, w)
    assert dx[0, :, :, 0].tolist() == [[1, 1, -2], [3, 1, -4]]
    assert dw[0, :, 0, 0].tolist() == [27, 37]
    assert db.tolist() == [10]


def test_a_network_learns_where_the_light_is():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 64)
    x = rng.normal(0, 0.1, (64, 4, 4, 1)).astype(np.float32)
    x[y == 1, :, 2:] += 1  # on the right
    x[y == 0, :, :2] += 1  # on the left
    fastcnn.random.set_seed(0)
    model = fastcnn.Sequential(
        [layers.Input((4, 4, 1)), layers.Conv2D(2, 3, activation="relu"), layers.Flatten(), layers.Dense(2, activation="softmax")]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    before, _ = model.evaluate(x, y, verbose=0)
    losses = model.fit(x, y, batch_size=16, epochs=5, verbose=0).history["loss"]
    after, _ = model.evaluate(x, y, verbose=0)
    assert after < losses[-1] < losses[0] < before
    assert model.predict(x, verbose=0).shape == (64, 2)


def test_the_configuration_is_told(capsys):
    fastcnn.show_config()
    assert fastcnn.__version__ in capsys.readouterr().out
