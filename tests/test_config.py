"""Kernel sets, threads, and what an import imports: chosen anew in processes of their own, and changed in this one."""

import os
import platform
import subprocess
import sys

import pytest

import fastcnn
from fastcnn import _core, config

ISAS = fastcnn.show_config(mode="dicts")["isas"]


def run(code, **environment):
    """Run `code` in a Python of its own, with FASTCNN_... variables as told and no others."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FASTCNN_")}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env={**inherited, **environment}, capture_output=True, text=True, check=False, timeout=300)


def answer(code, **environment):
    """What `code` prints."""
    process = run(code, **environment)
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    return process.stdout.strip()


# --- Chosen by the environment ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("isa", [name for name, runs_here in ISAS.items() if runs_here])
def test_the_environment_chooses_the_kernels(isa):
    code = "import fastcnn; print(fastcnn.show_config(mode='dicts')['isa'], fastcnn.conv2d([[[1.0]]], [[[[2.0]]]]).item())"
    assert answer(code, FASTCNN_ISA=isa) == f"{isa} 2.0"


@pytest.mark.parametrize("environment", [{}, {"FASTCNN_ISA": ""}])
def test_the_best_kernels_are_chosen_otherwise(environment):
    best = next(name for name, runs_here in ISAS.items() if runs_here)
    assert answer("import fastcnn; print(fastcnn.show_config(mode='dicts')['isa'])", **environment) == best


@pytest.mark.parametrize("isa", ["sse9", "GENERIC", "avx", "generic ", *(name for name, runs_here in ISAS.items() if not runs_here)])
def test_kernels_that_cannot_run_are_a_clear_import_error(isa):
    process = run("import fastcnn", FASTCNN_ISA=isa)
    assert process.returncode != 0
    last = process.stderr.strip().splitlines()[-1]
    assert last.startswith(f"ImportError: FASTCNN_ISA={isa}: ")
    assert all(name in last for name, runs_here in ISAS.items() if runs_here)


@pytest.mark.parametrize("threads", [1, 3, 7, 100_000, 2**31 - 1])
def test_the_environment_chooses_the_number_of_threads(threads):
    code = "import fastcnn; print(fastcnn.get_num_threads(), fastcnn.conv2d([[[1.0]]], [[[[2.0]]]]).item())"
    assert answer(code, FASTCNN_NUM_THREADS=str(threads)) == f"{threads} 2.0"


@pytest.mark.parametrize(
    "threads", ["0", "-1", "1.5", "two", " 2", "2 ", "+2", "1e3", "0x2", "\N{SUPERSCRIPT TWO}", str(2**31), str(2**64)]
)
def test_a_bad_number_of_threads_is_a_clear_import_error(threads):
    process = run("import fastcnn", FASTCNN_NUM_THREADS=threads)
    assert process.returncode != 0
    last = process.stderr.strip().splitlines()[-1]
    assert last == f"ImportError: FASTCNN_NUM_THREADS must be a positive integer, got {threads!r}"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no CPU affinity")
@pytest.mark.parametrize("environment", [{}, {"FASTCNN_NUM_THREADS": ""}])
def test_by_default_there_are_as_many_threads_as_cpus_to_run_on(environment):
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); import fastcnn; print(fastcnn.get_num_threads())"
    assert answer(code, **environment) == "1"


@pytest.mark.parametrize(
    ("content", "cpus"),
    [("max 100000\n", 6), ("600000 100000\n", 6), ("250000 100000\n", 3), ("50000 100000\n", 1), ("900000 100000\n", 6), ("nonsense\n", 6)],
)
def test_a_cgroups_quota_limits_the_threads(monkeypatch, tmp_path, content, cpus):
    path = tmp_path / "cpu.max"
    path.write_text(content)
    monkeypatch.setattr(config, "_CGROUP_CPU_MAX", str(path))
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(6)), raising=False)
    assert config._default_num_threads() == cpus
    path.unlink()
    assert config._default_num_threads() == 6


# --- Changed while running --------------------------------------------------------------------------------------------------


def test_threads_are_set_and_told():
    before = fastcnn.get_num_threads()
    try:
        for threads in (1, 5, 10_000):
            fastcnn.set_num_threads(threads)
            assert fastcnn.get_num_threads() == threads
    finally:
        fastcnn.set_num_threads(before)


def test_num_threads_puts_back_the_former_number_whatever_happens():
    before = fastcnn.get_num_threads()
    with fastcnn.num_threads(before + 1):
        assert fastcnn.get_num_threads() == before + 1
        with fastcnn.num_threads(before + 2):
            assert fastcnn.get_num_threads() == before + 2
        assert fastcnn.get_num_threads() == before + 1
    assert fastcnn.get_num_threads() == before
    with pytest.raises(KeyError), fastcnn.num_threads(before + 3):
        raise KeyError
    assert fastcnn.get_num_threads() == before


def test_a_bad_number_of_threads_changes_nothing():
    before = fastcnn.get_num_threads()
    with pytest.raises(ValueError, match="n must be between"):
        fastcnn.set_num_threads(0)
    with pytest.raises(TypeError, match="n must be an integer"), fastcnn.num_threads(2.0):
        pass
    assert fastcnn.get_num_threads() == before


def test_kernels_that_are_not_there_change_nothing():
    before = _core.selected_isa()
    with pytest.raises(ValueError, match="sse9"):
        _core.select_isa("sse9")
    assert _core.selected_isa() == before


# --- Told -------------------------------------------------------------------------------------------------------------------


def test_show_config_returns_a_dictionary():
    told = fastcnn.show_config(mode="dicts")
    assert told["version"] == fastcnn.__version__
    assert told["isas"]["generic"] is True
    assert told["isas"][told["isa"]] is True
    assert told["threads"] == fastcnn.get_num_threads()
    assert told["machine"] == platform.machine()
    assert told["compiler"].split()[0] in {"GCC", "Clang"}


@pytest.mark.parametrize("arguments", [{}, {"mode": "stdout"}])
def test_show_config_prints_a_line_for_each_entry(capsys, arguments):
    assert fastcnn.show_config(**arguments) is None
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    told = fastcnn.show_config(mode="dicts")
    assert list(lines) == list(told)
    for name, value in told.items():
        if name == "isas":
            assert lines[name] == ", ".join(f"{isa} ({'yes' if runs_here else 'no'})" for isa, runs_here in value.items())
        else:
            assert lines[name] == str(value)


# --- Imported ---------------------------------------------------------------------------------------------------------------


def test_import_imports_numpy_and_nothing_else_but_the_standard_library():
    code = """
import sys, numpy
before = set(sys.modules)
import fastcnn
after = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(name for name in after - {"numpy"} - set(sys.stdlib_module_names) if "cython" not in name))
"""
    assert answer(code) == "fastcnn"


def test_import_leaves_the_model_layer_alone_until_it_is_asked_for():
    code = "import sys, fastcnn; print('fastcnn.models' in sys.modules); fastcnn.Sequential; print('fastcnn.models' in sys.modules)"
    assert answer(code).split() == ["False", "True"]


SMALL_CALLS = """
import os
import numpy as np
import fastcnn

def begun(call):
    before = len(os.listdir("/proc/self/task"))
    call()
    return len(os.listdir("/proc/self/task")) - before

fastcnn.set_num_threads(2)
x = np.ones((1, 10, 10, 64), np.float32)
y, indices = fastcnn.max_pool2d(x, return_indices=True)
small = [
    lambda: fastcnn.max_pool2d(x),
    lambda: fastcnn.max_pool2d_backward(y, indices, x.shape),
    lambda: fastcnn.avg_pool2d(x),
    lambda: fastcnn.relu(x),
]
print([begun(call) for call in small], begun(lambda: fastcnn.max_pool2d(np.ones((64, 64, 64, 64), np.float32))))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads as Linux tells them")
def test_small_calls_begin_no_thread():
    """In a process of its own, whose pool is empty: a thread is begun where work is first worth sharing out."""
    assert answer(SMALL_CALLS) == "[0, 0, 0, 0] 1"
