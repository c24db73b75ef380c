"""Checkpoints when things go wrong: the process is killed, the disk is full, or a step of writing fails."""

import errno
import io
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import killed_training
import numpy as np
import pytest
from kernels import LONG
from killed_training import content

from fastcnn import callbacks, layers, models, random
from fastcnn.io import atomic, model_file

SCRIPT = Path(killed_training.__file__)

KILLS = 1000 if LONG else 50


def test_a_training_that_is_killed_ends_as_if_it_had_never_been(tmp_path):
    """SIGKILL at random moments: the last file is always good, and the end is that of a training in one go, to the bit."""
    command = [sys.executable, SCRIPT, tmp_path, str(KILLS), "0"]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    found = json.loads(process.stdout)
    assert sum(found["killed"].values()) == KILLS
    assert found["killed"]["while writing"] > 0
    assert found["trainings"] > 0
    assert {entry.name for entry in tmp_path.iterdir()} == {"whole.safetensors"}


# --- Steps that fail ----------------------------------------------------------------------------------------------------------

X = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
Y = np.arange(24) % 2


class At(callbacks.Callback):
    """Does something at the end of a step."""

    def __init__(self, step, do):
        self.step, self.do = step, do

    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations == self.step:
            self.do()


def train(path, more=(), resume_from=None):
    """Six steps, each of which writes a checkpoint."""
    random.set_seed(5)
    model = models.Sequential([layers.Dense(6, activation="relu", input_shape=(4,)), layers.Dropout(0.4), layers.Dense(1)])
    model.compile("adam", "mse")
    keep = callbacks.ModelCheckpoint(path, save_freq=1)
    model.fit(X, Y, batch_size=8, epochs=2, verbose=0, callbacks=[*more, keep], resume_from=resume_from)


class File(io.BufferedRandom):
    """What `open` gives, with methods in which a test can put a fault."""


def open_file(path, mode, opener):
    return File(io.FileIO(path, mode, opener=opener))


#: All that is done to write a file, in order: what it is a function of, its name, which of its calls it is.
STEPS = {
    "open": (os, "open", 1),
    "truncate": (File, "truncate", 1),
    "write": (File, "write", 1),
    "flush": (File, "flush", 1),
    "fsync": (os, "fsync", 1),
    "open the folder": (os, "open", 2),
    "replace": (os, "replace", 1),
    "fsync the folder": (os, "fsync", 2),
    "close": (File, "close", 1),
}

#: These do what they are to do, and the error comes after that; the new file is in its place.
LATE = ("fsync the folder", "close")


def put_fault(monkeypatch, step, code):
    """Let a step of writing fail from now on, once."""
    owner, name, call = STEPS[step]
    function, calls = getattr(owner, name), itertools.count(1)

    def fail_once(*arguments, **options):
        fails = next(calls) == call
        result = None if fails and step not in LATE else function(*arguments, **options)
        if fails:
            raise OSError(code, os.strerror(code))
        return result

    monkeypatch.setattr(owner, name, fail_once)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT], ids=errno.errorcode.get)
@pytest.mark.parametrize("step", STEPS)
def test_a_training_goes_on_after_a_step_of_writing_has_failed(tmp_path, monkeypatch, step, code):
    monkeypatch.setattr(atomic, "open", open_file, raising=False)
    whole, path = tmp_path / "whole.safetensors", tmp_path / "cut.safetensors"
    train(whole)
    with monkeypatch.context() as faulty, pytest.raises(OSError) as caught:
        train(path, [At(4, lambda: put_fault(faulty, step, code)), At(5, faulty.undo)])
    assert caught.value.errno == code
    assert caught.value.filename == str(path)
    assert repr(str(path)) in str(caught.value)
    assert {entry.name for entry in tmp_path.iterdir()} == {whole.name, path.name}
    assert models.load_model(path).optimizer.iterations == (4 if step in LATE else 3)
    train(path, resume_from=path)
    assert content(path) == content(whole)


def test_a_file_system_that_cannot_sync_folders_will_do(tmp_path, monkeypatch):
    put_fault(monkeypatch, "fsync the folder", errno.EINVAL)
    model_file.write(tmp_path / "a.safetensors", {"a": np.ones(3)})


FULL = """
import errno, resource, sys
from pathlib import Path
import numpy as np
from fastcnn.io import model_file

folder, kind = Path(sys.argv[1]), sys.argv[2]
path = folder / "model.safetensors"
model_file.write(path, {"a": np.arange(100_000)})

def refused(count, code):
    try:
        model_file.write(path, {"a": np.arange(count)})
    except OSError as error:
        assert error.errno == code and error.filename == str(path), error
    else:
        raise AssertionError("it was written")
    assert [entry.name for entry in folder.iterdir() if entry.name != "filler"] == [path.name]
    assert model_file.read(path)[0]["a"].tolist() == list(range(100_000))

if kind == "disk":
    refused(200_000, errno.ENOSPC)
    try:
        with open(folder / "filler", "wb", buffering=0) as filler:
            while filler.write(bytes(4096)):
                pass
    except OSError:
        pass
    refused(100, errno.ENOSPC)  # which fails when the buffer is flushed
    (folder / "filler").unlink()
else:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    refused(200_000, errno.EFBIG)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    refused(100, errno.EFBIG)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
model_file.write(path, {"a": np.arange(50_000)})
assert len(model_file.read(path)[0]["a"]) == 50_000
"""


def may_mount():
    command = ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return shutil.which("unshare") is not None and subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("kind", ["limit", "disk"])
def test_a_disk_that_is_full_leaves_the_file_before(tmp_path, kind):
    command = [sys.executable, "-c", FULL, tmp_path, kind]
    if kind == "disk":
        if not may_mount():
            pytest.skip("this user may not mount a small disk")
        mount = 'mount -t tmpfs -o size=2m none "$1" && shift && exec "$@"'
        command = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh", tmp_path, *command]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
