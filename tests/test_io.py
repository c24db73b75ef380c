"""Model files: round trips, what others wrote refused, and writing that is whole or not at all."""

import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from compare import assert_same_bits
from hostile_files import header

from fastcnn import layers, losses, models, optimizers, random
from fastcnn.io import atomic, model_file


@pytest.fixture
def data():
    rng = np.random.default_rng(1)
    return rng.normal(size=(40, 6, 6, 2)), rng.integers(0, 3, 40)


@pytest.fixture
def model(data):
    random.set_seed(2)
    model = models.Sequential(
        [
            layers.Conv2D(3, 3, activation="relu", input_shape=(6, 6, 2)),
            layers.DepthwiseConv2D(2, name="deep"),
            layers.Conv2DTranspose(2, 3, strides=2, bias_initializer="ones"),
            layers.AveragePooling2D(2),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.25),
            layers.Dense(3),
            layers.Activation("softmax"),
        ],
        name="all kinds",
    )
    model.compile(optimizers.Adam(0.01), losses.SparseCategoricalCrossentropy(), metrics=["accuracy"])
    model.fit(*data, verbose=0)
    return model


@pytest.fixture
def path(tmp_path, model):
    path = tmp_path / "model.safetensors"
    model.save(path)
    return path


def test_a_saved_model_comes_back_whole_and_goes_on_as_if_never_saved(path, model, data):
    twin = models.load_model(path)
    assert twin.get_config() == model.get_config()
    assert_same_bits(twin.predict(data[0], verbose=0), model.predict(data[0], verbose=0))
    assert twin.evaluate(*data, verbose=0) == model.evaluate(*data, verbose=0)
    assert twin.fit(*data, verbose=0).history == model.fit(*data, verbose=0).history
    for ours, theirs in zip(twin.get_weights(), model.get_weights(), strict=True):
        assert_same_bits(ours, theirs)


def test_a_model_can_be_loaded_without_its_training(path):
    assert models.load_model(path, compile=False).optimizer is None


def test_an_uncompiled_model_is_saved_too(tmp_path):
    model = models.Sequential([layers.Dense(2, input_shape=(3,))])
    model.save(tmp_path / "bare.safetensors")
    assert models.load_model(os.fspath(tmp_path / "bare.safetensors")).optimizer is None


def test_the_file_is_plain_safetensors(path, model):
    from safetensors.numpy import load_file

    assert_same_bits(load_file(path)["weights/deep/kernel"], model.get_layer("deep").get_weights()[0])
    metadata = header(path.read_bytes())[0]["__metadata__"]
    assert json.loads(metadata["config"])["model"]["config"]["layers"][0]["class_name"] == "Conv2D"


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4).T,
        np.arange(12, dtype=np.float32)[::-2],
        np.ones((), np.float32),
        np.zeros((0, 3)),
        np.arange(3, dtype=">i4"),
        np.array([True, False]),
    ],
)
def test_arrays_of_any_memory_order_come_back(tmp_path, array):
    model_file.write(tmp_path / "a.safetensors", {"a": array})
    arrays, config = model_file.read(tmp_path / "a.safetensors")
    assert config is None
    assert arrays["a"].shape == array.shape
    assert_same_bits(arrays["a"], np.asarray(array, array.dtype.newbyteorder("="), order="C"))


def test_weights_alone(tmp_path, model, data):
    model.save_weights(tmp_path / "weights.safetensors")
    outputs = model.predict(data[0], verbose=0)
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    model.load_weights(tmp_path / "weights.safetensors")
    assert_same_bits(model.predict(data[0], verbose=0), outputs)
    with pytest.raises(ValueError, match=r"weights\.safetensors.*does not hold a fastcnn model"):
        models.load_model(tmp_path / "weights.safetensors")


def test_weights_of_another_model_are_refused(path):
    other = models.Sequential([layers.Dense(2, input_shape=(3,))])
    before = other.get_weights()
    with pytest.raises(ValueError, match=r"model\.safetensors.*does not hold the weights of this model"):
        other.load_weights(path)
    assert_same_bits(other.get_weights()[0], before[0])


def test_a_file_of_another_library_is_refused(tmp_path):
    from safetensors.numpy import save_file

    for metadata in (None, {"format": "pt"}):
        save_file({"weights/dense/kernel": np.ones((2, 2))}, tmp_path / "other.safetensors", metadata)
        with pytest.raises(ValueError, match="not written by fastcnn"):
            models.load_model(tmp_path / "other.safetensors")


def test_paths_that_cannot_be_written_are_refused(tmp_path, model):
    (tmp_path / "folder.safetensors").mkdir()
    for name, error in (
        ("model.keras", ValueError),
        ("model", ValueError),
        ("no/model.safetensors", FileNotFoundError),
        ("folder.safetensors", IsADirectoryError),
    ):
        with pytest.raises(error, match="path"):
            model.save(tmp_path / name)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_is_interrupted_leaves_the_old_file_and_nothing_else(path, model, monkeypatch, step):
    before = path.read_bytes()

    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, step, interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.save(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_what_a_killed_process_leaves_is_no_obstacle_and_does_not_pile_up(tmp_path):
    path = tmp_path / "model.safetensors"
    killed = """
import os, sys, pathlib
from fastcnn.io import atomic
with atomic.replacing(pathlib.Path(sys.argv[1])) as file:
    file.write(b"half of it" * 10_000)
    file.flush()
    os.kill(os.getpid(), 9)
"""
    for _ in range(2):
        assert subprocess.run([sys.executable, "-c", killed, path], check=False).returncode == -9
        assert len(list(tmp_path.iterdir())) == 1
    model_file.write(path, {"a": np.arange(3)})
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert model_file.read(path)[0]["a"].tolist() == [0, 1, 2]


def test_writers_at_once_do_not_mix(tmp_path):
    path = tmp_path / "model.safetensors"
    start = threading.Barrier(4)

    def write(number):
        start.wait()
        for _ in range(10):
            model_file.write(path, {"a": np.full(1000 * number, number)})

    threads = [threading.Thread(target=write, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    array = model_file.read(path)[0]["a"]
    assert len(array) == 1000 * array[0]
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_link_in_the_place_of_the_new_file_is_not_followed(tmp_path):
    (tmp_path / "precious").write_text("data")
    (tmp_path / ".model.safetensors.part").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError), atomic.replacing(tmp_path / "model.safetensors"):
        pass
    assert (tmp_path / "precious").read_text() == "data"
