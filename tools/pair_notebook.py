"""Write the notebook that belongs to a text in jupytext's percent format: ``python tools/pair_notebook.py examples/tutorial.py``.

The text is what is edited. The notebook beside it holds the same cells, without outputs.
"""

import json
import re
import sys
from pathlib import Path

MARK = re.compile(r"^# %%(?: \[(markdown)\])?$", re.MULTILINE)


def cells(text):
    """Return the cells of a text, pairs of "code" or "markdown" and the source."""
    _, *parts = MARK.split(text)
    return [_cell(kind, body.strip("\n")) for kind, body in zip(parts[::2], parts[1::2], strict=True)]


def _cell(kind, body):
    if not kind:
        return "code", body
    return kind, "\n".join(line.removeprefix("#").removeprefix(" ") for line in body.splitlines())


def notebook(text):
    """Return the notebook's file for a text."""
    made = []
    for number, (kind, source) in enumerate(cells(text), 1):
        cell = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": source.splitlines(keepends=True)}
        made.append(cell | ({"execution_count": None, "outputs": []} if kind == "code" else {}))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    content = {"cells": made, "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.with_suffix(".ipynb").write_text(notebook(path.read_text(encoding="utf-8")), encoding="utf-8")
