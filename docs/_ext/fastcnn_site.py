"""What the site does beyond Sphinx: tables of measurements, the commands' help, the tutorial's notebook, formulas, names that are links."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import latex2mathml.converter
import measured
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.nodes import make_refnode

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples" / "tutorial.ipynb"
_INITIAL = re.compile(r"^(\s*(?:\.\. \[[^]]+\] )?[A-Z]\.) (?=[A-Z])")
_COMMANDS = ("", "train", "evaluate", "predict", "demo", "bench", "info")


class Measured(Directive):
    """A table that a function of `measured` makes of the files in benchmarks/results: ``{measured} name``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Let the page's own parser read the table."""
        text = getattr(measured, self.arguments[0])()
        node = nodes.container()
        self.state.nested_parse(StringList(text.splitlines(), source=measured.__file__), self.content_offset, node)
        return node.children


class Commands(Directive):
    """What ``fastcnn --help`` and that of each command say."""

    def run(self) -> list[nodes.Node]:
        """Ask them."""
        found: list[nodes.Node] = []
        for command in _COMMANDS:
            call = ["fastcnn", *command.split(), "--help"]
            environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}
            told = subprocess.run([sys.executable, "-m", *call], env=environment, capture_output=True, text=True, check=True).stdout
            section = nodes.section(ids=[f"fastcnn-{command}".strip("-")])
            section += nodes.title(text=" ".join(call[:-1]))
            section += nodes.literal_block(told, f"$ {' '.join(call)}\n{told}", language="none")
            found.append(section)
        return found


def write_formula(translator: Any, node: nodes.Element) -> None:
    """Write a formula as MathML, which browsers show by themselves: no script of another server is needed."""
    block = isinstance(node, nodes.math_block)
    translator.body.append(latex2mathml.converter.convert(node.astext(), display="block" if block else "inline"))
    raise nodes.SkipNode


def bring_tutorial(app: Sphinx) -> None:
    """Copy the notebook to the pages: Sphinx reads one folder only."""
    shutil.copyfile(NOTEBOOK, Path(app.srcdir) / "tutorial.ipynb")


def keep_initials(app: Sphinx, what: str, name: str, thing: object, options: Any, lines: list[str]) -> None:
    """Bind the initials of authors that begin a paragraph to what follows: "K. Goto" is no list that begins with its letter K."""
    lines[:] = [_INITIAL.sub("\\1\N{NO-BREAK SPACE}", line) for line in lines]


def link_names(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Make links of `names` in code style that the API reference has a page for, if they mean one thing only."""
    objects = app.env.domains.python_domain.objects
    for code in list(doctree.findall(nodes.literal)):
        if isinstance(code.parent, (nodes.reference, nodes.title)) or "xref" in code["classes"]:
            continue
        name = code.astext().removeprefix("keras.").removeprefix("fastcnn.").split("(")[0]
        target = _documented(objects, f"reference.{name}" if "reference" in page else name) or _documented(objects, name)
        if target and objects[target].docname != page:
            link = make_refnode(app.builder, page, objects[target].docname, objects[target].node_id, code.deepcopy(), target)
            code.replace_self(link)


def _documented(objects: dict[str, Any], name: str) -> str | None:
    """Return the full name of the kernel, the class or the function of a module that `name` must mean, if there is one."""
    if f"fastcnn.{name}" in objects:
        return f"fastcnn.{name}"
    ends = [full for full, entry in objects.items() if entry.objtype == "class" and not entry.aliased and full.endswith(f".{name}")]
    return ends[0] if len(ends) == 1 else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx of all this."""
    app.add_directive("measured", Measured)
    app.add_directive("commands", Commands)
    app.add_html_math_renderer("mathml", (write_formula, None), (write_formula, None))
    app.connect("builder-inited", bring_tutorial, priority=100)  # before Sphinx looks for pages
    app.connect("autodoc-process-docstring", keep_initials)
    app.connect("doctree-resolved", link_names)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
