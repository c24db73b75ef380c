"""The explorer in Python: records are what layers give, pages hold no strangers' code, and the server answers its own page alone."""

import base64
import errno
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest
from compare import assert_close, assert_gradient, assert_same_bits
from explorer_networks import Unpacked, an_input, every_kind, outputs_of, shown
from kernels import move_to_float64

import fastcnn as keras
from fastcnn import cli, layers, networks
from fastcnn.teaching import explorer
from fastcnn.teaching.explorer import page, record
from fastcnn.teaching.explorer.record import Recorder
from fastcnn.teaching.explorer.server import DemoServer


def recorded(model, x, **options):
    """The description and the run of `model`, unpacked."""
    recorder = Recorder(model._built_graph(), model.class_names)
    return Unpacked(recorder.description()), Unpacked(recorder.run([x], **options))


@pytest.mark.parametrize("make", [every_kind, networks.mnist_network], ids=lambda make: make.__name__)
def test_a_record_is_what_the_layers_give(make):
    model = make()
    x = an_input(model)
    description, run = recorded(model, x)
    outputs = outputs_of(model, x)
    given = {entry["name"]: run.array(run.head["values"][str(entry["output"])]) for entry in description.head["layers"]}
    assert_same_bits(given.pop(model.inputs[0].name), x[0])
    apart = {name: array for name, array in given.items() if name not in outputs}
    assert list(apart) == (["separable, each channel", "separable, across channels"] if make is every_kind else [])
    for name in outputs.keys() - {"separable", model.inputs[0].name}:
        assert_same_bits(given[name], outputs[name])
    if apart:
        assert_same_bits(apart["separable, across channels"], outputs["separable"])
    for entry in description.head["layers"]:
        assert entry["shape"] == list(given.get(entry["name"], x[0]).shape)


def test_numbers_before_the_activation_are_those_of_the_kernel():
    model = every_kind()
    x = an_input(model)
    description, run = recorded(model, x)
    outputs = outputs_of(model, x)
    entries = {entry["name"]: entry for entry in description.head["layers"]}
    for name, source in (("conv", "rescaling"), ("depthwise", "rescaling"), ("hidden", "ends"), ("answer", "dropout")):
        linear = model.get_layer(name).linear(outputs[source][None], None)[0]
        assert_same_bits(run.array(run.head["values"][str(entries[name]["linear"])]), linear)


def test_weights_are_the_layers_own():
    model = every_kind()
    description, _ = recorded(model, an_input(model))
    entries = {entry["name"]: entry for entry in description.head["layers"]}
    assert description.head["classes"] == ["one", "two", "three", "four"]
    for name in ("conv", "grouped", "transposed", "hidden"):
        for weight, array in model.get_layer(name).weights.items():
            assert_same_bits(description.array(entries[name][weight]), array)
    assert_same_bits(description.array(entries["depthwise"]["kernel"]).ravel(), model.get_layer("depthwise").weights["kernel"].ravel())
    separable = model.get_layer("separable").weights
    assert_same_bits(description.array(entries["separable, each channel"]["kernel"]).ravel(), separable["depthwise_kernel"].ravel())
    assert_same_bits(description.array(entries["separable, across channels"]["bias"]), separable["bias"])


def test_gradients_are_central_differences_through_all_layers():
    model = every_kind()
    recorder = Recorder(model._built_graph())
    move_to_float64({layer for step in recorder._steps for layer in step.layers})
    x = an_input(model).astype(np.float64)
    values, caches = recorder.forward([x])
    assert values[recorder.scores].dtype == np.float64
    for index in (0, 3):
        dy = np.eye(4)[index][None]
        gradient = recorder.gradients(values, caches, index)[recorder._inputs[0]]
        assert_gradient(gradient, lambda z: recorder.forward([z])[0][recorder.scores], x, dy, terms=500, scale=100)


def test_gradients_times_numbers_give_the_score_at_every_layer():
    model = keras.Sequential(
        [
            keras.Input((12, 12, 2)),
            layers.Conv2D(5, 3, activation="relu", use_bias=False),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(7, activation="relu", use_bias=False),
            layers.Dense(3, activation="softmax", use_bias=False),
        ]
    )
    description, run = recorded(model, an_input(model))
    scores = run.array(run.head["values"][str(description.head["scores"])])
    assert [each["class"] for each in run.head["gradients"]] == np.argsort(-scores).tolist()
    for each in run.head["gradients"]:
        assert str(description.head["output"]) not in each["values"]  # it comes after the score
        for number, reference in each["values"].items():
            products = run.array(reference).astype(np.float64) * run.array(run.head["values"][number])
            terms = 12 * 12 * 2 * 9
            assert_close(np.float32(products.sum()), scores[each["class"]].astype(np.float64), terms=terms, scale=10, dtype=np.float32)


def test_gradients_are_those_asked_for():
    model = networks.mnist_network()
    x = an_input(model)
    assert [each["class"] for each in recorded(model, x, classes=[7, 2])[1].head["gradients"]] == [7, 2]
    assert recorded(model, x, classes=[])[1].head["gradients"] == []
    highest = recorded(model, x, most=1)[1].head["gradients"]
    assert [each["class"] for each in highest] == [int(model(x).argmax())]


class Opaque(layers.Layer):
    """A layer of one's own, without a gradient."""

    def compute_output_shape(self, input_shape):
        return input_shape

    def forward(self, x, training=None):
        return np.sqrt(np.abs(x)), None


def test_a_layer_of_ones_own_is_shown_by_its_output():
    model = keras.Sequential([keras.Input((5,)), layers.Dense(4), Opaque(name="own"), layers.Dense(3)])
    x = an_input(model)
    description, run = recorded(model, x)
    entry = description.head["layers"][2]
    assert (entry["name"], entry["kind"]) == ("own", "other")
    assert run.head["gradients"] == []
    assert_same_bits(run.array(run.head["values"][str(entry["output"])]), outputs_of(model, x)["own"])


def test_outputs_that_are_images_have_no_scores():
    model = keras.Sequential([keras.Input((5, 5, 1)), layers.Conv2D(2, 3)])
    description, run = recorded(model, an_input(model))
    assert (description.head["scores"], description.head["output"], run.head["gradients"]) == (None, None, [])


def test_models_in_models_and_shared_layers_are_taken_apart():
    inner = keras.Sequential([keras.Input((6,)), layers.Dense(6, activation="relu", name="twice")])
    inputs = keras.Input((6,))
    model = keras.Model(inputs, layers.Dense(2)(inner(inner(inputs))))
    description, run = recorded(model, an_input(model))
    assert [entry["name"] for entry in description.head["layers"]].count("twice") == 2
    assert len(run.head["gradients"]) == 2


def test_what_there_is_no_room_for_is_left_out(monkeypatch):
    model = networks.mnist_network()
    full = Recorder(model._built_graph())
    monkeypatch.setattr(record, "MAX_NUMBERS", full.value_count + 40_000)
    recorder = Recorder(model._built_graph())
    entries = {entry["name"]: entry for entry in Unpacked(recorder.description()).head["layers"]}
    assert {name for name, entry in entries.items() if "left_out" in entry} == {"conv2d_2", "dense"}
    assert "kernel" not in entries["dense"] and "bias" in entries["dense"]
    assert Unpacked(recorder.run([an_input(model)])).head["gradients"] == []
    monkeypatch.setattr(record, "MAX_NUMBERS", full.number_count + 2 * full.value_count)
    assert len(Unpacked(Recorder(model._built_graph()).run([an_input(model)])).head["gradients"]) == 2
    monkeypatch.setattr(record, "MAX_NUMBERS", full.value_count - 1)
    with pytest.raises(ValueError, match=r"at most 68,483 numbers \(explorer.MAX_NUMBERS\)"):
        Recorder(model._built_graph())


# --- Pages ---------------------------------------------------------------------------------------------------------------


def test_a_page_holds_the_record_and_nothing_from_elsewhere(tmp_path):
    model = networks.mnist_network()
    x = an_input(model)
    model.explain(x, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert len(text.encode()) < 5_000_000
    recorder = Recorder(model._built_graph())
    for name, content in (("description", recorder.description()), ("run", recorder.run([x]))):
        held = re.search(rf'<script type="application/octet-stream" id="{name}">([^<]*)</script>', text)[1]
        assert base64.b64decode(held, validate=True) == content
    assert "http://" not in text and "https://" not in text
    policy = re.search('Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none';") and "connect-src" not in policy and "unsafe" not in policy
    assert list(tmp_path.iterdir()) == [tmp_path / "page.html"]


def test_names_are_text_and_never_code():
    evil = "<img src=x onerror=alert(1)>"
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2, activation="softmax", name=evil)], name="<b>" + evil)
    model.class_names = ["</script><script>alert(2)</script>", evil]
    recorder = Recorder(model._built_graph(), model.class_names)
    text = page.file_page(model.name, recorder.description(), recorder.run([an_input(model)]))
    assert "<img" not in text and "alert(" not in text.replace("alert(1)&gt;", "")
    assert text.count("<script") == 3


@pytest.mark.parametrize(
    "x, path, error, message",
    [
        (np.zeros((2, 28, 28, 1)), "page.html", ValueError, "x must hold one input, got 2"),
        (np.zeros((0, 28, 28, 1)), "page.html", ValueError, "x must hold one input, got 0"),
        (np.zeros((1, 27, 28, 1)), "page.html", ValueError, "x must have shape"),
        (np.zeros((1, 28, 28, 1), complex), "page.html", TypeError, "x must hold real numbers"),
        (np.zeros((1, 28, 28, 1)), "page.txt", ValueError, r"path must end in \.html"),
        (np.zeros((1, 28, 28, 1)), 3, TypeError, "path must be a string or a path"),
        (np.zeros((1, 28, 28, 1)), "nowhere/page.html", FileNotFoundError, "path must be in a folder that exists"),
    ],
)
def test_what_cannot_be_explained_is_refused(tmp_path, monkeypatch, x, path, error, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        networks.mnist_network().explain(x, path)
    assert list(tmp_path.iterdir()) == []


def test_a_page_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    model, place = networks.mnist_network(), tmp_path / "page.html"
    place.write_text("before")

    class Full(Exception):
        pass

    def fail(*_):
        raise Full

    monkeypatch.setattr("fastcnn.io.atomic.take_place", fail)
    with pytest.raises(Full):
        explorer.explain(model, an_input(model), place)
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("page.html", "before")]


def test_numbers_as_pages_write_them():
    numbers = [
        0.0,
        -0.0,
        1,
        -2.5,
        0.1,
        1 / 3,
        123456.4,
        999999.6,
        1e-4,
        0.00012345678,
        1.5e-5,
        2.0**-10,
        -(2.0**-17),
        np.nan,
        -np.inf,
        1e20,
    ]
    assert [shown(number) for number in numbers] == [
        "0", "0", "1", "−2.5", "0.1", "0.333333", "123456", "1e6", "0.0001", "0.000123457", "1.5e−5", "0.000976563", "−7.62939e−6", "NaN",
        "−∞", "1e20",
    ]  # fmt: skip


# --- The server ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server():
    model = networks.mnist_network()
    with DemoServer(model) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        running.model = model
        yield running
        running.shutdown()
        thread.join()


IMAGE = bytes(range(28)) * 28
BYTES = {"Content-Type": "application/octet-stream"}


def ask(server, method, path, body=None, **headers):
    """The status and the content of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_a_drawing_is_answered_with_every_layer(server):
    for path, classes in (("/run", []), ("/run?class=3", [3]), ("/run?class=highest", None)):
        status, content = ask(server, "POST", path, IMAGE, **BYTES)
        assert status == 200
        x = np.frombuffer(IMAGE, np.uint8).reshape(1, 28, 28, 1) / np.float32(255)
        assert content == server.recorder.run([x], classes, 1)
        run, description = Unpacked(content), Unpacked(ask(server, "GET", "/description")[1])
        answer = outputs_of(server.model, x)[server.model.layers[-1].name]
        assert_same_bits(run.array(run.head["values"][str(description.head["output"])]), answer)


def test_the_page_and_the_digits(server):
    status, text = ask(server, "GET", "/")
    assert status == 200 and b"connect-src 'self'" in text
    assert len(ask(server, "GET", "/digits")[1]) == 7840
    assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize(
    "status, method, path, body, headers",
    [
        (404, "GET", "/nowhere", None, {}),
        (404, "GET", "/../cli.py", None, {}),
        (404, "POST", "/", IMAGE, BYTES),
        (421, "GET", "/", None, {"Host": "evil.example"}),
        (421, "POST", "/run", IMAGE, {**BYTES, "Host": "evil.example:80"}),
        (403, "POST", "/run", IMAGE, {**BYTES, "Origin": "http://evil.example"}),
        (403, "POST", "/run", IMAGE, {**BYTES, "Origin": "null"}),
        (415, "POST", "/run", IMAGE, {"Content-Type": "text/plain"}),
        (400, "POST", "/run", IMAGE[1:], BYTES),
        (400, "POST", "/run", b"", BYTES),
        (413, "POST", "/run", IMAGE + b"1", BYTES),
        (413, "POST", "/run", b"", {**BYTES, "Content-Length": "999999999"}),
        (411, "POST", "/run", b"", {**BYTES, "Content-Length": "-1"}),
        (411, "POST", "/run", b"", {**BYTES, "Content-Length": "99999999999999999999"}),
        (411, "POST", "/run", b"", {**BYTES, "Content-Length": "1e3"}),
        (400, "POST", "/run?class=10", IMAGE, BYTES),
        (400, "POST", "/run?class=-1", IMAGE, BYTES),
        (400, "POST", "/run?class=%00", IMAGE, BYTES),
        (501, "PUT", "/run", IMAGE, BYTES),
    ],
)
def test_other_requests_are_refused(server, capfd, status, method, path, body, headers):
    got, content = ask(server, method, path, body, **headers)
    assert got == status
    assert b"Traceback" not in content
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "text",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"\x00\xff\x16\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST //[ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /run HTTP/1.1\r\nContent-Length: 784\r\n\r\nshort",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_request_does_no_harm(server, capfd, text):
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b"200 OK" not in answer and b"Traceback" not in answer
    assert ask(server, "GET", "/digits")[0] == 200
    assert capfd.readouterr().err == ""


def test_only_models_of_digits_can_be_drawn_for():
    with pytest.raises(ValueError, match=r"model must take images \(28, 28, 1\)"):
        DemoServer(keras.Sequential([keras.Input((4,)), layers.Dense(10)]))


# --- The command -----------------------------------------------------------------------------------------------------------


def test_the_demo_ends_at_ctrl_c(tmp_path):
    networks.mnist_network().save(tmp_path / "model.safetensors")
    command = [sys.executable, "-m", "fastcnn", "demo", "--no-browser", "--json"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            url = json.loads(process.stdout.readline())["url"]
            port = int(re.fullmatch(r"http://127\.0\.0\.1:(\d+)/", url)[1])
            with socket.create_connection(("127.0.0.1", port), timeout=20):
                process.send_signal(signal.SIGINT)
                assert process.communicate(timeout=20) == ("", "")
        finally:
            process.kill()
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("error", "said"), [(OSError(errno.EBADF, "Bad file descriptor"), ""), (RuntimeError("broken"), "fastcnn: RuntimeError: broken\n")]
)
def test_a_lost_connection_is_nothing_to_speak_of_and_a_fault_is(error, said, capsys):
    with DemoServer(networks.mnist_network()) as server:
        try:
            raise error
        except Exception:
            server.handle_error(None, None)
    assert capsys.readouterr().err == said


def test_without_a_model_the_demo_trains_one(tmp_path, monkeypatch, capsys):
    from fastcnn.teaching.explorer import demo

    monkeypatch.chdir(tmp_path)
    opened = []
    monkeypatch.setattr(demo.webbrowser, "open", opened.append)
    monkeypatch.setattr(demo, "_EPOCHS", 1)
    monkeypatch.setattr(DemoServer, "serve_forever", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
    assert cli.main(["demo"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert "training a network on the sample" in out[0]
    assert opened == [re.search(r"http://\S+", out[1])[0]]


@pytest.mark.parametrize(
    "arguments, status, message",
    [
        (("--model", "no.safetensors"), 1, "there is no model"),
        (("--port", "70000"), 2, "at most 65535"),
        (("--port", "x"), 2, "whole number"),
    ],
)
def test_a_demo_that_cannot_be(arguments, status, message, capsys):
    try:
        got = cli.main(["demo", "--no-browser", *arguments])
    except SystemExit as leaving:
        got = leaving.code
    assert got == status
    assert message in capsys.readouterr().err


def test_a_port_that_is_taken_is_a_failure(tmp_path, monkeypatch, capsys, server):
    monkeypatch.chdir(tmp_path)
    networks.mnist_network().save("model.safetensors")
    assert cli.main(["demo", "--no-browser", "--port", str(server.server_port)]) == 1
    assert "in use" in capsys.readouterr().err
