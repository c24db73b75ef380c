"""Data sets: the sample in the package, MNIST where it is found, and its download from a server on this machine."""

import hashlib
import http.server
import importlib.util
import threading
from pathlib import Path

import numpy as np
import pytest
from compare import assert_same_bits

from fastcnn.datasets import mnist, mnist_sample

TOOLS = Path(__file__).parents[1] / "tools"


@pytest.fixture(autouse=True)
def no_data(tmp_path, monkeypatch):
    """Folders of our own, all empty, and no way out."""
    monkeypatch.delenv("FASTCNN_DATA_DIR", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(mnist, "URL", "http://127.0.0.1:9/mnist.npz")  # the discard port: nobody answers


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server on this machine that holds a file of digits; its requests are counted."""
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / "mnist.npz").write_bytes(mnist_sample.PATH.read_bytes())
    requests = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *arguments):
            requests.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        monkeypatch.setattr(mnist, "URL", f"http://127.0.0.1:{running.server_port}/mnist.npz")
        monkeypatch.setattr(mnist, "SHA256", hashlib.sha256(mnist_sample.PATH.read_bytes()).hexdigest())
        yield folder, requests
        running.shutdown()
        thread.join()


def test_the_sample_is_balanced_and_mixed():
    (x_train, y_train), (x_test, y_test) = mnist_sample.load_data()
    for images, labels, count in ((x_train, y_train, 500), (x_test, y_test, 100)):
        assert images.shape == (10 * count, 28, 28)
        assert images.dtype == labels.dtype == np.uint8
        assert np.bincount(labels).tolist() == [count] * 10
        assert images.max() == 255
        assert len(np.unique(labels[-count:])) == 10  # what a validation_split takes has every digit
        assert len(np.unique(images.reshape(len(images), -1), axis=0)) == len(images)
    assert mnist_sample.PATH.stat().st_size < 1_200_000


def test_the_sample_ships_its_authors_and_licence():
    text = mnist_sample.PATH.with_suffix(".LICENSE.txt").read_text()
    for words in ("Yann LeCun", "Corinna Cortes", "Attribution-ShareAlike 3.0"):
        assert words in text


def test_the_tool_chooses_as_many_of_each_digit_and_always_the_same():
    spec = importlib.util.spec_from_file_location("make_mnist_sample", TOOLS / "make_mnist_sample.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    labels = np.random.default_rng(1).integers(0, 10, 500)
    chosen, again = (tool.choose(labels, 20, np.random.default_rng(tool.SEED)) for _ in range(2))
    assert_same_bits(chosen, again)
    assert (np.diff(chosen) > 0).all()
    assert np.bincount(labels[chosen]).tolist() == [20] * 10
    assert {part: 10 * count for part, count in tool.PER_DIGIT.items()} == {"train": 5000, "test": 1000}


def test_mnist_is_looked_for_in_the_data_folder_then_in_keras_cache(tmp_path, monkeypatch):
    assert mnist.find() is None
    cache = tmp_path / "keras" / "datasets"
    cache.mkdir(parents=True)
    np.savez(cache / "mnist.npz", **digits(3))
    assert mnist.find() == cache / "mnist.npz"
    assert len(mnist.load_data()[0][0]) == 3
    np.savez(tmp_path / "mnist.npz", **digits(5))
    monkeypatch.setenv("FASTCNN_DATA_DIR", str(tmp_path))
    assert mnist.find() == tmp_path / "mnist.npz"
    assert len(mnist.load_data()[0][0]) == 5
    monkeypatch.setenv("FASTCNN_DATA_DIR", str(tmp_path / "nowhere"))
    assert mnist.find() == cache / "mnist.npz"


def test_without_keras_home_the_cache_is_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / ".keras/datasets").mkdir(parents=True)
    np.savez(tmp_path / ".keras/datasets/mnist.npz", **digits(3))
    assert len(mnist.load_data()[0][0]) == 3


def digits(count):
    images, labels = np.zeros((count, 28, 28), np.uint8), np.arange(count, dtype=np.uint8)
    return {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels}


@pytest.mark.parametrize(
    "change",
    [
        {"x_train": np.zeros((4, 28, 27), np.uint8)},
        {"x_train": np.zeros((4, 28, 28), np.float32)},
        {"x_test": np.zeros((0, 28, 28), np.uint8), "y_test": np.zeros(0, np.uint8)},
        {"y_test": np.zeros(3, np.uint8)},
        {"y_test": np.full(4, 10, np.uint8)},
        {"y_test": np.zeros(4, np.int64)},
        {"y_train": np.array([{}] * 4, object)},
        {"y_train": None},
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, change):
    arrays = {name: array for name, array in (digits(4) | change).items() if array is not None}
    np.savez(tmp_path / "mnist.npz", **arrays)
    with pytest.raises(ValueError, match=r"mnist\.npz' does not hold MNIST's digits"):
        mnist.load_data(tmp_path / "mnist.npz")


def test_a_broken_file_is_refused(tmp_path):
    for content in (b"", b"hello", mnist_sample.PATH.read_bytes()[:-1000]):
        (tmp_path / "mnist.npz").write_bytes(content)
        with pytest.raises(ValueError, match=r"mnist\.npz' does not hold MNIST's digits"):
            mnist.load_data(tmp_path / "mnist.npz")


def test_a_download_is_kept_in_keras_cache(tmp_path, server):
    _, requests = server
    (x_train, _), _ = mnist.load_data()
    assert len(x_train) == 5000
    kept = tmp_path / "keras/datasets/mnist.npz"
    assert kept.read_bytes() == mnist_sample.PATH.read_bytes()
    assert [entry.name for entry in kept.parent.iterdir()] == ["mnist.npz"]
    mnist.load_data()
    assert requests == ["/mnist.npz"]  # the second time without the network


def cut_short(folder):
    path = folder / "mnist.npz"
    path.write_bytes(path.read_bytes()[:-1])


def forge(folder):
    path = folder / "mnist.npz"
    path.write_bytes(path.read_bytes()[:-1] + b"?")


@pytest.mark.parametrize(
    ("spoil", "message"), [(cut_short, "SHA-256"), (forge, "SHA-256"), (lambda folder: (folder / "mnist.npz").unlink(), "404")]
)
def test_a_download_of_something_else_is_thrown_away(tmp_path, server, spoil, message):
    spoil(server[0])
    with pytest.raises(OSError, match=message):
        mnist.load_data()
    assert list((tmp_path / "keras/datasets").iterdir()) == []


def test_without_a_network_the_ways_on_are_named():
    with pytest.raises(OSError, match=r"not found.*FASTCNN_DATA_DIR.*mnist_sample"):
        mnist.load_data()


def test_the_address_and_the_digest_are_those_of_keras():
    source = Path(mnist.__file__).read_text()
    assert "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz" in source
    assert "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1" in source
