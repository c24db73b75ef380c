"""The command ``fastcnn``: train, evaluate and use a network for digits; measure; tell about the machine.

Results go to standard output, as text or with ``--json`` as one JSON object; errors to standard error, in one line. The exit status
is 0, 1 (it failed) or 2 (it was called wrongly).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import fastcnn

if TYPE_CHECKING:
    from fastcnn.datasets._pairs import Pairs
    from fastcnn.models import Sequential

DEFAULT_MODEL = "model.safetensors"
_EPOCHS = {"mnist": 5, "sample": 20}


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

    train = _command(commands, "train", _train, "train a network to read handwritten digits")
    _add_data(train)
    train.add_argument("--epochs", type=_positive, help="by default 5, or 20 on the sample")
    train.add_argument("--batch-size", type=_positive, default=128, help="images a step (128)")
    train.add_argument("--threads", type=_positive, help="by default as many as the CPU has cores for us")
    train.add_argument("--seed", type=_natural, help="makes the run repeatable")
    train.add_argument("--output", default=DEFAULT_MODEL, metavar="FILE", help=f"where the model goes ({DEFAULT_MODEL})")

    evaluate = _command(commands, "evaluate", _evaluate, "measure a trained model on the test digits")
    evaluate.add_argument("model", nargs="?", default=DEFAULT_MODEL, metavar="MODEL", help=DEFAULT_MODEL)
    _add_data(evaluate)

    predict = _command(commands, "predict", _predict, "read the digits in pictures")
    predict.add_argument("images", nargs="+", metavar="IMAGE", help="a picture of one digit")
    predict.add_argument("--model", default=DEFAULT_MODEL, help=DEFAULT_MODEL)

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
        choices=("auto", "mnist", "sample"),
        default="auto",
        help="mnist: in full, downloaded if need be; sample: 6,000 digits that come with the package; auto: mnist if it is here",
    )


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


# --- Commands ------------------------------------------------------------------------------------------------------------


def _train(arguments: argparse.Namespace) -> None:
    from fastcnn import networks
    from fastcnn.io import model_file

    output = model_file.check_writable(arguments.output)
    if arguments.threads:
        fastcnn.set_num_threads(arguments.threads)
    if arguments.seed is not None:
        fastcnn.random.set_seed(arguments.seed)
    name, digits = _load(arguments.data)
    (x_train, y_train), (x_test, y_test) = digits
    epochs = arguments.epochs or _EPOCHS[name]
    say = _silent if arguments.json else print
    say(_describe(name, arguments.data, digits))
    say(f"Training for {epochs} epochs in steps of {arguments.batch_size} images, on {fastcnn.get_num_threads()} threads.")
    model = networks.mnist_network()
    start = time.perf_counter()
    model.fit(_as_input(x_train), y_train, batch_size=arguments.batch_size, epochs=epochs, verbose=0 if arguments.json else "auto")
    seconds = time.perf_counter() - start
    loss, accuracy = model.evaluate(_as_input(x_test), y_test, batch_size=arguments.batch_size, verbose=0)
    model.save(output)
    speed = epochs * len(x_train) / seconds
    say(f"Test accuracy {accuracy:.2%} (loss {loss:.4f}); {speed:,.0f} images per second.\nThe model is in {output}.")
    if arguments.json:
        _print_json(
            data=name,
            train_images=len(x_train),
            test_images=len(x_test),
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
    name, digits = _load(arguments.data)
    x_test, y_test = digits[1]
    loss, accuracy = model.evaluate(_as_input(x_test), y_test, batch_size=128, verbose=0)
    if arguments.json:
        _print_json(model=arguments.model, data=name, test_images=len(x_test), test_loss=loss, test_accuracy=accuracy)
    else:
        print(f"{_describe(name, arguments.data, digits)}\nTest accuracy {accuracy:.2%} (loss {loss:.4f}).")


def _predict(arguments: argparse.Namespace) -> None:
    from fastcnn.images import read_digit

    model = _load_model(arguments.model)
    pictures = [read_digit(path) for path in arguments.images]
    outputs = model.predict(np.stack([picture.image for picture in pictures]), verbose=0)
    rows = [
        {"image": path, "digit": int(output.argmax()), "probability": float(output.max()), "inverted": picture.inverted}
        for path, picture, output in zip(arguments.images, pictures, outputs, strict=True)
    ]
    if arguments.json:
        _print_json(predictions=rows)
        return
    for row in rows:
        note = " (dark on light: inverted)" if row["inverted"] else ""
        print(f"{row['image']}: {row['digit']} ({row['probability']:.1%}){note}")


def _info(arguments: argparse.Namespace) -> None:
    if arguments.json:
        _print_json(**(fastcnn.show_config(mode="dicts") or {}))
    else:
        fastcnn.show_config()


def _bench(arguments: argparse.Namespace) -> int:
    from fastcnn import bench

    status: int = bench.main(arguments.others)
    return status


# --- Their parts ---------------------------------------------------------------------------------------------------------


def _load(data: str) -> tuple[str, Pairs]:
    """Return the name of the data set that `data` means, and its digits; only "mnist" itself may download."""
    from fastcnn.datasets import mnist, mnist_sample

    if data == "mnist" or (data == "auto" and mnist.find() is not None):
        return "mnist", mnist.load_data()
    return "sample", mnist_sample.load_data()


def _describe(name: str, asked: str, digits: Pairs) -> str:
    (x_train, _), (x_test, _) = digits
    counts = f"{len(x_train):,} digits to train and {len(x_test):,} to test"
    if name == "mnist":
        return f"Data: MNIST, {counts}."
    hint = " MNIST in full was not found; `--data mnist` downloads it." if asked == "auto" else ""
    return f"Data: the sample of MNIST in this package, {counts}.{hint}"


def _load_model(path: str) -> Sequential:
    from fastcnn import models

    try:
        return models.load_model(path, compile=False)
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no model {path!r}; `fastcnn train` makes one") from None


def _as_input(images: np.ndarray) -> np.ndarray:
    return (images.astype(np.float32) / np.float32(255))[..., None]


def _print_json(**values: Any) -> None:
    print(json.dumps(values))


def _silent(text: str) -> None:
    pass
