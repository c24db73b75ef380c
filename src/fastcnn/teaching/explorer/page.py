"""The page: one text with its style, its script and perhaps its numbers inside, which asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
import html
from pathlib import Path
from string import Template

_ASSETS = Path(__file__).with_name("assets")
#: In the order in which they build on one another.
_SCRIPTS = ("pack.js", "numbers.js", "canvas.js", "terms.js", "tables.js", "explanation.js", "explorer.js")
_LIVE_SCRIPTS = (*_SCRIPTS, "pad.js", "live.js")
_FILE_SCRIPTS = (*_SCRIPTS, "file.js")


def file_page(title: str, description: bytes, run: bytes) -> str:
    """Return a page that holds what `Recorder.description` and `Recorder.run` gave, and needs no network."""
    data = "".join(
        f'<script type="application/octet-stream" id="{name}">{base64.b64encode(content).decode("ascii")}</script>\n'
        for name, content in (("description", description), ("run", run))
    )
    return _page(title, _FILE_SCRIPTS, "", data)


def live_page(title: str) -> str:
    """Return a page on which one draws, and which asks the server that it came from, and nobody else, for the numbers."""
    return _page(title, _LIVE_SCRIPTS, " connect-src 'self';", "")


def _page(title: str, scripts: tuple[str, ...], policy: str, data: str) -> str:
    style, script = _asset("style.css"), '"use strict";\n(() => {\n' + "\n".join(map(_asset, scripts)) + "})();\n"
    return Template(_asset("page.html")).substitute(
        title=html.escape(title),
        policy=f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; img-src data:;{policy} base-uri 'none';"
        " form-action 'none'",
        style=style,
        script=script,
        data=data,
    )


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """Return what a policy calls an element with this content, so that no other script or style runs."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
