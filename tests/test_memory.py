"""What a training step will take is what it takes."""

import subprocess
import sys

import numpy as np
import pytest
from compare import assert_same_bits

from fastcnn import layers, models, networks

MEASURE = """
import sys
import numpy as np
import fastcnn
from fastcnn import layers, models, networks

def status(key):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(key))

def deep():
    tensor = begin = fastcnn.Input((48, 48, 16))
    for _ in range(6):
        tensor = layers.Conv2D(16, 3, padding="same", activation="relu")(tensor)
    ends = layers.Dense(10, activation="softmax")(layers.Flatten()(layers.MaxPooling2D(4)(tensor)))
    return models.Model(begin, ends)

model = {"deep": deep, "digits": networks.mnist_network}[sys.argv[1]]()
model.compile("adam", "sparse_categorical_crossentropy")
size = int(sys.argv[2])
x = np.random.default_rng(0).random((2 * size, *model.input_shape[1:]), np.float32)
y = np.arange(len(x)) % 10
model.fit(x[:2], y[:2], verbose=0)
print(model.memory_plan(size).peak)
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")
before = status("VmRSS")
model.fit(x, y, batch_size=size, epochs=2, verbose=0)
print(status("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells a process's largest size")
@pytest.mark.parametrize(("network", "size"), [("deep", 48), ("deep", 200), ("digits", 1500)])
def test_a_step_takes_what_was_planned(network, size):
    output = subprocess.run([sys.executable, "-c", MEASURE, network, str(size)], capture_output=True, text=True, check=True).stdout
    planned, measured = map(int, output.split())
    assert planned == pytest.approx(measured, rel=0.1)


def test_a_plan_tells_its_parts_and_changes_nothing():
    model = networks.mnist_network()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.train_on_batch(np.ones((2, 28, 28, 1)), [1, 2])
    before = [*model.get_weights(), model._flat.gradients.copy(), *(slot.copy() for slot in model.optimizer.slots.values())]
    plan = model.memory_plan(100)
    assert (plan.weights, plan.gradients, plan.optimizer) == (4 * 93_322, 4 * 93_322, 8 * 93_322)
    assert plan.peak == plan.weights + plan.gradients + plan.optimizer + plan.activations
    assert model.memory_plan(200).activations > 1.8 * plan.activations
    for text in ("A training step of 100 images", "activations", f"{plan.peak / 1e6:.2f} MB"):
        assert text in str(plan)
    for ours, theirs in zip([*model.get_weights(), model._flat.gradients, *model.optimizer.slots.values()], before, strict=True):
        assert_same_bits(ours, theirs)


def test_a_plan_needs_to_know_the_optimizer():
    with pytest.raises(RuntimeError, match="compiled"):
        models.Sequential([layers.Dense(2, input_shape=(3,))]).memory_plan(3)
