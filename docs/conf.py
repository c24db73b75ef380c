"""How Sphinx makes the site of these pages: `make docs`. It needs no network, and treats each warning as an error."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext")]

from fastcnn import __version__ as release  # noqa: E402

project = "fastcnn"
project_copyright = "The fastcnn authors"

extensions = ["myst_nb", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "fastcnn_site"]  # the last one is _ext/fastcnn_site.py
exclude_patterns = ["README.md"]  # the list of the pages, for who reads the folder; index.md includes it
nitpicky = True

# The API from docstrings: types stand in their "Parameters", so signatures go without; names of methods are on the pages of base classes.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autosummary_generate = True
numpydoc_show_class_members = False
default_role = "code"

myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]
html_math_renderer = "mathml"
nb_execution_mode = "force" if os.environ.get("FASTCNN_DOCS_EXECUTE") == "1" else "off"  # the tutorial takes minutes
nb_execution_timeout = 600  # seconds for a cell
nb_execution_raise_on_error = True
highlight_language = "none"
templates_path = ["_templates"]

html_theme = "furo"  # reads well without JavaScript, from 320 pixels up, in the dark too, and asks no other server for anything
html_title = f"fastcnn {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = html_show_sourcelink = False
