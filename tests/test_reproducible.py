"""One seed, one training: the same bits for any number of threads, twice in a row, and in another process."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

import fastcnn
from fastcnn import datasets, layers, models, random


def digest():
    """Train a network with everything in it that draws numbers or sums over images; return a digest of weights, history and outputs."""
    random.set_seed(42)
    (x, y), _ = datasets.mnist_sample.load_data()
    x, y = x[:192, ..., None].astype(np.float32) / 255, y[:192]
    begin = fastcnn.Input((28, 28, 1))
    tensor = layers.RandomTranslation(0.1, 0.1)(layers.RandomRotation(0.05)(begin))
    tensor = layers.MaxPooling2D(2)(layers.Conv2D(8, 3, activation="relu")(tensor))
    branch = layers.Activation("silu")(layers.BatchNormalization()(layers.Conv2D(16, 3, padding="same", use_bias=False)(tensor)))
    other = layers.Conv2D(16, 3, padding="same", groups=8)(tensor)
    tensor = layers.SpatialDropout2D(0.2)(layers.Add()([branch, other]))
    tensor = layers.Dropout(0.3)(layers.Dense(32, activation="relu", kernel_regularizer="l2")(layers.GlobalAveragePooling2D()(tensor)))
    model = models.Model(begin, layers.Dense(10, activation="softmax")(tensor))
    model.compile(fastcnn.optimizers.AdamW(1e-3, global_clipnorm=1.0), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, batch_size=40, epochs=2, validation_split=0.2, verbose=0).history
    found = hashlib.sha256(repr(history).encode())
    for array in (*model.get_weights(), model.predict(x[:50], verbose=0)):
        found.update(array.tobytes())
    return found.hexdigest()


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_threads_change_nothing(threads):
    with fastcnn.num_threads(1):
        expected = digest()
    with fastcnn.num_threads(threads):
        assert digest() == expected


def test_another_process_trains_the_same():
    command = "import sys; sys.path[:0] = sys.argv[1:]; from test_reproducible import digest; print(digest())"
    found = subprocess.run([sys.executable, "-c", command, *sys.path], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == digest()
