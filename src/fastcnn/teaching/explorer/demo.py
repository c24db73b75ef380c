"""What ``fastcnn demo`` does: a model, a server, a browser."""

from __future__ import annotations

import contextlib
import webbrowser
from collections.abc import Callable

import numpy as np

from fastcnn import networks
from fastcnn.datasets import mnist_sample
from fastcnn.models import Model
from fastcnn.teaching.explorer.server import DemoServer

#: Enough for nineteen of twenty digits, in some seconds.
_EPOCHS = 3


def quick_model() -> Model:
    """Return a network that has been trained on the sample for a few epochs."""
    (x, y), _ = mnist_sample.load_data()
    model = networks.mnist_network()
    model.fit(x[..., None].astype(np.float32) / np.float32(255), y, batch_size=32, epochs=_EPOCHS, verbose=0)
    return model


def run(model: Model, port: int, opens_browser: bool, say: Callable[[str], object]) -> None:
    """Serve the page for `model` until Ctrl-C; `say` is told its address."""
    with contextlib.suppress(KeyboardInterrupt), DemoServer(model, port) as server:
        say(server.url)
        if opens_browser:
            webbrowser.open(server.url)
        server.serve_forever()
