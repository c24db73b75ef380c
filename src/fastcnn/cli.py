"""The command ``fastcnn``: train, evaluate and use a network for digits or one's own pictures; measure; tell about the machine.

Results go to standard output, as text or with ``--json`` as one JSON object; errors to standard error, in one line. The exit status
is 0, 1 (it failed) or 2 (it was called wrongly).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import fastcnn

if TYPE_CHECKING:
    from fastcnn.models import Model

DEFAULT_MODEL = "model.safetensors"

_DIGITS = ("auto", "mnist", "sample")
_EPOCHS = {"mnist": 5}  # and 20 on less data

#: How the pictures of a folder come to a network that `train` makes: this size, red, green and blue; and how many are to test with.
_PICTURE_SIZE = (64, 64)
_TEST_SHARE = 0.2
_COLOR_MODES = {1: "grayscale", 3: "rgb", 4: "rgba"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with the arguments `argv` (those of the process by default) and return the exit status."""
    parser = _parser()
    arguments, others = parser.parse_known_args(argv)
    if others and arguments.run is not _bench:
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    arguments.others = others
    try:
        status: int = arguments.run(arguments) or 0
        sys.stdout.flush()
    except (OSError, ValueError, ImportError, MemoryError, KeyboardInterrupt) as error:
        message = "interrupted" if isinstance(error, KeyboardInterrupt) else " ".join(str(error).split()) or type(error).__name__
        print(f"fastcnn: {message}", file=sys.stderr)
        return 1
    return status


# --- Arguments -----------------------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fastcnn", description="Convolutional networks on the CPU.")
    parser.add_argument("--version", action="version", version=f"fastcnn {fastcnn.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    train = _command(commands, "train", _train, "train a network to read handwritten digits, or to tell your pictures apart")
    _add_data(train)
    train.add_argument("--epochs", type=_positive, help="by default 5 on mnist, and 20 on less data")
    train.add_argument("--batch-size", type=_positive, default=128, help="images a step (128)")
    train.add_argument("--threads", type=_positive, help="by default as many as the CPU has cores for us")
    train.add_argument("--seed", type=_natural, help="makes the run repeatable")
    train.add_argument("--output", default=DEFAULT_MODEL, metavar="FILE", help=f"where the model goes ({DEFAULT_MODEL})")

    evaluate = _command(commands, "evaluate", _evaluate, "measure a trained model on the test digits, or on all pictures of a folder")
    evaluate.add_argument("model", nargs="?", default=DEFAULT_MODEL, metavar="MODEL", help=DEFAULT_MODEL)
    _add_data(evaluate)

    predict = _command(commands, "predict", _predict, "read the digits in pictures, or tell their classes")
    predict.add_argument("images", nargs="+", metavar="IMAGE", help="a picture of one digit, or as those of the folder trained on")
    predict.add_argument("--model", default=DEFAULT_MODEL, help=DEFAULT_MODEL)

    demo = _command(commands, "demo", _demo, "draw a digit in the browser, and see what every layer makes of it")
    demo.add_argument("--model", help=f"{DEFAULT_MODEL} if it is here, else one that is trained quickly on the sample")
    demo.add_argument("--port", type=_port, default=0, help="by default one that is free; only this machine can reach it")
    demo.add_argument("--no-browser", action="store_true", help="only print the address")

    _command(commands, "info", _info, "show the version, the instruction set and the threads")
    bench = commands.add_parser("bench", help="measure the kernels", add_help=False)
    bench.set_defaults(run=_bench)
    return parser


def _command(commands: Any, name: str, run: Callable[[argparse.Namespace], int | None], what: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(run=run)
    return command


def _add_data(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--data",
        type=_data,
        metavar="{auto,mnist,sample,FOLDER}",
        default="auto",
        help="mnist: in full, downloaded if need be; sample: 6,000 digits that come with the package; auto: mnist if it is here; "
        "a folder: its pictures, in a folder for each class",
    )


def _data(text: str) -> str:
    if text not in _DIGITS and not os.path.isdir(text):
        raise argparse.ArgumentTypeError(f"must be {', '.join(_DIGITS)} or a folder that is there, got {text!r}")
    return text


def _whole(text: str, minimum: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = minimum - 1
    if not minimum <= number < 2**31:
        raise argparse.ArgumentTypeError(f"must be a whole number from {minimum}, got {text!r}")
    return number


def _positive(text: str) -> int:
    return _whole(text, 1)


def _natural(text: str) -> int:
    return _whole(text, 0)


def _port(text: str) -> int:
    number = _whole(text, 0)
    if number > 65535:
        raise argparse.ArgumentTypeError(f"must be at most 65535, got {text!r}")
    return number


# --- Commands ------------------------------------------------------------------------------------------------------------


def _train(arguments: argparse.Namespace) -> None:
    from fastcnn import networks
    from fastcnn.io import model_file

    output = model_file.check_writable(arguments.output)
    if arguments.threads:
        fastcnn.set_num_threads(arguments.threads)
    if arguments.seed is not None:
        fastcnn.random.set_seed(arguments.seed)
    data = _load_digits(arguments.data) if arguments.data in _DIGITS else _load_pictures(arguments.data)
    epochs = arguments.epochs or _EPOCHS.get(data.name, 20)
    say = _silent if arguments.json else print
    say(data.about)
    say(f"Training for {epochs} epochs in steps of {arguments.batch_size} images, on {fastcnn.get_num_threads()} threads.")
    names = data.class_names
    model = networks.picture_network((*_PICTURE_SIZE, 3), len(names)) if names else networks.mnist_network()
    model.class_names = list(names)
    start = time.perf_counter()
    model.fit(*data.train, batch_size=arguments.batch_size, epochs=epochs, verbose=0 if arguments.json else "auto")
    seconds = time.perf_counter() - start
    loss, accuracy = model.evaluate(*data.test, batch_size=arguments.batch_size, verbose=0)
    model.save(output)
    train_images, test_images = len(data.train[0]), len(data.test[0])
    speed = epochs * train_images / seconds
    say(f"Test accuracy {accuracy:.2%} (loss {loss:.4f}); {speed:,.0f} images per second.\nThe model is in {output}.")
    if arguments.json:
        _print_json(
            data=data.name,
            train_images=train_images,
            test_images=test_images,
            epochs=epochs,
            batch_size=arguments.batch_size,
            threads=fastcnn.get_num_threads(),
            seconds=seconds,
            images_per_second=speed,
            test_loss=loss,
            test_accuracy=accuracy,
            model=str(output),
        )


def _evaluate(arguments: argparse.Namespace) -> None:
    model = _load_model(arguments.model)
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    data = _load_digits(arguments.data) if arguments.data in _DIGITS else _load_pictures(arguments.data, model)
    loss, accuracy = model.evaluate(*data.test, batch_size=128, verbose=0)
    if arguments.json:
        _print_json(model=arguments.model, data=data.name, test_images=len(data.test[0]), test_loss=loss, test_accuracy=accuracy)
    else:
        print(f"{data.about}\nTest accuracy {accuracy:.2%} (loss {loss:.4f}).")


def _predict(arguments: argparse.Namespace) -> None:
    model = _load_model(arguments.model)
    rows = (_predict_classes if model.class_names else _predict_digits)(model, arguments.images)
    if arguments.json:
        _print_json(predictions=rows)
        return
    for row in rows:
        note = " (dark on light: inverted)" if row.get("inverted") else ""
        print(f"{row['image']}: {row['class'] if model.class_names else row['digit']} ({row['probability']:.1%}){note}")


def _predict_digits(model: Model, paths: Sequence[str]) -> list[dict[str, Any]]:
    from fastcnn.images import read_digit

    pictures = [read_digit(path) for path in paths]
    outputs = model.predict(np.stack([picture.image for picture in pictures]), verbose=0)
    return [
        {"image": path, "digit": int(output.argmax()), "probability": float(output.max()), "inverted": picture.inverted}
        for path, picture, output in zip(paths, pictures, outputs, strict=True)
    ]


def _predict_classes(model: Model, paths: Sequence[str]) -> list[dict[str, Any]]:
    from fastcnn.datasets import ImageFolder

    size, color_mode = _picture_format(model)
    x, _ = ImageFolder(paths, np.zeros(len(paths)), model.class_names, size, color_mode)[:]
    outputs = model.predict(x, verbose=0)
    return [
        {"image": path, "class": model.class_names[output.argmax()], "probability": float(output.max())}
        for path, output in zip(paths, outputs, strict=True)
    ]


def _demo(arguments: argparse.Namespace) -> None:
    from fastcnn.teaching.explorer import demo

    say = _silent if arguments.json else _say_now
    if arguments.model is not None or os.path.exists(DEFAULT_MODEL):
        model = _load_model(arguments.model or DEFAULT_MODEL)
    else:
        say(f"There is no {DEFAULT_MODEL}: training a network on the sample for some seconds (`fastcnn train` makes a better one).")
        model = demo.quick_model()

    def tell(url: str) -> None:
        _say_now(json.dumps({"url": url}) if arguments.json else f"Draw at {url} (Ctrl-C ends this).")

    demo.run(model, arguments.port, not arguments.no_browser, tell)


def _info(arguments: argparse.Namespace) -> None:
    if arguments.json:
        _print_json(**(fastcnn.show_config(mode="dicts") or {}))
    else:
        fastcnn.show_config()


def _bench(arguments: argparse.Namespace) -> int:
    from fastcnn import bench

    return bench.main(arguments.others)


# --- Their parts ---------------------------------------------------------------------------------------------------------


class _Data(NamedTuple):
    """What `fit` and `evaluate` take, and what to say of it; digits have no `class_names`."""

    name: str
    about: str
    train: tuple[Any, Any]
    test: tuple[Any, Any]
    class_names: tuple[str, ...] = ()


def _load_digits(data: str) -> _Data:
    """Return the digits that `data` means; only "mnist" itself may download."""
    from fastcnn.datasets import mnist, mnist_sample

    full = data == "mnist" or (data == "auto" and mnist.find() is not None)
    (x_train, y_train), (x_test, y_test) = mnist.load_data() if full else mnist_sample.load_data()
    title = "MNIST" if full else "the sample of MNIST in this package"
    hint = "" if full or data != "auto" else " MNIST in full was not found; `--data mnist` downloads it."
    about = f"Data: {title}, {len(x_train):,} digits to train and {len(x_test):,} to test.{hint}"
    return _Data("mnist" if full else "sample", about, (_as_input(x_train), y_train), (_as_input(x_test), y_test))


def _load_pictures(folder: str, model: Model | None = None) -> _Data:
    """Return the pictures in `folder`, some of them to test with; or, as `model` wants them, all to test with."""
    from fastcnn.datasets import image_folder

    if model is None:
        train, test = image_folder(folder, _PICTURE_SIZE, validation_split=_TEST_SHARE, on_error="skip")
        about = f"{len(train):,} to train and {len(test):,} to test"
    else:
        size, color_mode = _picture_format(model)
        test = image_folder(folder, size, color_mode=color_mode, on_error="skip")
        if list(test.class_names) != model.class_names:
            known = ", ".join(model.class_names) or "digits"
            raise ValueError(f"the model knows {known}, but the folders are {', '.join(test.class_names)}")
        train, about = test.take(np.arange(0)), f"{len(test):,} to test"
    classes = ", ".join(test.class_names)
    return _Data(folder, f"Data: pictures in {folder}, {about}, of {classes}.", (train, None), (test, None), test.class_names)


def _picture_format(model: Model) -> tuple[tuple[int, int], str]:
    """The size and the colours of the pictures that `model` takes."""
    match model.input_shape[1:]:
        case int(height), int(width), (1 | 3 | 4) as channels:
            return (height, width), _COLOR_MODES[channels]
    raise ValueError(f"the model takes no pictures, but arrays of shape {model.input_shape}")


def _load_model(path: str) -> Model:
    from fastcnn import models

    try:
        return models.load_model(path, compile=False)
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no model {path!r}; `fastcnn train` makes one") from None


def _as_input(images: np.ndarray) -> np.ndarray:
    return (images.astype(np.float32) / np.float32(255))[..., None]


def _print_json(**values: Any) -> None:
    print(json.dumps(values))


def _say_now(text: str) -> None:
    print(text, flush=True)


def _silent(text: str) -> None:
    pass
