"""A browser for tests of the explorer, and what it reads from pages.

Without Chromium or Playwright, tests that want them are skipped; where FASTCNN_BROWSER is "required", they fail.
"""

import importlib
import os
import shutil
from contextlib import contextmanager

import numpy as np
import pytest

REQUIRED = os.environ.get("FASTCNN_BROWSER") == "required"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

#: None of it talks to anybody, and as root, as in containers, there is no sandbox.
ARGUMENTS = [
    "--disable-background-networking", "--disable-component-update", "--disable-gpu", "--disable-quic", "--disable-sync", "--no-first-run",
    *(["--no-sandbox"] if os.geteuid() == 0 else []),
]  # fmt: skip
PHONE, DESK = {"width": 360, "height": 740}, {"width": 1280, "height": 900}


@contextmanager
def running_browser():
    """Chromium, driven by Playwright."""
    if CHROMIUM is None and not REQUIRED:
        pytest.skip("Chromium is not installed (FASTCNN_BROWSER=required makes this an error)")
    assert CHROMIUM, "FASTCNN_BROWSER is 'required', but there is no Chromium"
    sync_api = _module("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def load_axe():
    """The checker of accessibility."""
    return _module("axe_playwright_python.sync_playwright").Axe()


def _module(name):
    """A module for tests with a browser: where it is not, they are skipped, unless they are required."""
    return importlib.import_module(name) if REQUIRED else pytest.importorskip(name)


@contextmanager
def pages_of(browser):
    """A function that opens a page; in the end, no page has complained but as `tolerated`, or asked anybody but its own server."""
    contexts, faults = [], []

    def open_at(url, tolerated=None, **options):
        context = browser.new_context(**({"viewport": DESK} | options))
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", lambda message: None if tolerated and tolerated in message.text else faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: (faults.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: None if request.url.startswith((url, "data:")) else faults.append(request.url))
        page.goto(url)
        page.wait_for_selector("#answer li, #explanation p")
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert faults == []


#: Chooses numbers of a layer as a user does, and returns what the page then says of each.
LOOK = """([layer, places]) => {
  const all = (selector) => [...document.querySelectorAll(selector)].map((each) => each.textContent);
  const one = (selector) => all(selector)[0] ?? null;
  [...document.querySelectorAll("#layers [role=tab]")].find((tab) => tab.querySelector(".name").textContent === layer).click();
  return places.map(([map, row, column]) => {
    document.querySelectorAll("#maps [role=radio]")[map].click();
    for (const [id, value] of [["row", row], ["column", column]]) document.getElementById(id).value = value;
    document.getElementById("row").dispatchEvent(new Event("input"));
    return {
      name: one("#number-name"), value: one("#value"), sum: one("#sum"), bias: one("#bias"), again: one("#again"),
      activated: one("#activated"), slope: one("#slope"),
      map: document.querySelector("#explanation [aria-pressed=true]")?.dataset.map,
      terms: ["x", "w", "product"].map((name) => all(`#explanation td .${name}, #explanation td.${name}`)),
      cells: all("#explanation tbody td"), maps: all(".map-sum"), rest: one(".rest-sum"), winner: one("td.winner"),
      softmax: ["z", "shifted", "exponential", "share", "total"].map((name) => all(`td.${name}`)), said: one("#said"),
    };
  });
}"""


def look(page, layer, places):
    """What the page says of the numbers of `layer` at the places (row, column, map)."""
    return page.evaluate(LOOK, [layer, [[index, row, column] for row, column, index in places]])


def corners_and_some(shape, count=5):
    """The corners of the first map, and places anywhere."""
    rows, columns, maps = shape
    rng = np.random.default_rng(rows)
    corners = [(0, 0, 0), (0, columns - 1, 0), (rows - 1, 0, 0), (rows - 1, columns - 1, 0)]
    return corners + [tuple(int(rng.integers(size)) for size in shape) for _ in range(count)] + [(rows - 1, columns // 2, maps - 1)]


def grid_places(count, picks):
    """The places of the entries of a vector on the page: (row, column, map)."""
    columns = count if count <= 16 else int(np.ceil(np.sqrt(count)))
    return [(index // columns, index % columns, 0) for index in picks]


def number_of(text):
    return float(text.replace("−", "-"))


def contrast(page):
    """The least contrast of a text and the ground behind it, and the text."""
    return page.evaluate("""() => {
      const light = (colour) => {
        const [r, g, b] = colour.match(/[\\d.]+/g).map((c) => c / 255)
          .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const ground = (element) => {
        for (let at = element; at; at = at.parentElement) {
          const colour = getComputedStyle(at).backgroundColor;
          if (!/, 0\\)$/.test(colour)) return colour;
        }
        return "rgb(255, 255, 255)";
      };
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      let worst = [99, ""];
      while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.textContent.trim() || !element.getClientRects().length || element.tagName === "SCRIPT") continue;
        const [a, b] = [light(getComputedStyle(element).color), light(ground(element))].sort((p, q) => q - p);
        const ratio = (a + 0.05) / (b + 0.05);
        if (ratio < worst[0]) worst = [ratio, walker.currentNode.textContent];
      }
      return worst;
    }""")
