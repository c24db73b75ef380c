"""Files that are broken, or mean harm, by what is wrong with them: model files, pictures, and files of data sets."""

import gzip
import io
import json
import os
import struct
import zlib

import numpy as np

from fastcnn.io import model_file

# --- Model files: contents that are none, made of the content of a good one ----------------------------------------------------


def header(content):
    """The JSON that begins a safetensors file, and where it ends."""
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), end


def with_header(content, text):
    """The file with `text` for its header."""
    return len(text).to_bytes(8, "little") + text + content[header(content)[1] :]


def with_entry(**change):
    """A file whose header says something else of one of its arrays."""

    def make(content):
        entries, _ = header(content)
        entries["weights/dense/kernel"].update(change)
        return with_header(content, json.dumps(entries).encode())

    return make


def with_config(change):
    """A file whose configuration is another text, with the right checksum: whoever writes a file can compute it."""

    def make(content):
        from safetensors.numpy import load, save

        entries, _ = header(content)
        text, arrays = change(entries["__metadata__"]["config"]), load(content)
        return save(arrays, {"config": text, "sha256": model_file._digest(arrays, text)})

    return make


def with_array_twice(content):
    entries, _ = header(content)
    text = json.dumps(entries)
    name = '"weights/dense/kernel"'
    return with_header(content, text.replace(name, f"{name}: {json.dumps(entries[json.loads(name)])}, {name}", 1).encode())


def overlapping(content):
    entries, _ = header(content)
    entries["weights/dense/bias"]["data_offsets"] = [start := entries["weights/dense/kernel"]["data_offsets"][0], start + 12]
    return with_header(content, json.dumps(entries).encode())


MODEL = '{"class_name": "Sequential", "config": {"name": "m", "input_shape": null, "trainable": true, "layers": ['

CONTENTS = {
    "empty": lambda content: b"",
    "text": lambda content: b"hello",
    "a zip": lambda content: b"PK\x03\x04",
    "a pickle": lambda content: b"cos\nsystem\n(S'echo it ran'\ntR.",
    "zeros": lambda content: bytes(100_000),
    "a header of 2**64 bytes": lambda content: b"\xff" * 8 + content[8:],
    "a header of 90 MB": lambda content: (90_000_000).to_bytes(8, "little") + content[8:],
    "a header as long as the file": lambda content: len(content).to_bytes(8, "little") + content[8:],
    "a header that ends early": lambda content: (header(content)[1] - 9).to_bytes(8, "little") + content[8:],
    "an empty header": lambda content: b"\x02\0\0\0\0\0\0\0{}",
    "a header that is a list": lambda content: with_header(content, b"[]"),
    "a header of numbers": lambda content: with_header(content, b'{"a":3} '),
    "a header that is not UTF-8": lambda content: content.replace(b"sha256", b"sha25\xff", 1),
    "a header nested deeply": lambda content: with_header(content, b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
    "no metadata": lambda content: with_header(content, json.dumps({**header(content)[0], "__metadata__": None}).encode()),
    "metadata that are no text": lambda content: with_header(
        content, json.dumps({**header(content)[0], "__metadata__": {"config": 1, "sha256": 2}}).encode()
    ),
    "more behind the end": lambda content: content + b"\0",
    "another dtype of the same size": with_entry(dtype="I32"),
    "a dtype that NumPy has not": with_entry(dtype="BF16"),
    "no dtype at all": with_entry(dtype="F99"),
    "another shape of the same size": with_entry(shape=[3, 4]),
    "a shape whose product overflows": with_entry(shape=[2**62, 4, 3]),
    "a negative shape": with_entry(shape=[-4, -3]),
    "no shape": with_entry(shape=[]),
    "data behind the end": with_entry(data_offsets=[0, 2**63]),
    "data before the beginning": with_entry(data_offsets=[-48, 0]),
    "data from the end to the beginning": with_entry(data_offsets=[48, 0]),
    "arrays that overlap": overlapping,
    "an array twice": with_array_twice,
    "no configuration": with_config(lambda text: ""),
    "a configuration that is no JSON": with_config(lambda text: text[:-1]),
    "a configuration that is a number": with_config(lambda text: "3"),
    "a configuration nested deeply": with_config(lambda text: "[" * 100_000 + "]" * 100_000),
    "models in models without end": with_config(lambda text: text.replace('"layers": [', '"layers": [' + MODEL * 20_000, 1)),
    "a key twice": with_config(lambda text: text.replace('"model":', '"model": 1, "model":', 1)),
    "a number of 100,000 digits": with_config(lambda text: text.replace('"units": 3', f'"units": {"9" * 100_000}', 1)),
}

# --- Model files that contradict themselves, or ask for too much --------------------------------------------------------------


def put(*places, **change):
    """Change the dictionary at these keys of the configuration."""

    def make(arrays, config):
        at(config, places).update(change)

    return make


def at(config, places):
    for place in places:
        config = config[place]
    return config


def nested(depth):
    return lambda arrays, config: config.update(model=json.loads(MODEL * depth + "]}}" * depth))


def doubled(depth):
    """A model that calls a model twice, which calls a model twice, and so on."""

    def make(arrays, config):
        inner = {"class_name": "Flatten", "config": {"name": "layer"}}
        for _ in range(depth):
            inputs = {"class_name": "InputLayer", "config": {"shape": [4], "name": "input"}}
            calls = [["input", []], ["layer", [[0, 0]]], ["layer", [[1, 0]]]]
            entries = {"name": "layer", "layers": {"input": inputs, "layer": inner}, "calls": calls, "trainable": True}
            inner = {"class_name": "Model", "config": {**entries, "inputs": [[0, 0]], "outputs": [[2, 0]]}}
        config["model"] = inner

    return make


def in_another_dtype(dtype):
    return lambda arrays, config: arrays.update({"weights/dense/kernel": arrays["weights/dense/kernel"].astype(dtype)})


LAYERS = ("model", "config", "layers")
FIRST, DROPOUT, NORMALIZATION = ((*LAYERS, place, "config") for place in range(3))
OPTIMIZER = ("training", "optimizer", "config")

#: What a configuration may name as a class to have something imported or run.
NAMES_OF_CODE = (
    "os.system",
    "posix.system",
    "builtins.eval",
    "__import__('os')",
    "subprocess.Popen",
    "keras.layers.Lambda",
    "Lambda",
    "fastcnn.layers.Dense",
    "../Dense",
    "Layer",
    "Configurable",
    "type",
    "",
    "A" * 1_000_000,
    "\x1b[2J",
    "\ud800",
    3,
    None,
    ["Dense"],
    {"class_name": "Dense", "config": {}},
)

#: Where classes are named.
PLACES_OF_CLASSES = {
    "model": ("model",),
    "layer": (*LAYERS, 0),
    "initializer": (*FIRST, "kernel_initializer"),
    "regularizer": (*FIRST, "kernel_regularizer"),
    "optimizer": ("training", "optimizer"),
    "schedule": (*OPTIMIZER, "learning_rate"),
    "loss": ("training", "loss"),
    "metric": ("training", "metrics", 0),
}

CHANGES = {
    "a weight missing": lambda arrays, config: arrays.pop("weights/dense/kernel"),
    "a weight of another shape": lambda arrays, config: arrays.update({"weights/dense/kernel": np.zeros((3, 4), np.float32)}),
    "a weight of float64": in_another_dtype(np.float64),
    "a weight of int32": in_another_dtype(np.int32),
    "a weight of bools": in_another_dtype(bool),
    "a weight that leads out of the folder": lambda arrays, config: arrays.update({"weights/../../x": np.zeros(3, np.float32)}),
    "another format": put(format=99),
    "no model": lambda arrays, config: config.pop("model"),
    "a model that is null": put(model=None),
    "a model that is a layer": lambda arrays, config: config.update(model=config["model"]["config"]["layers"][0]),
    "no layer at all": lambda arrays, config: at(config, LAYERS).__setitem__(0, 3),
    "an unknown layer": put(*LAYERS, 0, class_name="Conv9D"),
    "a module to import": put(*LAYERS, 0, class_name="system", module="os", registered_name="os>system"),
    "a bad argument": put(*FIRST, units=0),
    "an unknown argument": put(*FIRST, unites=1),
    "an argument of code": put(*FIRST, activation="os.system"),
    "a layer of 16 TB": put(*FIRST, units=2**40 - 1),
    "a layer of 34 GB": put(*FIRST, units=2**31 - 1),
    "a layer of 1.6 GB": put(*FIRST, units=100_000_000),
    "an input of 2**93 numbers": put("model", "config", input_shape=[2**31 - 1] * 3),
    "another input": put("model", "config", input_shape=[5]),
    "models in models": nested(150),
    "models that call models twice, 2**60 in all": doubled(60),
    "a name that leads out of the folder": put(*FIRST, name="../../x"),
    "an empty name": put(*FIRST, name=""),
    "a name that is a number": put(*FIRST, name=3),
    "classes that are one text": put(class_names="abc"),
    "too many classes": put(class_names=["a", "b", "c", "d"]),
    "a rate of dropout that is NaN": put(*DROPOUT, rate=float("nan")),
    "an epsilon that is NaN": put(*NORMALIZATION, epsilon=float("nan")),
    "a momentum that is NaN": put(*NORMALIZATION, momentum=float("nan")),
    "a learning rate that is NaN": put(*OPTIMIZER, learning_rate=float("nan")),
    "a beta that is Infinity": put(*OPTIMIZER, beta_1=float("inf")),
    "loss weights that are NaN": put("training", loss_weights=[float("nan")]),
    "a metric of 34 GB": put("training", metrics=[{"class_name": "AUC", "config": {"num_thresholds": 2**31 - 1}}]),
    "an unknown optimizer": put("training", "optimizer", class_name="Eve"),
    "no iterations": lambda arrays, config: config["training"].pop("iterations"),
    "iterations without end": put("training", iterations=1e300),
    "iterations before the first": put("training", iterations=-1),
    "what is trained, in another order": lambda arrays, config: config["training"]["trained"].reverse(),
    "what is trained, many times": lambda arrays, config: config["training"]["trained"].extend(["dense/kernel"] * 100_000),
    "what is trained, in part": lambda arrays, config: config["training"]["trained"].pop(),
    "what is trained, unknown": lambda arrays, config: config["training"]["trained"].append("dense_9/kernel"),
    "a slot missing": lambda arrays, config: arrays.pop("training/slots/velocity"),
    "a slot too short": lambda arrays, config: arrays.update({"training/slots/velocity": np.zeros(3, np.float32)}),
    "a slot of int32": lambda arrays, config: arrays.update(
        {"training/slots/velocity": arrays["training/slots/velocity"].astype(np.int32)}
    ),
} | {
    f"code as the name of a class, {place}, {number}": put(*places, class_name=name)
    for place, places in PLACES_OF_CLASSES.items()
    for number, name in enumerate(NAMES_OF_CODE)
}

#: The same for a training that is to go on; `load_model` reads none of it.
CHANGES_OF_STATE = {
    "no training": put(training=None),
    "a place before the beginning": put("training", position=[-1, 0]),
    "half a place": put("training", position=[1]),
    "a place that is text": put("training", position="12"),
    "a seed too large": put("training", seed=2**64),
    "no seed": lambda arrays, config: config["training"].pop("seed"),
    "no state of a metric": lambda arrays, config: config["training"]["metric_states"].pop("accuracy"),
    "a state of a metric that replaces its methods": put("training", "metric_states", "accuracy", update_state=3),
    "an array that is not there": put("training", "metric_states", "accuracy", _total={"array": "nowhere"}),
    "a state of a callback that lacks something": lambda arrays, config: config["training"]["callbacks"]["EarlyStopping_0"].pop("wait"),
    "a state of a callback that is text": put("training", "callbacks", EarlyStopping_0="best"),
}

# --- Paths that are no files --------------------------------------------------------------------------------------------------


def loop(path):
    os.symlink(path.name, path)


PATHS = {
    "nothing": lambda path: None,
    "a folder": os.mkdir,
    "a pipe": os.mkfifo,
    "zeros without end": lambda path: os.symlink("/dev/zero", path),
    "a link to nowhere": lambda path: os.symlink("nowhere", path),
    "a link to itself": loop,
}

# --- Pictures, by their files' names -----------------------------------------------------------------------------------------


def png(width, height, bits=8, color=2, data=b""):
    """A picture that says that it is so large."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def picture(kind, mode="RGB", size=(200, 200)):
    from PIL import Image

    stream = io.BytesIO()
    numbers = np.random.default_rng(0).integers(0, 256, (*size, 4), np.uint8)
    Image.fromarray(numbers, "RGBA").convert(mode).save(stream, kind)
    return stream.getvalue()


def pictures():
    """Return what is no picture, or one too large, by the name of the file that it is in."""
    whole, photo, tiff = picture("PNG"), picture("JPEG"), picture("TIFF", "F")
    return {
        "empty.png": b"",
        "text.jpg": b"hello",
        "cut.png": whole[: len(whole) // 2],
        "cut.jpg": photo[:-5000],
        "head alone.png": whole[:33],
        "wrong.png": whole[:60] + b"\xff" * 20 + whole[80:],
        "no data.png": png(20, 20),
        "no width.png": png(0, 20),
        "vast.png": png(60_000, 60_000),
        "vaster.png": png(2**31 - 1, 2**31 - 1),
        "of 3 bits.png": png(20, 20, bits=3, data=bytes(1000)),
        "of no known colours.png": png(20, 20, color=5, data=bytes(1000)),
        "of floats.tiff": tiff,
        "vast.gif": b"GIF89a\xff\xff\xff\xff\x00\x00\x00,\0\0\0\0\xff\xff\xff\xff\0\2\0;",
        "vast.ppm": b"P6 99999 99999 255\n",
        "vast.bmp": b"BM" + struct.pack("<IIIIiiHHIIIIII", 0, 0, 54, 40, 2**31 - 1, 2**31 - 1, 1, 24, 0, 0, 0, 0, 0, 0),
        "a program.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n",
        "a program.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(it ran) print\n%%EOF\n",
        "phone.heic": b"\0\0\0\x18ftypheic",
        "a page.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    }


# --- Files of data sets -------------------------------------------------------------------------------------------------------


def digits(count):
    """Arrays as MNIST's file has them."""
    images, labels = np.zeros((count, 28, 28), np.uint8), np.arange(count, dtype=np.uint8)
    return {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels}


def npz(**change):
    """MNIST's file with other arrays; None for none."""
    stream = io.BytesIO()
    np.savez(stream, **{name: array for name, array in (digits(4) | change).items() if array is not None})
    return stream.getvalue()


class Code:
    """What a pickle could do to us: make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def array_alone():
    stream = io.BytesIO()
    np.save(stream, digits(4)["x_train"])
    return stream.getvalue()


def says(content, shape):
    """The file, in which the first array says that it has another shape."""
    old, new = b"(4, 28, 28)", str(shape).encode()
    return content.replace(old + b", }" + b" " * len(new), new + b", }" + b" " * len(old))


DIGITS = {
    "empty": lambda: b"",
    "text": lambda: b"hello",
    "a pickle": lambda: b"\x80\x04N.",
    "an array alone": array_alone,
    "cut short": lambda: npz()[:-1000],
    "a wrong bit": lambda: npz().replace(bytes(100), bytes(99) + b"\1", 1),
    "images of another size": lambda: npz(x_train=np.zeros((4, 28, 27), np.uint8)),
    "images of floats": lambda: npz(x_train=np.zeros((4, 28, 28), np.float32)),
    "no images": lambda: npz(x_test=np.zeros((0, 28, 28), np.uint8), y_test=np.zeros(0, np.uint8)),
    "too few labels": lambda: npz(y_test=np.zeros(3, np.uint8)),
    "an eleventh digit": lambda: npz(y_test=np.full(4, 10, np.uint8)),
    "labels of int64": lambda: npz(y_test=np.zeros(4, np.int64)),
    "no labels": lambda: npz(y_train=None),
    "objects": lambda: npz(y_train=np.array([{}] * 4, object)),
    "code": lambda: npz(y_train=np.array([Code("it ran")] * 4, object)),
    "more images than there are": lambda: says(npz(), (2**40, 28, 28)),
    "fewer images than there are": lambda: says(npz(), (1, 28, 28)),
    "2 GB, packed": lambda: npz().replace(struct.pack("<I", 4 * 28 * 28 + 128), struct.pack("<I", 2**31)),
}


def idx(array):
    """A file of the kind idx, packed."""
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(head + array.tobytes(), mtime=0)


def clothes():
    """A few pictures in Fashion-MNIST's four files."""
    rng = np.random.default_rng(3)
    arrays = {}
    for part, count in (("train", 30), ("t10k", 20)):
        arrays[f"{part}-images-idx3-ubyte.gz"] = rng.integers(0, 256, (count, 28, 28), np.uint8)
        arrays[f"{part}-labels-idx1-ubyte.gz"] = rng.integers(0, 10, count, np.uint8)
    return arrays


IMAGES, LABELS = "train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"
CLOTHES = {
    "empty": (IMAGES, lambda: b""),
    "text": (IMAGES, lambda: b"hello"),
    "cut short": (IMAGES, lambda: idx(np.zeros((30, 28, 28), np.uint8))[:-9]),
    "cut in the head": (IMAGES, lambda: gzip.compress(bytes([0, 0, 8, 3, 0, 0]))),
    "unpacked": (IMAGES, lambda: gzip.decompress(idx(np.zeros((30, 28, 28), np.uint8)))),
    "a wrong checksum": (IMAGES, lambda: idx(np.zeros((30, 28, 28), np.uint8))[:-8] + bytes(8)),
    "images of another size": (IMAGES, lambda: idx(np.zeros((30, 28, 27), np.uint8))),
    "too few images": (IMAGES, lambda: idx(np.zeros((29, 28, 28), np.uint8))),
    "labels for images": (IMAGES, lambda: idx(np.zeros(30, np.uint8))),
    "2**96 numbers": (IMAGES, lambda: gzip.compress(bytes([0, 0, 8, 3]) + b"\xff" * 12)),
    "more images than there are": (IMAGES, lambda: gzip.compress(bytes([0, 0, 8, 3]) + struct.pack(">3I", 10**6, 28, 28) + bytes(784))),
    "2 GB, packed": (IMAGES, lambda: gzip.compress(bytes([0, 0, 8, 3]) + struct.pack(">3I", 3 * 10**6, 28, 28) + bytes(10**6))),
    "an eleventh class": (LABELS, lambda: idx(np.full(20, 10, np.uint8))),
    "a label too many": (LABELS, lambda: gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 20]) + bytes(21))),
    "numbers of 32 bits": (LABELS, lambda: gzip.compress(bytes([0, 0, 13, 1, 0, 0, 0, 20]) + bytes(80))),
    "a wrong beginning": (LABELS, lambda: gzip.compress(bytes([1, 0, 8, 1, 0, 0, 0, 20]) + bytes(20))),
}
