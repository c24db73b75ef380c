"""Data sets: the sample in the package, those that are found in folders, and downloads from a server on this machine."""

import hashlib
import http.server
import importlib.util
import io
import pickle
import struct
import tarfile
import threading
from pathlib import Path

import hostile_files
import numpy as np
import pytest
from compare import assert_same_bits

from fastcnn.datasets import _download, _files, cifar10, fashion_mnist, mnist, mnist_sample

TOOLS = Path(__file__).parents[1] / "tools"
NOBODY = "http://127.0.0.1:9/"  # the discard port: nobody answers

#: What Keras's source says, too; of the files of Fashion-MNIST it knows no digests.
KNOWN = {
    "mnist": (mnist.URL.removesuffix("mnist.npz"), mnist.SHA256),
    "fashion_mnist": (fashion_mnist.URL, *fashion_mnist.SHA256),
    "cifar10": (cifar10.URL, cifar10.SHA256),
}


@pytest.fixture(autouse=True)
def no_data(tmp_path, monkeypatch):
    """Folders of our own, all empty, and no way out."""
    monkeypatch.delenv("FASTCNN_DATA_DIR", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(_files, "DEBIAN", tmp_path / "debian")
    monkeypatch.setattr(_download, "_PAUSES_SECONDS", (0, 0, 0))
    monkeypatch.setattr(mnist, "URL", NOBODY + "mnist.npz")
    monkeypatch.setattr(fashion_mnist, "URL", NOBODY)
    monkeypatch.setattr(cifar10, "URL", NOBODY + "cifar-10-python.tar.gz")


class Server:
    """A server on this machine of the files in a folder; it tells what it was asked for, and can break its connections."""

    def __init__(self, folder):
        self.folder, self.requests = folder, []
        self.breaks = []  # after how many bytes, for each connection to come
        self.ranges = True  # whether it can begin in the middle

    def answer(self, handler):
        start = int(handler.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        self.requests.append((handler.path, start))
        path = self.folder / handler.path.removeprefix("/")
        content = path.read_bytes() if path.is_file() else None
        start = start if self.ranges else 0
        if content is None:
            handler.send_error(404)
        elif start and start >= len(content):
            handler.send_error(416)
        else:
            handler.send_response(206 if start else 200)
            handler.send_header("Content-Length", str(len(content) - start))
            handler.end_headers()
            end = start + self.breaks.pop(0) if self.breaks else None
            handler.wfile.write(content[start:end])


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server that has the sample in the place of MNIST."""
    server = Server(tmp_path / "server")
    server.folder.mkdir()
    (server.folder / "mnist.npz").write_bytes(mnist_sample.PATH.read_bytes())

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            server.answer(self)

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))  # a look every so many seconds whether to stop
        thread.start()
        server.url = f"http://127.0.0.1:{running.server_port}/"
        monkeypatch.setattr(mnist, "URL", server.url + "mnist.npz")
        monkeypatch.setattr(mnist, "SHA256", hashlib.sha256(mnist_sample.PATH.read_bytes()).hexdigest())
        yield server
        running.shutdown()
        thread.join()


# --- MNIST and its sample ------------------------------------------------------------------------------------------------


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
    np.savez(cache / "mnist.npz", **hostile_files.digits(3))
    assert mnist.find() == cache / "mnist.npz"
    assert len(mnist.load_data()[0][0]) == 3
    np.savez(tmp_path / "mnist.npz", **hostile_files.digits(5))
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
    np.savez(tmp_path / ".keras/datasets/mnist.npz", **hostile_files.digits(3))
    assert len(mnist.load_data()[0][0]) == 3


# --- Downloads -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path):
    return tmp_path / "keras/datasets/mnist.npz"


def test_a_download_is_kept_in_keras_cache(server, kept):
    (x_train, _), _ = mnist.load_data()
    assert len(x_train) == 5000
    assert kept.read_bytes() == mnist_sample.PATH.read_bytes()
    assert [entry.name for entry in kept.parent.iterdir()] == ["mnist.npz"]
    mnist.load_data()
    assert server.requests == [("/mnist.npz", 0)]  # the second time without the network


def test_a_broken_connection_goes_on_where_it_broke(server, kept):
    server.breaks = [300_000, 1, 400_000]
    assert len(mnist.load_data()[0][0]) == 5000
    assert server.requests == [("/mnist.npz", start) for start in (0, 300_000, 300_001, 700_001)]
    assert [entry.name for entry in kept.parent.iterdir()] == ["mnist.npz"]


def test_a_download_goes_on_in_the_next_process(server, kept):
    server.breaks = [300_000, 0, 0, 0]
    with pytest.raises(OSError, match="bytes before the end"):
        mnist.load_data()
    assert [entry.name for entry in kept.parent.iterdir()] == [".mnist.npz.part"]
    assert len(mnist.load_data()[0][0]) == 5000
    assert server.requests[-1] == ("/mnist.npz", 300_000)
    assert [entry.name for entry in kept.parent.iterdir()] == ["mnist.npz"]


def test_a_server_that_cannot_begin_in_the_middle_begins_anew(server):
    server.breaks, server.ranges = [300_000], False
    assert len(mnist.load_data()[0][0]) == 5000
    assert server.requests == [("/mnist.npz", 0), ("/mnist.npz", 300_000)]


@pytest.mark.parametrize("left", [b"of something else", mnist_sample.PATH.read_bytes(), mnist_sample.PATH.read_bytes() + b"more"])
def test_what_an_earlier_download_left_is_no_obstacle(server, kept, left):
    kept.parent.mkdir(parents=True)
    kept.with_name(".mnist.npz.part").write_bytes(left)
    assert len(mnist.load_data()[0][0]) == 5000
    assert [entry.name for entry in kept.parent.iterdir()] == ["mnist.npz"]


def test_downloads_at_once_are_one_download(server, kept):
    threads = [threading.Thread(target=mnist.load_data) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.requests == [("/mnist.npz", 0)]
    assert [entry.name for entry in kept.parent.iterdir()] == ["mnist.npz"]


def cut_short(folder):
    path = folder / "mnist.npz"
    path.write_bytes(path.read_bytes()[:-1])


def forge(folder):
    path = folder / "mnist.npz"
    path.write_bytes(path.read_bytes()[:-1] + b"?")


@pytest.mark.parametrize(
    ("spoil", "message"), [(cut_short, "SHA-256"), (forge, "SHA-256"), (lambda folder: (folder / "mnist.npz").unlink(), "404")]
)
def test_a_download_of_something_else_is_thrown_away(server, kept, spoil, message):
    spoil(server.folder)
    with pytest.raises(OSError, match=message):
        mnist.load_data()
    assert list(kept.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("data", "ways"),
    [
        (mnist, "'mnist.npz' in some folder.*FASTCNN_DATA_DIR.*mnist_sample"),
        (fashion_mnist, "'fashion-mnist/train-images-idx3-ubyte.gz' in some folder.*FASTCNN_DATA_DIR.*dataset-fashion-mnist"),
        (cifar10, "'cifar-10-python.tar.gz' in some folder.*FASTCNN_DATA_DIR"),
    ],
)
def test_without_a_network_the_ways_on_are_named(data, ways):
    with pytest.raises(OSError, match=f"was not found.*{NOBODY}.*{ways}"):
        data.load_data()


@pytest.mark.parametrize(("name", "known"), KNOWN.items())
def test_addresses_and_digests_are_those_of_keras(name, known, keras):
    source = (Path(keras.__file__).parent / f"src/datasets/{name}.py").read_text()
    for fact in known:
        assert fact in source


# --- Fashion-MNIST -------------------------------------------------------------------------------------------------------


@pytest.fixture
def clothes():
    return hostile_files.clothes()


def put(folder, arrays):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        (folder / name).write_bytes(hostile_files.idx(array))


@pytest.mark.parametrize("place", ["own", "keras/datasets", "debian"])
def test_clothes_are_looked_for_in_three_folders(tmp_path, monkeypatch, clothes, place):
    monkeypatch.setenv("FASTCNN_DATA_DIR", str(tmp_path / "own"))
    put(tmp_path / place / "fashion-mnist", clothes)
    (x_train, y_train), (x_test, y_test) = fashion_mnist.load_data()
    for ours, theirs in zip((x_train, y_train, x_test, y_test), clothes.values(), strict=True):
        assert_same_bits(ours, theirs)
        assert ours.flags.writeable


def test_clothes_are_downloaded_to_keras_cache_and_keras_reads_the_same(tmp_path, monkeypatch, server, clothes, keras):
    put(server.folder, clothes)
    monkeypatch.setattr(fashion_mnist, "URL", server.url)
    monkeypatch.setattr(
        fashion_mnist, "SHA256", {name: hashlib.sha256(hostile_files.idx(array)).hexdigest() for name, array in clothes.items()}
    )
    ours = fashion_mnist.load_data()
    assert len(server.requests) == 4
    cache = tmp_path / "keras/datasets/fashion-mnist"
    assert {entry.name for entry in cache.iterdir()} == set(clothes)
    theirs = keras.src.datasets.fashion_mnist
    monkeypatch.setattr(theirs, "get_file", lambda name, **others: str(cache / name))
    for our_pair, their_pair in zip(ours, theirs.load_data(), strict=True):
        for our, their in zip(our_pair, their_pair, strict=True):
            assert_same_bits(our, their)


# --- CIFAR-10 ------------------------------------------------------------------------------------------------------------


class Python2Pickler(pickle._Pickler):
    """Writes as Python 2 did, where bytes were text."""

    def save_bytes(self, content):
        self.write(pickle.BINSTRING + struct.pack("<i", len(content)) + content)
        self.memoize(content)

    dispatch = pickle._Pickler.dispatch | {bytes: save_bytes}


def python2_pickle(value):
    stream = io.BytesIO()
    Python2Pickler(stream, 2).dump(value)
    return stream.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


@pytest.fixture
def things():
    """A few pictures in CIFAR-10's six batches."""
    rng = np.random.default_rng(4)
    return {
        name: {b"data": rng.integers(0, 256, (4, 3072), np.uint8), b"labels": rng.integers(0, 10, 4).tolist(), b"batch_label": b"a"}
        for name in (*(f"data_batch_{number}" for number in (1, 4, 2, 3, 5)), "test_batch")
    }


def write_archive(path, pickles, monkeypatch):
    """Write the pickles as the author of CIFAR-10 would have, and make them the ones that are known."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("cifar-10-batches-py/readme.html"), io.BytesIO())
        for name, content in pickles.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    monkeypatch.setattr(cifar10, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.mark.parametrize(
    "place",
    ["own/cifar-10-python.tar.gz", "keras/datasets/cifar-10-batches-py-target_archive", "keras/datasets/cifar-10-batches-py.tar.gz"],
)
def test_things_are_as_keras_reads_them(tmp_path, monkeypatch, things, place, keras):
    monkeypatch.setenv("FASTCNN_DATA_DIR", str(tmp_path / "own"))
    pickles = {name: python2_pickle(batch) for name, batch in things.items()}
    write_archive(tmp_path / place, pickles, monkeypatch)
    (x_train, y_train), (x_test, y_test) = cifar10.load_data()
    assert x_train.flags.c_contiguous
    first = things["data_batch_1"]
    assert x_train[0, 5, 7].tolist() == first[b"data"][0].reshape(3, 32, 32)[:, 5, 7].tolist()
    assert y_train.shape == (20, 1)
    assert y_train.dtype == np.uint8
    for number in range(1, 6):
        (tmp_path / "batch").write_bytes(pickles[f"data_batch_{number}"])
        images, labels = keras.src.datasets.cifar.load_batch(tmp_path / "batch")
        rows = slice(4 * number - 4, 4 * number)
        assert_same_bits(x_train[rows], np.ascontiguousarray(images.transpose(0, 2, 3, 1)))
        assert y_train[rows, 0].tolist() == labels
    assert (x_test.shape, y_test[:, 0].tolist()) == ((4, 32, 32, 3), things["test_batch"][b"labels"])


def test_things_are_downloaded(tmp_path, monkeypatch, server, things):
    write_archive(server.folder / "c.tar.gz", {name: python2_pickle(batch) for name, batch in things.items()}, monkeypatch)
    monkeypatch.setattr(cifar10, "URL", server.url + "c.tar.gz")
    assert cifar10.load_data()[0][0].shape == (20, 32, 32, 3)
    assert [entry.name for entry in (tmp_path / "keras/datasets").iterdir()] == ["cifar-10-python.tar.gz"]


def test_a_file_of_things_that_is_not_the_known_one_is_not_opened(tmp_path, monkeypatch, things):
    path = tmp_path / "keras/datasets/cifar-10-python.tar.gz"
    write_archive(path, {"data_batch_1": pickle.dumps(hostile_files.Code(tmp_path / "it ran"), 2)}, monkeypatch)
    monkeypatch.undo()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("FASTCNN_DATA_DIR", raising=False)
    with pytest.raises(ValueError, match=r"cifar-10-python\.tar\.gz' is not the file of CIFAR-10 that is known"):
        cifar10.load_data()
    assert not (tmp_path / "it ran").exists()


def test_even_a_known_pickle_makes_no_more_than_arrays(tmp_path, monkeypatch, things):
    code = {**things["data_batch_1"], b"batch_label": hostile_files.Code(tmp_path / "it ran")}
    write_archive(tmp_path / "keras/datasets/cifar-10-python.tar.gz", {"data_batch_1": pickle.dumps(code, 2)}, monkeypatch)
    with pytest.raises(pickle.UnpicklingError, match="no place"):
        cifar10.load_data()
    assert not (tmp_path / "it ran").exists()
