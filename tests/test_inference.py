"""Sessions: the bits of the layers one after the other, whatever the batch, the threads and the history of the weights."""

import copy
import threading
import tracemalloc
import weakref

import numpy as np
import pytest
from compare import assert_same_bits

import fastcnn
from fastcnn import datasets, layers, models, random
from fastcnn.layers.base import Layer
from fastcnn.network import Network

BATCH = 7


class Doubled(Layer):
    """A layer of somebody else's, which is no kernel."""

    def compute_output_shape(self, input_shape):
        return input_shape

    def forward(self, x, training=None):
        return x + x, None


def dense_tail(*sizes):
    return [layers.Flatten(), *(layers.Dense(size, activation="relu") for size in sizes), layers.Dense(3, activation="softmax")]


#: For each kind of network, the shape of an input and the layers.
NETWORKS = {
    "digits": lambda: (
        (28, 28, 1),
        [
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            *dense_tail(64),
        ],
    ),
    "padded and strided": lambda: (
        (11, 9, 3),
        [
            layers.Conv2D(5, 3, strides=(2, 1), padding="same"),
            layers.Conv2D(17, (3, 2), dilation_rate=2, padding="same", activation="relu"),
        ],
    ),
    "padded pooling": lambda: (
        (13, 10, 2),
        [layers.Conv2D(70, 3, padding="same", activation="relu"), layers.MaxPooling2D((3, 2), padding="same"), *dense_tail()],
    ),
    "overlapping pooling": lambda: ((9, 12, 4), [layers.Conv2D(6, 2), layers.MaxPooling2D(3, strides=(2, 1)), *dense_tail(5)]),
    "overlap along the rows only": lambda: ((9, 12, 4), [layers.Conv2D(66, 3), layers.MaxPooling2D((2, 3), strides=(2, 1))]),
    "poolings alone": lambda: ((8, 7, 3), [layers.AveragePooling2D(2, padding="same"), layers.MaxPooling2D(2, strides=1)]),
    "one channel": lambda: ((28, 27, 1), [layers.Conv2D(1, 5, use_bias=False), layers.MaxPooling2D(4), layers.Activation("relu")]),
    "no bias": lambda: ((6, 6, 2), [layers.Conv2D(3, 3, use_bias=False, activation="softmax"), layers.Flatten(), layers.Dense(1)]),
    "activations first and last": lambda: (
        (5, 4, 3),
        [layers.Activation("relu"), layers.Activation("softmax"), layers.Conv2D(4, 2), layers.Activation("relu")],
    ),
    "activations alone": lambda: ((5, 4), [layers.Activation("linear"), layers.Activation("softmax"), layers.Activation("relu")]),
    "dense over rows": lambda: ((3, 5, 20), [layers.Dense(7, activation="relu"), layers.Dense(70), layers.Activation("softmax")]),
    "many sums": lambda: (
        (2, 3, 300),
        [layers.Conv2D(9, (2, 3), activation="relu"), layers.Flatten(), layers.Dense(1100), layers.Dense(600)],
    ),
    "sums in blocks": lambda: ((5200,), [layers.Dense(300, activation="relu"), layers.Dense(4)]),
    "nothing to compute": lambda: ((4, 3, 2), [layers.Flatten(), layers.Dropout(0.5)]),
    "groups between": lambda: (
        (10, 10, 4),
        [
            layers.Conv2D(8, 3, activation="relu"),
            layers.Conv2D(8, 3, groups=4, activation="relu"),
            layers.MaxPooling2D(2),
            layers.DepthwiseConv2D(2),
            layers.Conv2DTranspose(3, 2),
            *dense_tail(),
        ],
    ),
    "a layer from elsewhere": lambda: ((6, 6, 1), [Doubled(), layers.Conv2D(2, 3), Doubled(), layers.Flatten(), Doubled()]),
    "large images": lambda: (
        (130, 120, 3),
        [layers.Conv2D(24, 3, activation="relu"), layers.MaxPooling2D(2), layers.Conv2D(8, 3, padding="same")],
    ),
}


def network(name):
    random.set_seed(3)
    shape, stack = NETWORKS[name]()
    model = models.Sequential([layers.Input(shape), *stack])
    set_random_weights(model, 1)
    return model


def set_random_weights(model, seed):
    rng = np.random.default_rng(seed)
    shapes = [weight.shape for weight in model.get_weights()]
    model.set_weights([rng.normal(0, 1 / np.sqrt(np.prod(shape[:-1])), shape) for shape in shapes])  # no softmax saturates


def inputs(model, count, seed=2):
    return np.random.default_rng(seed).standard_normal((count, *model.input_shape[1:])).astype(np.float32)


def by_layers(model, x):
    """The outputs of the layers one after the other; of a convolution, only what its pooling reads is computed, as in training."""
    return Network.of(model.graph).fused().infer([x])[0]


# --- The same bits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_are_those_of_the_layers_bit_for_bit(name, threads):
    model = network(name)
    x = inputs(model, 2 * BATCH + 3)
    expected = by_layers(model, x)
    with fastcnn.num_threads(threads):
        session = fastcnn.InferenceSession(model, BATCH)
        for count in (1, 2, BATCH - 1, BATCH, BATCH + 1, 2 * BATCH + 3, 1):
            y = session.run(x[:count])
            assert y.dtype == np.float32
            assert_same_bits(y, expected[:count])
            assert_same_bits(model.predict(x[:count], batch_size=5, verbose=0), expected[:count])


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_many_images_go_in_groups_and_have_the_same_bits(threads):
    model = network("digits")
    x = inputs(model, 131)
    with fastcnn.num_threads(threads):
        assert_same_bits(fastcnn.InferenceSession(model, 131).run(x), by_layers(model, x))


def test_every_isa_gives_the_bits_of_its_layers(isa):
    model = network("digits")
    x = inputs(model, 40)
    assert_same_bits(fastcnn.InferenceSession(model).run(x), by_layers(model, x))


def test_more_threads_than_at_the_sessions_beginning_are_right():
    model = network("digits")
    x = inputs(model, 60)
    with fastcnn.num_threads(1):
        session = fastcnn.InferenceSession(model)
        expected = session.run(x)
    for threads in (5, 2, 9):
        with fastcnn.num_threads(threads):
            assert_same_bits(session.run(x), expected)
            assert_same_bits(session.run(x[:1]), expected[:1])


def test_nan_and_infinity_pass_as_in_the_layers():
    model = network("digits")
    x = inputs(model, 30)
    x[3, 5, 5], x[4, 0, 0], x[5, 27, 27] = np.nan, np.inf, -np.inf
    assert_same_bits(fastcnn.InferenceSession(model).run(x), by_layers(model, x))


@pytest.mark.parametrize("convert", [np.asfortranarray, lambda x: x[::-1][::-1], lambda x: x.astype(">f4"), lambda x: x.tolist()])
def test_inputs_in_any_form_are_as_their_contiguous_copies(convert):
    model = network("padded pooling")
    x = inputs(model, 3)
    assert_same_bits(fastcnn.InferenceSession(model).run(convert(x)), by_layers(model, x))


def test_bytes_without_channels_are_taken_as_floats():
    model = network("digits")
    (x, _), _ = datasets.mnist_sample.load_data()
    expected = by_layers(model, x[:9, ..., None].astype(np.float32))
    assert_same_bits(fastcnn.InferenceSession(model).run(x[:9]), expected)
    assert_same_bits(model.predict(x[:9], verbose=0), expected)


def test_inputs_are_not_written_and_outputs_are_the_callers():
    model = network("activations alone")
    x = inputs(model, 3)
    before = x.copy()
    x.flags.writeable = False
    session = fastcnn.InferenceSession(model)
    first = session.run(x)
    kept = first.copy()
    session.run(-x)
    assert_same_bits(x, before)
    assert_same_bits(first, kept)


# --- Weights that change -------------------------------------------------------------------------------------------------


def trained(model):
    (x, y), _ = datasets.mnist_sample.load_data()
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(x[:32, ..., None] / 255, y[:32] % 3, verbose=0)


def trained_on_a_batch(model):
    (x, y), _ = datasets.mnist_sample.load_data()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.train_on_batch(x[:8, ..., None] / 255, y[:8] % 3)


def set_a_layers_weights(model):
    model.layers[0].set_weights([2 * weight for weight in model.layers[0].get_weights()])


def trained_in_another_model(model):
    trained(models.Sequential([layers.Input((28, 28, 1)), *model.layers]))


@pytest.mark.parametrize(
    "change", [trained, trained_on_a_batch, set_a_layers_weights, trained_in_another_model, lambda m: set_random_weights(m, 5)]
)
def test_a_session_follows_the_weights(change):
    model = network("digits")
    x = inputs(model, 5)
    session = fastcnn.InferenceSession(model)
    before = session.run(x), model.predict(x, verbose=0)
    change(model)
    after = by_layers(model, x)
    assert not np.array_equal(before[0], after)
    assert_same_bits(session.run(x), after)
    assert_same_bits(model.predict(x, verbose=0), after)


def test_a_session_follows_weights_from_a_file(tmp_path):
    model = network("digits")
    x = inputs(model, 5)
    model.save_weights(tmp_path / "weights.safetensors")
    before = model.predict(x, verbose=0)
    set_random_weights(model, 9)
    assert not np.array_equal(model.predict(x, verbose=0), before)
    model.load_weights(tmp_path / "weights.safetensors")
    assert_same_bits(model.predict(x, verbose=0), before)


def test_weights_are_packed_once_until_they_change():
    model = network("digits")
    session = fastcnn.InferenceSession(model)
    x = inputs(model, 1)
    session.run(x)
    packed = session._network.steps[0].operation._prepared
    session.run(x)
    assert session._network.steps[0].operation._prepared is packed
    set_random_weights(model, 4)
    session.run(x)
    assert session._network.steps[0].operation._prepared is not packed


def test_a_copy_of_a_model_that_has_predicted_goes_its_own_way():
    model = network("groups between")
    x = inputs(model, 3)
    before = model.predict(x, verbose=0)
    twin = copy.deepcopy(model)
    assert_same_bits(twin.predict(x, verbose=0), before)
    set_random_weights(twin, 6)
    assert_same_bits(twin.predict(x, verbose=0), by_layers(twin, x))
    assert_same_bits(model.predict(x, verbose=0), before)


def test_a_model_that_has_predicted_is_freed_with_its_last_name():
    model = network("digits")
    model.predict(inputs(model, 1), verbose=0)
    session = fastcnn.InferenceSession(model)
    x, expected, freed = inputs(model, 2), by_layers(model, inputs(model, 2)), weakref.ref(model)
    del model
    assert freed() is None
    assert_same_bits(session.run(x), expected)


def test_layers_added_after_a_prediction_are_in_the_next():
    model = network("padded and strided")
    x = inputs(model, 2)
    model.predict(x, verbose=0)
    model.add(layers.Flatten())
    model.add(layers.Dense(2))
    assert_same_bits(model.predict(x, verbose=0), by_layers(model, x))


# --- Threads, memory -----------------------------------------------------------------------------------------------------


def test_several_python_threads_run_one_session_at_once():
    model = network("digits")
    session = fastcnn.InferenceSession(model)
    batches = [inputs(model, 1 + 5 * number, number) for number in range(6)]
    expected = [by_layers(model, x) for x in batches]
    wrong = []

    def run(number):
        for turn in range(30):
            index = (number + turn) % len(batches)
            if not np.array_equal(session.run(batches[index]), expected[index]):
                wrong.append((number, turn))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(session._network.steps[0].operation._idle) <= len(threads)


def test_weights_that_change_while_others_predict_are_seen_whole():
    """What runs meanwhile may see either weights, but never panels that are half packed."""
    model = network("sums in blocks")
    x = inputs(model, 2)
    session = fastcnn.InferenceSession(model)
    versions = []
    for seed in range(2):
        set_random_weights(model, seed)
        versions.append((model.get_weights(), session.run(x)))
    stop = threading.Event()
    outputs = []

    def predict():
        while not stop.is_set():
            outputs.append(session.run(x))

    thread = threading.Thread(target=predict)
    thread.start()
    for turn in range(20):
        session._network.steps[0].operation._prepared = None
        model.set_weights(versions[turn % 2][0])
    stop.set()
    thread.join()
    model.set_weights(versions[0][0])
    assert_same_bits(session.run(x), versions[0][1])
    assert outputs


@pytest.mark.thread_unsafe(reason="what is allocated is counted for the process")
def test_a_run_allocates_its_result_and_no_more():
    model = network("digits")
    session = fastcnn.InferenceSession(model)
    x = inputs(model, 4)
    session.run(x)
    tracemalloc.start()
    try:
        kept = session.run(x)
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(50):
            session.run(x)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < kept.nbytes
    assert peak - before < kept.nbytes + 4096  # arguments and views, but no buffer of a layer


# --- What is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["digits", "groups between", "nothing to compute"])
def test_an_empty_batch_gives_an_empty_result(name):
    model = network(name)
    for y in (fastcnn.InferenceSession(model).run(inputs(model, 0)), model.predict(inputs(model, 0), verbose=0)):
        assert y.shape == (0, *model.output_shape[1:])
        assert y.dtype == np.float32


@pytest.mark.parametrize(
    ("x", "error"),
    [
        (np.zeros((2, 28, 27, 1), np.float32), ValueError),
        (np.zeros((28, 28), np.float32), ValueError),
        (np.float32(3), ValueError),
        (np.zeros((2, 28, 28, 1), object), TypeError),
        (np.zeros((2, 28, 28, 1), complex), TypeError),
        ([[1], [2, 3]], ValueError),
        (None, TypeError),
    ],
)
def test_inputs_that_do_not_fit_are_refused(x, error):
    model = network("digits")
    session = fastcnn.InferenceSession(model)
    with pytest.raises(error, match="x must"):
        session.run(x)
    good = inputs(model, 1)
    assert_same_bits(session.run(good), by_layers(model, good))


@pytest.mark.parametrize(("batch_size", "error"), [(0, ValueError), (-1, ValueError), (2.0, TypeError), (True, TypeError)])
def test_batch_sizes_that_are_none_are_refused(batch_size, error):
    with pytest.raises(error, match="batch_size must"):
        fastcnn.InferenceSession(network("digits"), batch_size)


def test_a_model_without_weights_is_refused():
    with pytest.raises(ValueError, match="must be built first"):
        fastcnn.InferenceSession(models.Sequential([layers.Dense(2)]))


def test_a_batch_beyond_all_memory_does_not_take_it():
    model = network("digits")
    x = inputs(model, 2)
    assert_same_bits(fastcnn.InferenceSession(model, 2**31 - 1).run(x), by_layers(model, x))
