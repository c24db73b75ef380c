"""Without memory, calls and training raise MemoryError, at whatever place it runs out, and never end in another way."""

import os
import platform
import resource
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from operations import NETWORKS, OPERATIONS

TESTS = Path(__file__).parent

HEIGHTS = range(0, 16 << 20, 1 << 19)  #: the limits, in bytes; training takes some 7 MB

TRAIN = """
import resource
import sys
import numpy as np
from fastcnn import layers, models

def used():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()

def train(x):
    model = models.Sequential([
        layers.Conv2D(16, 3, activation="relu"), layers.MaxPooling2D(2), layers.Conv2D(32, 3, activation="relu"),
        layers.Flatten(), layers.Dense(10, activation="softmax"),
    ])
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, np.arange(len(x)) % 10, batch_size=64, epochs=1, verbose=0)

train(np.ones((2, 8, 8, 1), np.float32))  # imports what is imported when it is used first
x = np.ones((256, 28, 28, 1), np.float32)
if len(sys.argv) > 1:
    resource.setrlimit(resource.RLIMIT_AS, (used() + int(sys.argv[1]),) * 2)
try:
    train(x)
except MemoryError:
    print("MemoryError")
else:
    print("trained")
"""


def train(arguments: Sequence[str] = ()) -> str:
    """Return what a process prints that trains with so many more bytes of address space than its imports take, or with any."""
    process = subprocess.run([sys.executable, "-c", TRAIN, *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert process.returncode == 0, (arguments, process.returncode, process.stderr)
    return process.stdout.strip()


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(resource, "RLIMIT_AS"), reason="limits are told by Linux")
def test_training_without_memory_is_a_memory_error():
    ends = [train([str(height)]) for height in HEIGHTS]
    assert ends[0] == "MemoryError"
    assert set(ends[1:]) <= {"MemoryError", "trained"}
    assert train() == "trained"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc" or not shutil.which("gcc"), reason="needs gcc, and stands before glibc's functions")
def test_every_call_for_memory_is_refused_once(tmp_path):
    """``ctest/`` refuses the kernels alone; here it is all of the extension as Python has it, with results that keep their memory."""
    library = tmp_path / "refusals.so"
    subprocess.run(["gcc", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", TESTS / "ctest/refusals.c", "-o", library], check=True)
    environment = os.environ | {"LD_PRELOAD": str(library), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, TESTS / "refused_memory.py"]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=100)
    assert process.returncode == 0, process.stderr
    told = [line.split("\t") for line in process.stdout.splitlines()]
    assert [name for name, _, _ in told] == [*OPERATIONS, *NETWORKS, "a new session"]
    assert sum(int(times) for _, times, _ in told) > 100
    for what in (
        "for the steps",
        "for a list of arrays",
        "for the session's buffers",
        "for the kernel's scratch space",
    ):
        assert f"not enough memory {what}" in told[-1][2]
