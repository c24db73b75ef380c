"""A server for one person: it shows, on this machine alone, what a network makes of what is drawn on a page."""

from __future__ import annotations

import re
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import numpy as np

from fastcnn.datasets import mnist_sample
from fastcnn.models import Model
from fastcnn.teaching.explorer.page import live_page
from fastcnn.teaching.explorer.record import Recorder

#: What the page draws: as MNIST's digits, 0 for paper and 255 for ink.
INPUT_SHAPE = (28, 28, 1)
_IMAGE_BYTES = 28 * 28
_BYTES = "application/octet-stream"
#: Seconds that a connection may be idle.
_PATIENCE = 60


class _Refusal(Exception):
    """A request that is not answered, with the status that says why."""


class DemoServer(ThreadingHTTPServer):
    """The server of the page on which one draws; `serve_forever` runs it. It listens to this machine alone.

    Parameters
    ----------
    model : Model
        From images (28, 28, 1) to a number for each digit.
    port : int, default 0
        By default any that is free.

    Raises
    ------
    ValueError
        For a model of something else.
    OSError
        For a port that is taken.
    """

    daemon_threads = True

    def __init__(self, model: Model, port: int = 0) -> None:
        if model.input_shape != (None, *INPUT_SHAPE) or model.output_shape != (None, 10):
            raise ValueError(
                f"model must take images (28, 28, 1) and give 10 numbers, as that of `fastcnn train` for digits does, "
                f"got {model.input_shape} and {model.output_shape}"
            )
        self.recorder = Recorder(model._built_graph(), model.class_names)
        self.pages = {
            "/": ("text/html; charset=utf-8", live_page(f"{model.name}, live").encode()),
            "/description": (_BYTES, self.recorder.description()),
            "/digits": (_BYTES, _sample_digits()),
        }
        super().__init__(("127.0.0.1", port), _Handler)
        #: What this server is called by those who mean it: another name that leads here is a trick (DNS rebinding).
        self.names = {f"{host}:{self.server_port}" for host in ("127.0.0.1", "localhost")}

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say in one line what went wrong; nothing for a browser that went away, or a connection that Ctrl-C closed."""
        error = sys.exception()
        if not isinstance(error, OSError):  # a handler reads and writes nothing but its connection
            print(f"fastcnn: {type(error).__name__}: {error}", file=sys.stderr)


def _sample_digits() -> bytes:
    """Return the first test image of each digit."""
    _, (x, y) = mnist_sample.load_data()
    return b"".join(x[np.flatnonzero(y == digit)[0]].tobytes() for digit in range(10))


class _Handler(BaseHTTPRequestHandler):
    server: DemoServer
    protocol_version = "HTTP/1.1"  # one connection for all strokes
    server_version, sys_version = "fastcnn", ""
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body in one packet
    timeout = _PATIENCE

    def do_GET(self) -> None:
        self._answer(self._page)

    def do_POST(self) -> None:
        self._answer(self._run)

    def _answer(self, find: Any) -> None:
        try:
            self._check_sender()
            kind, content = find()
        except _Refusal as refusal:
            self.close_connection = True  # a body that was not read would pass for the next request
            status, reason = refusal.args
            self._send(status, "text/plain; charset=utf-8", f"{reason}\n".encode())
        else:
            self._send(HTTPStatus.OK, kind, content)

    def _check_sender(self) -> None:
        """Refuse what comes from another page than ours."""
        if self.headers.get("Host") not in self.server.names:
            raise _Refusal(HTTPStatus.MISDIRECTED_REQUEST, "the name of this server is another one")
        origin = self.headers.get("Origin")
        if origin is not None and origin not in {f"http://{name}" for name in self.server.names}:
            raise _Refusal(HTTPStatus.FORBIDDEN, "only the page of this server may ask")

    def _page(self) -> tuple[str, bytes]:
        try:
            return self.server.pages[self.path]
        except KeyError:
            raise _Refusal(HTTPStatus.NOT_FOUND, "there is no such page") from None

    def _run(self) -> tuple[str, bytes]:
        path, _, query = self.path.partition("?")
        if path != "/run":
            raise _Refusal(HTTPStatus.NOT_FOUND, "there is no such page")
        if self.headers.get("Content-Type") != _BYTES:
            raise _Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the image must be {_BYTES}")
        classes, most = _classes(query)
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch("[0-9]{1,9}", length):
            raise _Refusal(HTTPStatus.LENGTH_REQUIRED, "the length of the image must be told")
        if int(length) != _IMAGE_BYTES:
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if int(length) > _IMAGE_BYTES else HTTPStatus.BAD_REQUEST
            raise _Refusal(status, f"the image must have {_IMAGE_BYTES} bytes")
        body = self.rfile.read(_IMAGE_BYTES)
        if len(body) != _IMAGE_BYTES:
            raise _Refusal(HTTPStatus.BAD_REQUEST, f"the image must have {_IMAGE_BYTES} bytes")
        image = np.frombuffer(body, np.uint8).reshape(1, *INPUT_SHAPE).astype(np.float32) / np.float32(255)
        return _BYTES, self.server.recorder.run([image], classes, most)

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
        }
        if self.close_connection:
            headers["Connection"] = "close"
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of requests: there is one for every stroke."""


def _classes(query: str) -> tuple[list[int] | None, int]:
    """Return the classes that a query asks for gradients of, or None and how many of the highest: ``class=7``, ``class=highest``."""
    wanted = parse_qs(query).get("class", [""])[-1]
    if wanted == "highest":
        return None, 1
    if not re.fullmatch("[0-9]?", wanted):
        raise _Refusal(HTTPStatus.BAD_REQUEST, "class must be a digit or 'highest'")
    return [int(wanted)] if wanted else [], 0
