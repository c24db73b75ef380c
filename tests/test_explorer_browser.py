"""The explorer in a real browser: what stands on the page is what the kernels gave, with a pointer, by keys, in the dark and on a phone."""

import numpy as np
import pytest
from explorer_browser import PHONE, contrast, corners_and_some, grid_places, load_axe, look, number_of
from explorer_networks import an_input, every_kind, outputs_of, shown

import fastcnn as keras
from fastcnn import layers, networks
from fastcnn.teaching.explorer.record import Recorder


@pytest.fixture(scope="module")
def explained(tmp_path_factory):
    """A network of every kind, its input, and the address of its page."""
    model = every_kind()
    x = an_input(model)
    place = tmp_path_factory.mktemp("page") / "page.html"
    model.explain(x, place)
    return model, x, place.as_uri()


def padded_taps(x, layer, kernel_size, strides, dilation, row, column):
    """The numbers under a kernel with "same" padding, (KH, KW, C), NaN for those outside."""
    window = []
    for size, at, kernel, stride, rate in zip(x.shape, (row, column), kernel_size, strides, dilation, strict=False):
        total = max((-(-size // stride) - 1) * stride + (kernel - 1) * rate + 1 - size, 0)
        window.append([at * stride - total // 2 + tap * rate for tap in range(kernel)])
    taps = np.full((*kernel_size, x.shape[2]), np.nan)
    for i, y in enumerate(window[0]):
        for j, z in enumerate(window[1]):
            if 0 <= y < x.shape[0] and 0 <= z < x.shape[1]:
                taps[i, j] = x[y, z]
    return taps


def check_convolution(said, x, layer, kernel, bias, stored, place, groups):
    """Compare what the page says of a convolution's number with its products, computed here; `kernel` is (KH, KW, C // groups, F)."""
    row, column, filter_ = place
    each = kernel.shape[2]
    first = filter_ // (kernel.shape[3] // groups) * each
    taps = padded_taps(x, layer, kernel.shape[:2], layer.strides, layer.dilation_rate, row, column)[..., first : first + each]
    products = taps * kernel[..., filter_].astype(np.float64)
    map_sums = np.nansum(products, axis=(0, 1))
    shown_map = int(said["map"]) - first if each > 1 else 0
    assert shown_map == np.abs(map_sums).argmax()
    patch, weights = taps[..., shown_map].ravel(), kernel[..., shown_map, filter_].ravel()
    inside = ~np.isnan(patch)
    wanted = [patch[inside], weights[inside], products[..., shown_map].ravel()[inside]]
    marks = ("", "× ", "= ")
    assert said["terms"] == [[mark + shown(number) for number in numbers] for mark, numbers in zip(marks, wanted, strict=True)]
    assert said["sum"] == shown(stored)
    assert said["bias"] == (None if bias is None else shown(bias[filter_]))
    # The page adds in one order and NumPy in another, both in 64 bits: they agree to the digits shown but for a last one.
    assert number_of(said["again"]) == pytest.approx(
        np.nansum(products) + (0 if bias is None else float(bias[filter_])), rel=1e-5, abs=1e-12
    )
    if each > 1:
        assert said["maps"][:each] == [shown(total) for total in sorted(map_sums, key=abs, reverse=True)[: len(said["maps"])]]


def test_convolutions_show_their_products(open_page, explained):
    model, x, url = explained
    page, outputs = open_page(url), outputs_of(model, x)
    conv, grouped, depthwise, separable = (model.get_layer(name) for name in ("conv", "grouped", "depthwise", "separable"))
    both = outputs["concatenate"]
    between = separable.convolve(both[None], separable.weights["depthwise_kernel"])
    cases = [
        ("conv", conv, outputs["rescaling"], conv.weights["kernel"], conv.weights["bias"], 1),
        ("grouped", grouped, outputs["conv"], grouped.weights["kernel"], None, 2),
        ("depthwise", depthwise, outputs["rescaling"], depthwise.weights["kernel"].reshape(3, 3, 1, 8), depthwise.weights["bias"], 4),
        ("separable, each channel", separable, both, separable.weights["depthwise_kernel"].reshape(3, 3, 1, 14), None, 14),
    ]
    for name, layer, source, kernel, bias, groups in cases:
        linear = between[0] if layer is separable else layer.linear(source[None], None)[0]
        final = between[0] if layer is separable else outputs[name]
        places = corners_and_some(final.shape)
        for place, said in zip(places, look(page, name, places), strict=True):
            check_convolution(said, source, layer, kernel, bias, linear[place], place, groups)
            assert said["value"] == shown(final[place])
            assert said["activated"] in (None, said["value"])
            assert said["name"] == f"{name}, map {place[2]}, row {place[0]}, column {place[1]}"
            assert said["value"] in said["said"] and said["sum"] in said["said"]
    pointwise = separable.linear(between, None)[0]
    for place, said in zip(places, look(page, "separable, across channels", [(*place[:2], place[2] % 5) for place in places]), strict=True):
        row, column, filter_ = place[0], place[1], place[2] % 5
        products = between[0, row, column].astype(np.float64) * separable.weights["pointwise_kernel"][0, 0, :, filter_]
        assert said["maps"] == [shown(product) for product in sorted(products, key=abs, reverse=True)[:12]]
        assert (said["sum"], said["value"]) == (shown(pointwise[row, column, filter_]), shown(outputs["separable"][row, column, filter_]))


def test_another_input_map_can_be_chosen(open_page, explained):
    _, _, url = explained
    page = open_page(url)
    look(page, "conv", [(2, 2, 1)])
    last = page.locator("#explanation button[data-map]").last
    wanted = last.get_attribute("data-map")
    last.press("Enter")
    assert page.locator("#explanation [aria-pressed=true]").get_attribute("data-map") == wanted
    assert page.evaluate("document.activeElement.dataset.map") == wanted  # the keyboard stays where it was
    assert f"input map {wanted}" in page.inner_text("#explanation caption >> nth=0")
    assert f"map {wanted}:" in page.inner_text("#source-name")


def test_sums_over_all_inputs_show_their_largest_terms(open_page, explained):
    model, x, url = explained
    page, outputs = open_page(url), outputs_of(model, x)
    hidden, answer = model.get_layer("hidden"), model.get_layer("answer")
    for name, layer, source in (("hidden", hidden, "ends"), ("answer", answer, "dropout")):
        linear = layer.linear(outputs[source][None], None)[0]
        for index, said in enumerate(look(page, name, grid_places(layer.units, range(layer.units)))):
            kernel = layer.weights["kernel"][:, index]
            products = outputs[source].astype(np.float64) * kernel
            order = np.argsort(-np.abs(products), kind="stable")[:12]
            wanted = [[shown(array[i]) for i in order] for array in (outputs[source], kernel, products)]
            assert said["terms"] == wanted
            assert (said["sum"], said["bias"]) == (shown(linear[index]), shown(layer.weights["bias"][index]))
            assert said["value"] == shown(outputs[name][index])
            if len(products) > 12:
                rest = np.delete(products, order).sum()
                assert number_of(said["rest"]) == pytest.approx(rest, rel=1e-5, abs=1e-12)


def test_transposed_convolutions_show_their_largest_terms(open_page, explained):
    model, x, url = explained
    page, outputs = open_page(url), outputs_of(model, x)
    layer, source = model.get_layer("transposed"), outputs["average_pooling2d"].astype(np.float64)
    kernel, linear = layer.weights["kernel"].astype(np.float64), layer.linear(outputs["average_pooling2d"][None], None)[0]
    places = corners_and_some(linear.shape)
    for place, said in zip(places, look(page, "transposed", places), strict=True):
        row, column, filter_ = place
        # With a stride of 2 and "same", nothing is cut off before the first pixel.
        products = [
            source[i, j, channel] * kernel[row - 2 * i, column - 2 * j, filter_, channel]
            for i in range(source.shape[0]) for j in range(source.shape[1]) for channel in range(source.shape[2])
            if 0 <= row - 2 * i < 3 and 0 <= column - 2 * j < 3
        ]  # fmt: skip
        assert said["terms"][2] == [shown(product) for product in sorted(products, key=abs, reverse=True)[:12]]
        assert (said["sum"], said["value"]) == (shown(linear[place]), shown(outputs["transposed"][place]))


def test_poolings_show_their_windows(open_page, explained):
    model, x, url = explained
    page, outputs = open_page(url), outputs_of(model, x)
    for name, source, stride in (("max_pooling2d", "separable", 2), ("average_pooling2d", "max_pooling2d", 1)):
        before, after = outputs[source], outputs[name]
        places = corners_and_some(after.shape)
        for place, said in zip(places, look(page, name, places), strict=True):
            row, column, map_ = place
            window = before[row * stride : row * stride + 2, column * stride : column * stride + 2, map_]
            assert said["terms"][0] == [shown(number) for number in window.ravel()]
            assert said["cells"].count("outside") == 4 - window.size
            assert said["sum"] == said["value"] == shown(after[place])
            if stride == 2:
                assert said["winner"] == f"{shown(window.max())} ★ largest"
    whole = outputs["transposed"]
    for index, said in enumerate(look(page, "global_average_pooling2d", grid_places(3, range(3)))):
        assert said["terms"][0] == [shown(number) for number in whole[..., index].ravel()]
        assert said["value"] == shown(outputs["global_average_pooling2d"][index])


def test_the_softmax_shows_its_exponentials(open_page, explained):
    model, x, url = explained
    page, outputs = open_page(url), outputs_of(model, x)
    z = model.get_layer("answer").linear(outputs["dropout"][None], None)[0].astype(np.float64)
    shifted = z - z.max()
    wanted = [[shown(number) for number in numbers] for numbers in (z, shifted)]
    for index, said in enumerate(look(page, "answer", grid_places(4, range(4)))):
        assert said["softmax"][:2] == wanted
        for numbers, texts in ((np.exp(shifted), said["softmax"][2]), ([np.exp(shifted).sum()], said["softmax"][4])):
            # A browser's exp and NumPy's may differ in the last of 53 bits.
            assert [number_of(text) for text in texts] == pytest.approx(list(numbers), rel=1e-5)
        assert said["softmax"][3] == [shown(share) for share in outputs["answer"]]
        assert said["activated"] == said["value"] == shown(outputs["answer"][index])
        assert said["name"] == f"answer, class {model.class_names[index]}"
    scores = page.locator("#answer .score").all_inner_texts()
    assert scores == [shown(share) for share in outputs["answer"]]


@pytest.mark.parametrize(
    "name", ["image", "rescaling", "batch_normalization", "activation", "add", "concatenate", "flatten", "dropout", "ends"]
)
def test_all_other_layers_show_what_they_give(open_page, explained, name):
    model, x, url = explained
    page, array = open_page(url), outputs_of(model, x)[name]
    places = corners_and_some(array.shape) if array.ndim == 3 else grid_places(array.size, range(array.size))
    numbers = [array[place] for place in places] if array.ndim == 3 else array
    for said, number in zip(look(page, name, places), numbers, strict=True):
        assert said["value"] == shown(number)
        assert said["sum"] in (None, shown(number))


def test_gradients_are_those_of_the_backward_pass(open_page, explained):
    model, x, url = explained
    page = open_page(url)
    recorder = Recorder(model._built_graph())
    values, caches = recorder.forward([x])
    assert page.locator("#maps canvas.gradient").count() == 0
    page.focus("#gradients")
    page.keyboard.press("Space")
    for chosen in (None, 0, 3):
        index = int(np.argmax(values[recorder.scores])) if chosen is None else chosen
        page.select_option("#gradient-class", "" if chosen is None else str(chosen))
        gradients = recorder.gradients(values, caches, index)
        for part in recorder._parts[:-1]:
            gradient = gradients[part.output][0]
            places = corners_and_some(gradient.shape, 3) if gradient.ndim == 3 else grid_places(gradient.size, range(0, gradient.size, 5))
            wanted = [gradient[place] for place in places] if gradient.ndim == 3 else gradient[::5]
            assert [said["slope"] for said in look(page, part.name, places)] == [shown(number) for number in wanted]
    assert page.locator("#maps canvas.gradient").count() > 0
    look(page, "answer", [(0, 0, 0)])
    assert "no gradient for this layer" in page.inner_text("#gradient-about")
    page.uncheck("#gradients")
    assert page.inner_text("#gradient-about") == ""


def test_keys_lead_everywhere(open_page, explained):
    _, _, url = explained
    page = open_page(url)

    def name():
        return page.inner_text("#number-name")

    page.locator("#layers [aria-selected=true]").focus()
    page.keyboard.press("Home")
    assert name().startswith("image, ")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert name() == "conv, map 0, row 2, column 3"
    page.keyboard.press("End")
    assert name().startswith("answer, class ")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.locator("#maps [aria-checked=true]").focus()
    page.keyboard.press("End")
    assert name() == "rescaling, map 3, row 4, column 3"
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.activeElement.getAttribute('aria-checked')") == "true"
    page.locator("#large").focus()
    for key, wanted in [
        ("ArrowUp", "map 2, row 3, column 3"), ("ArrowRight", "map 2, row 3, column 4"), ("PageDown", "map 3, row 3, column 4"),
        ("PageDown", "map 3, row 3, column 4"), ("End", "map 3, row 3, column 7"), ("ArrowRight", "map 3, row 3, column 7"),
        ("Home", "map 3, row 3, column 0"), ("ArrowDown", "map 3, row 4, column 0"), ("PageUp", "map 2, row 4, column 0"),
    ]:  # fmt: skip
        page.keyboard.press(key)
        assert name() == f"rescaling, {wanted}"
    page.keyboard.press("Shift+ArrowRight")
    assert name().startswith("conv, ")
    page.keyboard.press("Shift+ArrowLeft")
    assert name().startswith("rescaling, ")


def test_all_controls_are_reached_by_tab(open_page, explained):
    _, _, url = explained
    page = open_page(url)
    look(page, "conv", [(2, 2, 1)])
    page.evaluate("document.activeElement.blur()")
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        found = page.evaluate(
            "(() => { const e = document.activeElement; const s = getComputedStyle(e);"
            " return [e.id || e.getAttribute('role') || e.tagName, s.outlineStyle, parseFloat(s.outlineWidth)]; })()"
        )
        if found[0] == "BODY":
            break
        reached.append(found)
    names = [name for name, _, _ in reached]
    assert {"tab", "gradients", "gradient-class", "radio", "large", "row", "column", "to-source", "region", "BUTTON", "SUMMARY"} <= set(
        names
    )
    assert [each for each in reached if each[1] == "none" or each[2] < 1] == []  # the focus is seen everywhere
    assert names.count("tab") == names.count("radio") == 1  # arrow keys go on within these


def test_a_pixel_is_chosen_by_a_click(open_page, explained):
    _, _, url = explained
    page = open_page(url)
    look(page, "image", [(0, 0, 0)])
    box = page.locator("#large").bounding_box()
    page.click("#large", position={"x": box["width"] * 5.5 / 8, "y": box["height"] * 6.5 / 9})
    assert page.inner_text("#number-name") == "image, map 0, row 6, column 5"
    look(page, "conv", [(3, 2, 1)])
    page.click("#to-source")
    assert page.inner_text("#number-name").startswith("rescaling, map ")


def test_pixels_that_are_not_there_are_not_chosen(open_page, explained):
    _, _, url = explained
    page = open_page(url)
    look(page, "hidden", [(0, 0, 0)])
    for row, column in ((4, 4), (99, 0), (0, -1), ("", 0)):  # of 27 numbers in rows of 6, the last row has 3
        page.evaluate("([row, column]) => { document.getElementById('row').value = row; document.getElementById('column').value = column;"
                      " document.getElementById('row').dispatchEvent(new Event('input')); }", [row, column])  # fmt: skip
        assert page.inner_text("#number-name") == "hidden, number 0"


def test_a_phone_shows_all_without_scrolling_sideways(open_page, explained):
    _, _, url = explained
    page = open_page(url, viewport=PHONE)
    page.check("#gradients")
    for layer in [tab.inner_text() for tab in page.locator("#layers .name").all()]:
        look(page, layer, [(0, 0, 0)])
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], layer


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_and_axe_has_no_complaint(open_page, explained, scheme):
    _, _, url = explained
    page = open_page(url, color_scheme=scheme, reduced_motion="reduce")
    page.click("summary")
    page.check("#gradients")
    axe = load_axe()
    for layer in ("image", "conv", "max_pooling2d", "hidden", "answer"):
        look(page, layer, [(0, 0, 0)])
        ratio, text = contrast(page)
        assert ratio >= 4.5, text
    # The page's policy keeps scripts out that are not its own, which axe is: Playwright adds it from outside the page.
    result = axe.run(page)
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in result.response["violations"]] == []


def test_the_accessibility_tree_has_names_for_all(open_page, explained):
    _, _, url = explained
    page = open_page(url)
    look(page, "conv", [(2, 2, 1)])
    tree = page.locator("body").aria_snapshot()
    for line in (
        '- tablist "Layers":', '- tab "conv Conv2D 5 × 8 × 6" [selected]', '- tabpanel "conv":', '- radiogroup "Maps of the layer":',
        '- radio "map 1" [checked]', '- spinbutton "Row": "2"', '- table "Patch × kernel', '- rowheader "0"', '- columnheader "0"',
        '- checkbox "Gradients of the score of"', '- combobox "Class to differentiate"',
        '- status: "conv, map 1, row 2, column 2: 0. 24 products + bias',
    ):  # fmt: skip
        assert line in tree, tree
    assert page.locator("#large").get_attribute("role") == "application"


def test_names_of_strangers_are_text(open_page, tmp_path):
    evil = "<img src=x onerror=alert(1)>"
    model = keras.Sequential([keras.Input((6, 6, 1)), layers.Conv2D(2, 3, name=evil), layers.Flatten(), layers.Dense(2)], name=evil)
    model.class_names = ["</script><script>alert(2)</script>", evil]
    model.explain(an_input(model), tmp_path / "page.html")
    page = open_page((tmp_path / "page.html").as_uri())
    look(page, evil, [(0, 0, 0)])
    look(page, "dense", [(0, 1, 0)])
    assert page.inner_text("h1") == evil
    assert page.locator("#answer .class").all_inner_texts() == model.class_names
    assert page.locator("img").count() == 0


def test_numbers_that_are_none_are_shown(open_page, tmp_path):
    model = keras.Sequential([keras.Input((4, 4, 1)), layers.MaxPooling2D(2), layers.Flatten(), layers.Dense(2, activation="softmax")])
    x = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    x[0, 0, 1] = np.nan
    x[0, 3, 3] = -np.inf
    x[0, 0, 3] = np.inf
    model.explain(x, tmp_path / "page.html")
    page = open_page((tmp_path / "page.html").as_uri())
    said = look(page, "max_pooling2d", [(0, 0, 0), (0, 1, 0), (1, 1, 0)])
    assert [each["winner"] for each in said] == ["NaN ★ largest", "∞ ★ largest", "14 ★ largest"]
    assert said[2]["terms"][0][-1] == "−∞"
    assert look(page, "dense", [(0, 0, 0)])[0]["value"] == "NaN"


def test_what_was_left_out_is_said(open_page, tmp_path, monkeypatch):
    from fastcnn.teaching.explorer import record

    model = networks.mnist_network()
    monkeypatch.setattr(record, "MAX_NUMBERS", Recorder(model._built_graph()).value_count + 1000)
    model.explain(an_input(model), tmp_path / "page.html")
    page = open_page((tmp_path / "page.html").as_uri())
    look(page, "conv2d_1", [(0, 0, 0)])
    assert "weights of this layer are left out" in page.inner_text("#explanation")
    assert page.is_hidden("#gradient-controls")
