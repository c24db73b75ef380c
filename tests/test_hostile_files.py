"""Files from strangers: each that is no good is one error that says so, and nothing else happens."""

import hashlib
import json
import sys
import tracemalloc
from contextlib import contextmanager

import hostile_files
import numpy as np
import pytest

import fastcnn
from fastcnn import callbacks, cli, datasets, layers, losses, metrics, models, optimizers, random
from fastcnn.datasets import fashion_mnist, mnist
from fastcnn.io import model_file, regular

X = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
Y = np.arange(20) % 3

# --- What a file may lead to --------------------------------------------------------------------------------------------------

#: What Python tells of: that a file is opened, code is compiled or run, a program is started, and so on.
_events = []
_listening = False


def _hear(event, arguments):
    if _listening:
        _events.append((event, arguments))


sys.addaudithook(_hear)  # which cannot be taken away again

#: Events that are no act: a look at attributes, what the tests do, and reading a literal, which compiles it but runs nothing ("exec").
_HARMLESS = ("object.__", "sys._getframe", "builtins.id", "tracemalloc.", "compile")

#: What Python may take while a small file is read.
_MOST_BYTES = 40 << 20


@contextmanager
def nothing_else_happens(path):
    """See to it that no file but `path` is opened, and that to read; that no code comes from anywhere; that memory is not filled."""
    global _listening
    _events.clear()
    tracemalloc.start()
    _listening = True
    try:
        yield
    finally:
        _listening = False
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    acts = [(event, arguments) for event, arguments in _events if not event.startswith(_HARMLESS)]
    for event, arguments in acts:
        assert event == "open", (event, arguments)
        assert str(arguments[0]) == str(path), arguments
        assert not {"w", "a", "x", "+"} & set(arguments[1] or "r")
    assert peak < _MOST_BYTES


def refused(path, read):
    """See to it that `read` refuses the file with an error that names it, in one line that can be read; return the error."""
    with nothing_else_happens(path), pytest.raises((ValueError, OSError)) as caught:
        read()
    message = str(caught.value)
    assert path.name in message
    assert len(message) < 2000
    assert message.isprintable()
    return caught.value


# --- Model files --------------------------------------------------------------------------------------------------------------


def small_model():
    model = models.Sequential(
        [
            fastcnn.Input((4,)),
            layers.Dense(3, activation="relu", kernel_regularizer="l2"),
            layers.Dropout(0.3),
            layers.BatchNormalization(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.class_names = ["a", "b", "c"]
    rate = optimizers.schedules.ExponentialDecay(0.01, 10, 0.9)
    found = [metrics.SparseTopKCategoricalAccuracy(2), "accuracy"]
    model.compile(optimizers.Adam(rate), losses.SparseCategoricalCrossentropy(), metrics=found)
    return model


def fit(model, **options):
    options.setdefault("callbacks", [callbacks.EarlyStopping("loss", patience=9, restore_best_weights=True)])
    return model.fit(X, Y, batch_size=4, epochs=3, verbose=0, **options)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The content of a checkpoint in the middle of an epoch."""
    path = tmp_path_factory.mktemp("good") / "model.safetensors"
    random.set_seed(3)
    keep = callbacks.ModelCheckpoint(path, save_freq=8)
    fit(small_model(), callbacks=[callbacks.EarlyStopping("loss", patience=9, restore_best_weights=True), keep])
    models.load_model(path)  # what is imported when it is first used is here now
    return path.read_bytes()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.fixture
def model():
    """A model of which a training has begun."""
    random.set_seed(4)
    model = small_model()
    fit(model)
    return model


def state_of(model):
    """A digest of all that a training consists of."""
    config, arrays = model._training_state()
    digest = hashlib.sha256(json.dumps([config, model.class_names]).encode())
    for array in (*arrays.values(), *model.get_weights()):
        digest.update(array.tobytes())
    return digest.hexdigest()


def refused_everywhere(path, model):
    """See to it that the file is refused as a model, as weights and as a checkpoint, and `model` is as it was."""
    before = state_of(model)
    assert type(refused(path, lambda: models.load_model(path))) in (ValueError, FileNotFoundError, IsADirectoryError, OSError)
    refused(path, lambda: model.load_weights(path))
    refused(path, lambda: fit(model, resume_from=path))
    assert state_of(model) == before


def test_the_good_file_is_taken_by_all(path, good, model):
    path.write_bytes(good)
    with nothing_else_happens(path):
        models.load_model(path)
        model.load_weights(path)
    fit(model, resume_from=path)


@pytest.mark.parametrize("name", hostile_files.CONTENTS)
def test_contents_that_are_no_model_are_refused(path, good, model, name):
    path.write_bytes(hostile_files.CONTENTS[name](good))
    assert path.read_bytes() != good
    refused_everywhere(path, model)


@pytest.mark.parametrize("name", hostile_files.PATHS)
def test_paths_that_are_no_files_are_refused(path, model, name):
    hostile_files.PATHS[name](path)
    refused_everywhere(path, model)


def test_a_link_to_a_model_is_a_model_and_is_replaced_by_the_next(path, good, model, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(good)
    path.symlink_to(elsewhere)
    models.load_model(path)
    model.save(path)
    assert not path.is_symlink()
    assert elsewhere.read_bytes() == good


def changed(path, content, change):
    """Write a file with other arrays and another configuration, and with the right checksum."""
    path.write_bytes(content)
    arrays, config = model_file.read(path)
    change(arrays, config)
    model_file.write(path, arrays, config)


@pytest.mark.parametrize("name", hostile_files.CHANGES)
def test_models_that_cannot_be_are_refused(path, good, name):
    changed(path, good, hostile_files.CHANGES[name])
    error = refused(path, lambda: models.load_model(path))
    assert "does not hold a fastcnn model: " in str(error)


@pytest.mark.parametrize("name", hostile_files.CHANGES_OF_STATE)
def test_trainings_that_cannot_be_are_refused(path, good, model, name):
    changed(path, good, hostile_files.CHANGES_OF_STATE[name])
    before = state_of(model)
    refused(path, lambda: fit(model, resume_from=path))
    assert state_of(model) == before


def test_weights_of_another_model_leave_a_training_as_it_was(path, good, model):
    """The optimizer's arrays fit, and what is refused comes after them."""
    changed(path, good, lambda arrays, config: arrays.update({"weights/batch_normalization/gamma": np.ones(4, np.float32)}))
    before = state_of(model)
    refused(path, lambda: fit(model, resume_from=path))
    assert state_of(model) == before


def test_a_file_that_is_cut_is_refused(path, good):
    _, end = hostile_files.header(good)
    for length in (*range(40), *range(40, end, 17), *range(end - 3, len(good), 29), len(good) - 1):
        path.write_bytes(good[:length])
        with pytest.raises(ValueError, match=r"model\.safetensors' does not hold a fastcnn model: "):
            models.load_model(path)


def test_a_file_with_a_wrong_bit_is_refused(path, good):
    """In each byte of the header, and in many of the arrays."""
    _, end = hostile_files.header(good)
    rng = np.random.default_rng(0)
    for position in (*range(end), *rng.integers(end, len(good), 500)):
        wrong = bytearray(good)
        wrong[position] ^= 1 << rng.integers(8)
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match=r"model\.safetensors' does not hold a fastcnn model: "):
            models.load_model(path)


def test_a_model_that_takes_more_memory_than_there_is_fails_when_it_runs(path):
    """It has no weights, so its file is small; what it gives would have 2**60 numbers."""
    model = models.Sequential([fastcnn.Input((1, 1, 1)), layers.UpSampling2D(2**30)])
    model.save(path)
    with pytest.raises((MemoryError, ValueError)):
        models.load_model(path).predict(np.ones((1, 1, 1, 1)), verbose=0)


def test_a_pipe_is_no_file(tmp_path):
    hostile_files.PATHS["a pipe"](tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe' is no file"):
        regular.open_regular(tmp_path / "pipe")


# --- Pictures -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pictures():
    pytest.importorskip("PIL")
    from PIL import Image

    Image.init()  # imports what reads each format
    return hostile_files.pictures()


@pytest.fixture
def saved_model(tmp_path):
    """A model of digits, in a file."""
    model = models.Sequential([fastcnn.Input((28, 28, 1)), layers.Flatten(), layers.Dense(10, activation="softmax")])
    model.save(tmp_path / "digits.safetensors")
    return tmp_path / "digits.safetensors"


def put_pictures(folder, pictures):
    """Write them, and what is none of the files that they seem to be; return all names."""
    for name, content in pictures.items():
        (folder / name).write_bytes(content)
    for name, make in hostile_files.PATHS.items():
        make(folder / f"{name}.png")
    return [*pictures, *(f"{name}.png" for name in hostile_files.PATHS)]


def test_the_command_refuses_what_is_no_picture(tmp_path, pictures, saved_model, capsys):
    for name in put_pictures(tmp_path, pictures):
        assert cli.main(["predict", str(tmp_path / name), "--model", str(saved_model)]) == 1, name
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("fastcnn: ")
        assert name in err
        assert len(err.splitlines()) == 1


@pytest.mark.parametrize("color_mode", ["rgb", "grayscale", "rgba"])
def test_a_folder_of_pictures_names_those_that_are_none(tmp_path, pictures, color_mode):
    from PIL import Image

    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (9, 9)).save(tmp_path / name / "0.png")
    names = put_pictures(tmp_path / "cats", pictures)
    found = [name for name in names if name not in ("nothing.png", "a folder.png", "a program.eps")]  # the last is not named as a picture
    with pytest.warns(UserWarning, match=f"left out: {len(found)} of the pictures cannot be read"):
        data = datasets.image_folder(tmp_path, 8, color_mode=color_mode, on_error="skip")
    assert len(data) == 2
    for name in names:  # one by one: a message names ten
        with pytest.raises((ValueError, OSError), match=name.replace(".", r"\.")):
            datasets.ImageFolder([str(tmp_path / "cats" / name)], [0], ["cats"], (8, 8), color_mode)[0]


# --- Files of data sets -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", hostile_files.DIGITS)
def test_digits_that_are_none_are_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mnist.npz"
    path.write_bytes(hostile_files.npz())
    mnist.load_data(path)
    path.write_bytes(hostile_files.DIGITS[name]())
    error = refused(path, lambda: mnist.load_data(path))
    assert "mnist.npz' does not hold MNIST's digits" in str(error)
    assert [entry.name for entry in tmp_path.iterdir()] == ["mnist.npz"]


@pytest.mark.parametrize("name", hostile_files.CLOTHES)
def test_clothes_that_are_none_are_refused(tmp_path, monkeypatch, name):
    monkeypatch.setenv("FASTCNN_DATA_DIR", str(tmp_path))
    folder = tmp_path / "fashion-mnist"
    folder.mkdir()
    for file, array in hostile_files.clothes().items():
        (folder / file).write_bytes(hostile_files.idx(array))
    fashion_mnist.load_data()
    file, content = hostile_files.CLOTHES[name]
    (folder / file).write_bytes(content())
    part = file.partition("-")[0]
    with pytest.raises(ValueError, match=f"{part}-images-idx3-ubyte.gz' and {part}-labels-idx1-ubyte.gz do not hold Fashion-MNIST: "):
        fashion_mnist.load_data()
