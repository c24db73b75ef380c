"""The notebook in examples: all of its cells run, from the package's own digits, and come to what its words say."""

import importlib.util
import json
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "examples/tutorial.ipynb"

#: What a last cell of ours asks the kernel for.
ANSWERS = """
import json
json.dumps({
    "filters moved": float(moved),
    "losses": [losses[0], losses[-1], fast_losses[-1]],
    "letters": [float(accuracy(trained, seen)), float(accuracy(trained, ~seen))],
    "learnt and frozen": [float(np.mean(results["filters learn"])), float(np.mean(results["filters frozen"]))],
    "digits": len(x_train),
    "parameters": model.count_params(),
    "history": {name: len(values) for name, values in history.history.items()},
    "accuracy": test_accuracy,
    "confusion": int(confusion.sum()),
    "shifts": {name: [float(share) for share in curve] for name, curve in curves.items()},
    "inside": [list(activation.shape) for activation in activations],
})
"""


@pytest.fixture(scope="module")
def pairing():
    spec = importlib.util.spec_from_file_location("pair_notebook", ROOT / "tools/pair_notebook.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The notebook after its cells ran in a new kernel that finds no data, and the answers."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(NOTEBOOK, 4)
    notebook.cells.append(nbformat.v4.new_code_cell(ANSWERS))
    home = tmp_path_factory.mktemp("home")
    nowhere = {"KERAS_HOME": str(home), "FASTCNN_DATA_DIR": str(home), "IPYTHONDIR": str(home), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    client = nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(home)}})
    client.execute(env=os.environ | nowhere)
    return notebook, json.loads(eval(notebook.cells[-1].outputs[0].data["text/plain"]))


@pytest.fixture
def answers(run):
    return run[1]


def test_the_notebook_and_its_text_hold_the_same_cells(pairing):
    text = NOTEBOOK.with_suffix(".py").read_text(encoding="utf-8")
    assert NOTEBOOK.read_text(encoding="utf-8") == pairing.notebook(text), "run tools/pair_notebook.py examples/tutorial.py"


def test_cells_are_taken_apart(pairing):
    text = '# ---\n# ---\n\n# %% [markdown]\n# # Title\n#\n#     indented\n\n# %%\nx = "# %% no mark"\n# a comment\n\n# %%\ny = 1\n'
    assert pairing.cells(text) == [
        ("markdown", "# Title\n\n    indented"),
        ("code", 'x = "# %% no mark"\n# a comment'),
        ("code", "y = 1"),
    ]


def test_no_outputs_are_kept(pairing):
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


def test_every_cell_runs_and_figures_are_shown(run):
    notebook, _ = run
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert [output for output in outputs if output.output_type == "error"] == []
    assert [output.text for output in outputs if output.output_type == "stream" and "Warning" in output.text] == []
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 29


def test_the_network_from_scratch_learns_its_filters(answers):
    first, last, fast = answers["losses"]
    assert last < 0.1 < 0.5 < first and abs(fast - last) < 1e-6
    assert answers["filters moved"] > 0.1
    at_places_seen, elsewhere = answers["letters"]
    assert at_places_seen == 1 and elsewhere > 0.8
    learnt, frozen = answers["learnt and frozen"]
    assert learnt > frozen


def test_digits_are_read(answers):
    assert answers["digits"] == 5000
    assert answers["parameters"] == 93_322
    assert answers["history"] == dict.fromkeys(["accuracy", "loss", "val_accuracy", "val_loss"], 10)
    assert answers["accuracy"] > 0.95
    assert answers["confusion"] == 1000
    assert answers["inside"] == [[1, 26, 26, 32], [1, 13, 13, 32], [1, 11, 11, 64], [1, 5, 5, 64], [1, 3, 3, 64], [1, 576]]


def test_shifts_are_borne_as_the_text_says(answers):
    dense, stopped, cnn, moved = answers["shifts"].values()
    assert abs(dense[0] - stopped[0]) < 0.03  # of like skill in the middle
    assert all(a > b for a, b in zip(stopped[2:5], dense[2:5], strict=True))
    assert dense[4] < cnn[4] < cnn[0] - 0.2  # a CNN is not invariant
    assert moved[4] > cnn[4] + 0.2
