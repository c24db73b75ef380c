"""A training that writes checkpoints all the time, and is killed again and again: run as a script, by test_crashes.py.

``python killed_training.py FOLDER KILLS SEED`` forks a child to train, sends it SIGKILL at a random moment, loads the checkpoint that it
leaves, and forks the next, which goes on from there; when one comes to the end, its last checkpoint must be, bit for bit, that of a
training in one go, and another training begins. It prints how many children were killed, before they had written a file, while one was
being written, and otherwise, and how many trainings came to their ends. A new interpreter for each would take most of the time.
"""

import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path

import numpy as np

import fastcnn
from fastcnn import callbacks, layers, models, random
from fastcnn.io import model_file

X = np.random.default_rng(0).normal(size=(50, 6, 6, 1)).astype(np.float32)
Y = np.arange(50) % 3
EPOCHS, LONGEST_SECONDS = 20, 0.06


def small_model():
    random.set_seed(7)
    model = models.Sequential(
        [
            fastcnn.Input((6, 6, 1)),
            layers.RandomTranslation(0.2, 0.2),
            layers.Conv2D(2, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dropout(0.4),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(path):
    """Train to the end, from the checkpoint on if there is one; the last checkpoint has the history, too."""
    listeners = [callbacks.ReduceLROnPlateau("loss", patience=1, factor=0.8), callbacks.ModelCheckpoint(path, save_freq=1)]
    resume_from = path if path.exists() else None
    small_model().fit(X, Y, batch_size=8, epochs=EPOCHS, verbose=0, callbacks=listeners, validation_split=0.2, resume_from=resume_from)


def content(path):
    """What a file holds, to compare: the order of its header is no matter."""
    arrays, config = model_file.read(path)
    return {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in arrays.items()}, config


def in_child(path):
    """Train in a child, and return its process id."""
    child = os.fork()
    if child == 0:
        try:
            train(path)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return child


def steps_in(path):
    """The steps of the training in a file, which must be good if it is there."""
    return models.load_model(path).optimizer.iterations if path.exists() else 0


def main(folder, kills, seed):
    fastcnn.set_num_threads(1)
    whole, path = folder / "whole.safetensors", folder / "cut.safetensors"
    part = path.with_name(f".{path.name}.part")
    train(whole)
    wanted = content(whole)
    rng = np.random.default_rng(seed)
    killed = {"before the first file": 0, "while writing": 0, "otherwise": 0}
    trainings = done = 0
    while sum(killed.values()) < kills or done:  # the last training comes to its end
        child = in_child(path)
        if sum(killed.values()) < kills:
            time.sleep(rng.uniform(0, LONGEST_SECONDS))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert {entry.name for entry in folder.iterdir()} <= {whole.name, path.name, part.name}
        steps = steps_in(path)
        assert steps >= done, "the file is older than the one before"
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            assert content(path) == wanted
            assert not part.exists()
            path.unlink()
            trainings += 1
            done = 0
        else:
            moment = "while writing" if part.exists() else "otherwise" if steps > done else "before the first file"
            killed[moment] += 1
            done = steps
    print(json.dumps({"killed": killed, "trainings": trainings}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
