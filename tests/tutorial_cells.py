"""Taking a notebook that was saved as text apart: Markdown, and cells of code that each begin after a line ``In [None]:``."""

import ast
import re

MARKER = "In [None]:"

#: What begins Markdown behind code: a heading. One ``#`` alone is a comment of the code.
HEADING = re.compile(r"#{2,6} ")


def code_cells(text):
    """Return the source of each cell of code in `text`.

    A cell ends before a heading or the next marker; but not inside a string or a bracket, where either may stand as well.
    """
    cells, cell = [], None
    for line in text.splitlines():
        begins = line.strip() == MARKER
        if cell is not None and (begins or HEADING.match(line)) and is_whole("\n".join(cell)):
            cells.append(cell)
            cell = None
        if cell is not None:
            cell.append(line)
        elif begins:
            cell = []
    return ["\n".join(lines).strip("\n") + "\n" for lines in [*cells, *([] if cell is None else [cell])]]


def is_whole(source):
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True
