"""The page on which one draws, in a real browser: what every layer answers is what the model gives for what the page sent."""

import re
import threading

import numpy as np
import pytest
from explorer_browser import PHONE, contrast, corners_and_some, grid_places, look
from explorer_networks import outputs_of, shown

import fastcnn as keras
from fastcnn import networks
from fastcnn.datasets import mnist_sample
from fastcnn.teaching.explorer.server import DemoServer


@pytest.fixture(scope="module")
def demo():
    """A server with a network that has learnt something of digits."""
    keras.random.set_seed(4)
    model = networks.mnist_network()
    (x, y), _ = mnist_sample.load_data()
    model.fit(x[:2000, ..., None] / np.float32(255), y[:2000], batch_size=32, epochs=2, verbose=0)
    with DemoServer(model) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        server.model = model
        yield server
        server.shutdown()
        thread.join()


def draw_a_ring(page, x, y, width, height, touch=False):
    """Draw a 0 into the area, a pointer's event for each of its points."""
    box = page.locator("#pad").bounding_box()
    angles = np.linspace(0, 2 * np.pi, 40)
    points = [(box["x"] + x + width * np.sin(a), box["y"] + y - height * np.cos(a)) for a in angles]
    if touch:
        session = page.context.new_cdp_session(page)
        for kind, (left, top) in zip(["touchStart"] + ["touchMove"] * (len(points) - 1), points, strict=True):
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": left, "y": top}]})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        return
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point)
    page.mouse.up()


@pytest.mark.parametrize("touch", [False, True], ids=["mouse", "touch"])
def test_drawing_has_every_layer_answer(open_page, demo, touch, record_property):
    page = open_page(demo.url, **({"viewport": PHONE, "has_touch": True} if touch else {}))
    sent = []
    page.on("request", lambda request: sent.append(request.post_data_buffer) if request.method == "POST" else None)
    page.click("#clear")
    with page.expect_response("**/run"):
        draw_a_ring(page, 130, 140, 60, 90, touch)
    page.wait_for_selector("#answer[aria-busy=false]")
    page.wait_for_function("() => document.querySelector('#said').textContent === 'The answer is 0.'")
    image = np.frombuffer(sent[-1], np.uint8).reshape(1, 28, 28, 1)
    ink = image[0, ..., 0].astype(np.float64)
    centre = [(ink.sum(axis=1 - axis) * np.arange(28)).sum() / ink.sum() + 0.5 for axis in (0, 1)]
    assert centre == pytest.approx([14, 14], abs=0.1)  # as MNIST's are
    assert 18 <= np.count_nonzero(ink.max(axis=1)) <= 22
    assert ink.max() == 255
    x = image / np.float32(255)
    answer = outputs_of(demo.model, x)[demo.model.layers[-1].name]
    assert page.locator("#answer .score").all_inner_texts() == [shown(number) for number in answer]
    assert answer.argmax() == 0
    assert page.inner_text("#answer .best .class") == "0"
    for name, array in outputs_of(demo.model, x).items():
        places = corners_and_some(array.shape, 3) if array.ndim == 3 else grid_places(array.size, range(0, array.size, 7))
        wanted = [array[place] for place in places] if array.ndim == 3 else array[::7]
        assert [said["value"] for said in look(page, name, places)] == [shown(number) for number in wanted], name
    median, count, most = re.search(r"([\d.]+) ms \(median of (\d+)\), ([\d.]+) ms", page.inner_text("#latency")).groups()
    record_property("median_ms", float(median))
    record_property("percentile_95_ms", float(most))
    print(f"\nfrom {'touch' if touch else 'mouse'} to picture: median {median} ms, 95 % {most} ms, of {count}")
    assert int(count) > 5


def test_digits_are_chosen_by_keys(open_page, demo):
    page = open_page(demo.url)
    _, (x, y) = mnist_sample.load_data()
    for digit in (3, 8):
        with page.expect_response("**/run"):
            page.get_by_role("button", name=f"Show a {digit}").press("Enter")
        image = x[np.flatnonzero(y == digit)[0]][None, ..., None] / np.float32(255)
        wanted = outputs_of(demo.model, image)[demo.model.layers[-1].name]
        page.wait_for_function("(text) => document.querySelector('#answer .score').textContent === text", arg=shown(wanted[0]))
        assert page.locator("#answer .score").all_inner_texts() == [shown(number) for number in wanted]


def test_live_gradients_are_those_of_the_backward_pass(open_page, demo):
    page = open_page(demo.url)
    sample = mnist_sample.load_data()[1]
    x = (sample[0][np.flatnonzero(sample[1] == 5)[0]][None, ..., None] / np.float32(255)).astype(np.float32)
    with page.expect_response("**/run"):
        page.get_by_role("button", name="Show a 5").click()
    with page.expect_response("**/run?class=highest"):
        page.check("#gradients")
    values, caches = demo.recorder.forward([x])
    for chosen in ("", "2"):
        if chosen:
            with page.expect_response("**/run?class=2"):
                page.select_option("#gradient-class", chosen)
        index = int(chosen or np.argmax(values[demo.recorder.scores]))
        page.wait_for_function("(text) => document.querySelector('#gradient-about').textContent.includes(text)", arg=f"score of {index} ")
        gradients = demo.recorder.gradients(values, caches, index)
        wanted = [shown(gradients[demo.recorder._parts[0].output][0][place]) for place in corners_and_some((26, 26, 32))]
        page.wait_for_function("(text) => !document.querySelector('#large-gradient-figure').hidden", arg=0)
        assert [said["slope"] for said in look(page, "conv2d", corners_and_some((26, 26, 32)))] == wanted


def test_a_demo_on_a_phone(open_page, demo):
    page = open_page(demo.url, viewport=PHONE, color_scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert contrast(page)[0] >= 4.5
    assert page.get_by_role("img", name="Drawing area").is_visible()


def test_a_server_that_is_gone_is_noticed(open_page, demo):
    page = open_page(demo.url, tolerated="status of 500")
    page.route("**/run", lambda route: route.fulfill(status=500, body="broken"))
    page.evaluate("document.querySelector('#clear').click()")
    page.wait_for_function("() => document.querySelector('#trouble').textContent.includes('500 broken')")
    page.unroute("**/run")
    page.click("#clear")
    page.wait_for_function("() => document.querySelector('#trouble').textContent === ''")
