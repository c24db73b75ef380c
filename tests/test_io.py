"""Model files: round trips, and broken files refused."""

import json
import os
import zipfile

import numpy as np
import pytest
from compare import assert_same_bits

from fastcnn import layers, losses, models, optimizers, random
from fastcnn.io import archive


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
    path = tmp_path / "model.npz"
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
    model.save(tmp_path / "bare.npz")
    assert models.load_model(os.fspath(tmp_path / "bare.npz")).optimizer is None


def test_the_file_is_plain_numpy(path):
    with np.load(path, allow_pickle=False) as file:
        assert file["weights/deep/kernel"].shape == (2, 2, 3, 1)
        assert json.loads(file["config.json"].tobytes())["model"]["config"]["layers"][0]["class_name"] == "Conv2D"


def test_weights_alone(tmp_path, model, data):
    model.save_weights(tmp_path / "weights.npz")
    outputs = model.predict(data[0], verbose=0)
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    model.load_weights(tmp_path / "weights.npz")
    assert_same_bits(model.predict(data[0], verbose=0), outputs)
    with pytest.raises(ValueError, match=r"weights\.npz.*does not hold a fastcnn model"):
        models.load_model(tmp_path / "weights.npz")


def test_weights_of_another_model_are_refused(path):
    other = models.Sequential([layers.Dense(2, input_shape=(3,))])
    before = other.get_weights()
    with pytest.raises(ValueError, match=r"model\.npz.*does not hold the weights of this model"):
        other.load_weights(path)
    assert_same_bits(other.get_weights()[0], before[0])


def rewritten(path, change):
    """Change the file's arrays and configuration, as one who knows the format could."""
    arrays, config = archive.read(path)
    change(arrays, config)
    archive.write(path, arrays, config)


CHANGES = {
    "a weight missing": lambda arrays, config: arrays.pop("weights/deep/kernel"),
    "a weight of another shape": lambda arrays, config: arrays.update({"weights/deep/kernel": np.zeros((2, 2, 3, 2))}),
    "a weight of strings": lambda arrays, config: arrays.update({"weights/deep/kernel": np.full((2, 2, 3, 1), "a")}),
    "another format": lambda arrays, config: config.update(format=99),
    "no model": lambda arrays, config: config.pop("model"),
    "an unknown layer": lambda arrays, config: config["model"]["config"]["layers"][0].update(class_name="Conv9D"),
    "a base class": lambda arrays, config: config["model"]["config"]["layers"][0].update(class_name="Layer"),
    "no layer at all": lambda arrays, config: config["model"]["config"]["layers"].__setitem__(0, 3),
    "a bad argument": lambda arrays, config: config["model"]["config"]["layers"][0]["config"].update(strides=0),
    "an unknown argument": lambda arrays, config: config["model"]["config"]["layers"][0]["config"].update(strode=1),
    "a vast layer": lambda arrays, config: config["model"]["config"]["layers"][7]["config"].update(units=2**31 - 1),
    "another input": lambda arrays, config: config["model"]["config"].update(input_shape=[6, 6, 1]),
    "an unknown optimizer": lambda arrays, config: config["training"]["optimizer"].update(class_name="Eve"),
    "no iterations": lambda arrays, config: config["training"].pop("iterations"),
    "iterations without end": lambda arrays, config: config["training"].update(iterations=1e300),
    "a slot missing": lambda arrays, config: arrays.pop("training/slots/velocity"),
    "a slot too short": lambda arrays, config: arrays.update({"training/slots/velocity": np.zeros(3, np.float32)}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_files_that_contradict_themselves_are_refused(path, name):
    rewritten(path, CHANGES[name])
    with pytest.raises(ValueError, match=r"model\.npz' does not hold a fastcnn model"):
        models.load_model(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\x80\x04N.", b"\x93NUMPY\x01\x00"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "other.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"other\.npz' does not hold a fastcnn model"):
        models.load_model(path)


def test_a_file_cut_short_or_with_one_wrong_byte_is_refused(path, model):
    whole = path.read_bytes()
    for cut in range(1, len(whole), 97):
        path.write_bytes(whole[:-cut])
        with pytest.raises(ValueError, match="does not hold a fastcnn model"):
            models.load_model(path)
    rng = np.random.default_rng(0)
    for position in rng.integers(0, len(whole), 200):
        broken = bytearray(whole)
        broken[position] ^= 0xFF
        path.write_bytes(broken)
        try:
            twin = models.load_model(path)
        except ValueError as error:
            assert "does not hold a fastcnn model" in str(error)
        else:  # a byte that carries nothing, such as a time stamp
            for ours, theirs in zip(twin.get_weights(), model.get_weights(), strict=True):
                assert_same_bits(ours, theirs)


def test_a_single_array_and_a_pickle_are_refused(tmp_path):
    class Code:
        def __reduce__(self):
            return open, (str(tmp_path / "it ran"), "w")

    np.save(tmp_path / "array.npy", np.zeros(3))
    np.savez(tmp_path / "pickle.npz", config=np.array([Code()], object))
    for name in ("array.npy", "pickle.npz"):
        with pytest.raises(ValueError, match="does not hold a fastcnn model"):
            models.load_model(tmp_path / name)
    assert not (tmp_path / "it ran").exists()


def test_a_header_that_lies_about_its_size_is_refused(path):
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,), }".ljust(117) + b"\n"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("weights/deep/kernel.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(ValueError, match="does not hold a fastcnn model"):
        models.load_model(path)


def test_a_missing_file_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        models.load_model(tmp_path / "nowhere.npz")


def test_paths_that_cannot_be_written_are_refused(tmp_path, model):
    (tmp_path / "folder.npz").mkdir()
    for name, error in (
        ("model.keras", ValueError),
        ("model", ValueError),
        ("no/model.npz", FileNotFoundError),
        ("folder.npz", IsADirectoryError),
    ):
        with pytest.raises(error, match="path"):
            model.save(tmp_path / name)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(path, model, monkeypatch):
    before = path.read_bytes()

    def fail(descriptor):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        model.save(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
