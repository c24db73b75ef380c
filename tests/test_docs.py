"""The pages in docs: their code runs, and gives what they say; their links lead somewhere; the API reference has all names."""

import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import fastcnn
from fastcnn import callbacks, layers, losses, metrics, optimizers, random

DOCS = Path(__file__).parent.parent / "docs"
PAGES = sorted(DOCS.glob("*.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder of its own, and a seed that the next test does not see."""
    monkeypatch.chdir(tmp_path)
    seed = random.get_seed()
    yield tmp_path
    random.set_seed(seed)


def run(page):
    """Run the blocks of a page one after the other: what has prompts is compared, the rest runs."""
    text, names, told = page.read_text(encoding="utf-8"), {"__name__": page.stem}, []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    for block in BLOCK.finditer(text):
        source, line = block[1], text.count("\n", 0, block.start(1))
        if ">>> " not in source:
            exec(compile("\n" * line + source, page.name, "exec"), names)
            continue
        test = doctest.DocTestParser().get_doctest(source, names, page.name, str(page), line)
        runner.run(test, out=told.append, clear_globs=False)
        names |= test.globs
    return "".join(told)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_code_does_what_the_page_says(page, place):
    assert not (told := run(page)), told


def test_a_wrong_page_is_found_out(place):
    page = place / "wrong.md"
    page.write_text("```python\nx = 1\n```\n\n```python\n>>> y = x + 1\n>>> y\n3\n```\n")
    assert "wrong.md" in run(page)
    page.write_text("```python\n>>> y = 1\n```\n\n```python\nassert y == 2\n```\n")
    with pytest.raises(AssertionError):
        run(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_to_files(page):
    assert [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()] == []


def test_the_list_has_all_pages():
    assert set(LINK.findall((DOCS / "README.md").read_text(encoding="utf-8"))) >= {page.name for page in PAGES} - {"README.md", "index.md"}


@pytest.mark.parametrize("module", ["", "optimizers.schedules", *sorted(fastcnn._SUBMODULES - {"io"})])
def test_the_reference_has_all_names(module):
    text = "\n".join(page.read_text(encoding="utf-8") for page in sorted((DOCS / "api").glob("*.md")))
    package = importlib.import_module(f"fastcnn.{module}".rstrip("."))
    names = [name for name in package.__all__ if not inspect.ismodule(getattr(package, name)) and name != "__version__"]
    assert names and [name for name in names if not re.search(rf"\b{name}\b", text)] == []


@pytest.mark.parametrize(
    "page, names",
    [
        ("layers", layers.__all__),
        ("callbacks", set(callbacks.__all__) - {"CallbackList"}),
        ("training", [*losses.__all__, *metrics.__all__, *optimizers.__all__, *fastcnn.regularizers.__all__]),
    ],
)
def test_a_page_names_all_there_is(page, names):
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    assert [name for name in names if name != "get" and not re.search(rf"`[^`\n]*\b{name}\b", text)] == []


@pytest.mark.parametrize("part, module", [("Layers", layers), ("Schedules", optimizers.schedules), ("Modules", fastcnn)])
def test_what_is_said_to_be_missing_is_missing(part, module):
    text = (DOCS / "from-keras.md").read_text(encoding="utf-8").split("## What is missing")[1]
    names = re.findall(r"`(\w+)`", re.search(rf"\*\*{part}\*\*(.*?)(?=\n- |\n\n)", text, re.DOTALL)[1])
    assert names and [name for name in names if hasattr(module, name)] == []


#: The sections of a docstring, in numpydoc's order.
SECTIONS = ["Parameters", "Returns", "Yields", "Attributes", "Raises", "Notes", "References", "Examples"]
#: What is this library's own, so that there is no source to name: its state, and what shows or checks how it works.
OWN = {"explain", "get_num_threads", "get_seed", "get_winograd", "num_threads", "set_num_threads", "verify"}
#: What functions return: the source and the example are theirs.
RESULTS = {"ConvChoice", "ImageFolder", "MemoryPlan", "Profile", "ScoreGradient", "Verification"}


def sections(thing):
    """Return the headings in the docstring of an object, in order."""
    text = inspect.cleandoc(thing.__doc__ or "")
    return [name for name, line in re.findall(r"^(\w[\w ]*)\n(-+)$", text, re.MULTILINE) if len(name) == len(line)]


def missing(thing):
    """Return the sections that the docstring of a public function or class lacks."""
    found, name = sections(thing), thing.__name__
    wanted = ["Attributes"] if name in RESULTS else ["Examples"] if name in OWN else ["References", "Examples"]
    if inspect.signature(thing).parameters and name not in RESULTS:
        wanted.append("Parameters")
    return [section for section in wanted if section not in found]


def public():
    """Return the functions and classes that the pages of the API reference list, by path; that these are all is tested above."""
    found = {}
    for page in sorted((DOCS / "api").glob("*.md")):
        module = "fastcnn"
        for line in page.read_text(encoding="utf-8").splitlines():
            if change := re.fullmatch(r"\.\. currentmodule:: (\S+)", line):
                module = change[1]
            elif entry := re.fullmatch(r"(?: {3}|\.\. autoclass:: )([A-Za-z_][\w.]*)", line):
                path = entry[1] if entry[1].startswith("fastcnn.") else f"{module}.{entry[1]}"
                found[path] = pkgutil.resolve_name(path)
    return found


@pytest.mark.parametrize("path, thing", public().items(), ids=public())
def test_a_docstring_has_its_sections(path, thing):
    assert missing(thing) == []
    assert sections(thing) == [section for section in SECTIONS if section in sections(thing)]


def methods():
    """Return the methods that the pages of the API reference show of classes, and not in a table, by path."""
    found = {}
    for page in sorted((DOCS / "api").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        for name, options in re.findall(r"^\.\. autoclass:: (\w+)\n((?: {3}.*\n)*)", text, re.MULTILINE):
            members, excluded = (re.search(rf":{option}:([^:]*)", options) for option in ("members", "exclude-members"))
            shown = set(re.findall(r"\w+", members[1] if members else "")) or {
                each for each in dir(getattr(fastcnn, name)) if each[0] != "_"
            }
            for each in sorted(shown - set(re.findall(r"\w+", excluded[1] if excluded else ""))):
                if inspect.isroutine(getattr(getattr(fastcnn, name), each)):
                    found[f"{name}.{each}"] = getattr(getattr(fastcnn, name), each)
    return found


@pytest.mark.parametrize("path, method", methods().items(), ids=methods())
def test_a_methods_docstring_has_its_sections(path, method):
    signature = inspect.signature(method)
    takes = [name for name in signature.parameters if name != "self"]
    wanted = {"Returns"} if signature.return_annotation not in ("None", None) else set()
    assert (wanted | ({"Parameters", "Raises"} if takes else set())) - set(sections(method)) == set()
    assert sections(method) == [section for section in SECTIONS if section in sections(method)]


def test_exceptions_are_there_and_need_to_be():
    names = {thing.__name__: thing for thing in public().values()}
    assert names.keys() >= OWN | RESULTS
    assert [name for name in OWN | RESULTS if "References" in sections(names[name])] == []


def test_a_docstring_without_sections_is_found_out():
    def bare(x):
        """Return it.

        Examples
        --------
        >>> 1
        1
        """

    assert missing(bare) == ["References", "Parameters"]
