"""Where batches come from: what is given in another form trains the same, bit for bit."""

import threading
import time
from typing import ClassVar

import numpy as np
import pytest
from compare import assert_same_bits

import fastcnn
from fastcnn import callbacks, layers, metrics, models, random
from fastcnn.callbacks import Callback

COUNT, SIZE = 37, 8
X = np.random.default_rng(0).normal(size=(COUNT, 6)).astype(np.float32)
Y = np.arange(COUNT) % 3
W = np.random.default_rng(1).uniform(0, 2, COUNT).astype(np.float32)


class Examples:
    """A data set of examples."""

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        return X[index], Y[index]


class Rows(Examples):
    """One that finds many examples at once."""

    def batch(self, indices):
        return X[indices], Y[indices]


class Batches:
    """A data set of batches."""

    def __len__(self):
        return -(-COUNT // SIZE)

    def __getitem__(self, index):
        span = slice(index * SIZE, (index + 1) * SIZE)
        return X[span], Y[span], W[span]


def trained(*data, dropout=0.0, **options):
    random.set_seed(2)
    model = models.Sequential(
        [fastcnn.Input((6,)), layers.Dense(7, activation="relu"), layers.Dropout(dropout), layers.Dense(3, activation="softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(*data, epochs=3, verbose=0, **options).history
    return model, history


def assert_same(some, others):
    assert some[1] == others[1]
    for ours, theirs in zip(some[0].get_weights(), others[0].get_weights(), strict=True):
        assert_same_bits(ours, theirs)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("kind", [Examples, Rows])
def test_examples_train_as_arrays_do(kind, shuffle):
    expected = trained(X, Y, batch_size=SIZE, shuffle=shuffle, dropout=0.5)
    assert_same(trained(kind(), batch_size=SIZE, shuffle=shuffle, dropout=0.5), expected)


def test_batches_train_as_arrays_do():
    expected = trained(X, Y, batch_size=SIZE, shuffle=False, sample_weight=W)
    assert_same(trained(Batches(), shuffle=False), expected)
    assert_same(trained([Batches()[i] for i in range(5)], shuffle=False), expected)


def in_one_place(batches):
    """Yield batches, each in the arrays of the one before."""
    x, y, w = np.empty((SIZE, 6), np.float32), np.empty(SIZE, np.int64), np.empty(SIZE, np.float32)
    for xs, ys, ws in batches:
        count = len(xs)
        x[:count], y[:count], w[:count] = xs, ys, ws
        yield x[:count], y[:count], w[:count]


class Overwriting(Batches):
    """A data set of batches that has one array for them in each thread."""

    def __init__(self):
        self._of_thread = threading.local()

    def __getitem__(self, index):
        arrays = vars(self._of_thread).setdefault("arrays", (np.empty((SIZE, 6), np.float32), np.empty(SIZE, np.int64), np.empty(SIZE)))
        given = super().__getitem__(index)
        for array, part in zip(arrays, given, strict=True):
            array[: len(part)] = part
        return tuple(array[: len(given[0])] for array in arrays)


def test_batches_may_all_be_given_in_the_same_arrays():
    batches = [Batches()[index] for index in range(len(Batches()))]
    expected = trained(Batches(), shuffle=False)
    assert_same(trained(Overwriting(), shuffle=False), expected)
    assert_same(trained(in_one_place(batches * 3), steps_per_epoch=len(batches)), expected)


@pytest.mark.parametrize("endless", [False, True])
def test_iterables_train_as_arrays_do(endless):
    def batches():
        while True:
            for i in range(5):
                yield Batches()[i]
            if not endless:
                return

    class Again:
        def __iter__(self):
            return batches()

    expected = trained(X, Y, batch_size=SIZE, shuffle=False, sample_weight=W)
    data, steps = (batches(), 5) if endless else (Again(), None)
    assert_same(trained(data, steps_per_epoch=steps, dropout=0.0), expected)


def test_validation_may_be_any_of_them():
    expected = trained(X, Y, validation_data=(X, Y), validation_batch_size=SIZE)[1]
    assert trained(X, Y, validation_data=Rows(), validation_batch_size=SIZE)[1] == expected
    weighted = trained(X, Y, validation_data=(X, Y, W), validation_batch_size=SIZE)[1]
    assert trained(X, Y, validation_data=Batches())[1] == weighted
    assert weighted["val_loss"] != expected["val_loss"]
    assert len(trained(X, Y, validation_data=(X, Y), validation_freq=2)[1]["val_loss"]) == 1


@pytest.mark.parametrize("batch_size", [5, 37, 100])
def test_dropout_does_not_depend_on_the_batches(batch_size):
    """What a layer drops of a sample is the same in every batch."""

    def masks(size):
        random.set_seed(3)
        model = models.Sequential([fastcnn.Input((6,)), layers.Dropout(0.5), Spy()])
        model.compile("sgd", "mse")
        Spy.seen = {}
        model.fit(np.arange(COUNT * 6).reshape(COUNT, 6) + 1.0, np.zeros((COUNT, 6)), batch_size=size, epochs=2, verbose=0)
        return Spy.seen

    assert masks(batch_size) == masks(8)


@pytest.mark.parametrize("give", [lambda x, y: (x, y), lambda x, y: (list(zip(x, y, strict=True)),)])
def test_augmentation_runs_in_threads_and_does_not_depend_on_the_batches(give):
    """The layers that a network begins with are the same whether they run beside the training or in it."""
    images, labels = np.random.default_rng(0).normal(size=(30, 6, 6, 1)).astype(np.float32), np.arange(30) % 3
    names = set()

    class Where(layers.RandomFlip):
        def forward(self, x, training=None):
            if training is not None:
                names.add(threading.current_thread().name)
            return super().forward(x, training)

    def fit(front, size):
        random.set_seed(6)
        stack = [*front(), layers.Dropout(0.4), layers.Flatten(), layers.Dense(3, activation="softmax")]
        model = models.Sequential([fastcnn.Input((6, 6, 1)), *stack])
        model.compile("sgd", "sparse_categorical_crossentropy")
        history = model.fit(*give(images, labels), batch_size=size, epochs=2, verbose=0).history
        return model, history

    def beside():
        return [Where(), layers.RandomContrast(0.5), layers.RandomTranslation(0.2, 0.2, fill_mode="constant")]

    class Within(layers.Layer):  # hides that the layers behind it are preprocessing, and changes nothing
        def compute_output_shape(self, input_shape):
            return input_shape

        def forward(self, x, training=None):
            return x, None

    expected = fit(beside, 7)
    assert all("fastcnn-feed" in name for name in names)
    assert names
    assert_same(fit(beside, 7), expected)
    names.clear()
    fit(lambda: [Within(), *beside()], 7)
    assert names == {"MainThread"}


class Spy(layers.Layer):
    """Notes, epoch by epoch, which elements of each sample have come through."""

    seen: ClassVar[dict] = {}

    def compute_output_shape(self, input_shape):
        return input_shape

    def forward(self, x, training=None):
        if training is not None:
            for sample, row in zip(training.samples.tolist(), x, strict=True):
                Spy.seen[training.epoch, sample] = (row != 0).tolist()
        return x, None

    def backward(self, dy, cache, input_grad=True, out=()):
        return dy, ()


def test_a_data_set_builds_a_model():
    random.set_seed(2)
    model = models.Sequential([layers.Dense(7, activation="relu"), layers.Dropout(0.0), layers.Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    with pytest.raises(ValueError, match="built"):
        model.count_params()
    history = model.fit(Examples(), batch_size=SIZE, epochs=3, verbose=0).history
    assert_same((model, history), trained(X, Y, batch_size=SIZE))


def test_metrics_are_made_once_however_many_threads_check_batches(monkeypatch):
    made, get = [], metrics.get

    def slowly(*arguments):
        made.append(threading.current_thread().name)
        time.sleep(0.05)
        return get(*arguments)

    random.set_seed(2)
    model = models.Sequential([fastcnn.Input((6,)), layers.Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    monkeypatch.setattr(metrics, "get", slowly)
    model.fit(Examples(), batch_size=2, verbose=0)
    assert made == ["MainThread"]


def test_batches_are_made_ahead_in_other_threads_and_these_end():
    names, before = set(), threading.active_count()

    class Slow(Examples):
        def __getitem__(self, index):
            names.add(threading.current_thread().name)
            return super().__getitem__(index)

    trained(Slow(), batch_size=4)
    assert all("fastcnn-feed" in name for name in names - {"MainThread"})
    assert names - {"MainThread"}
    assert threading.active_count() == before


def test_an_error_in_a_data_set_comes_out_and_leaves_no_thread():
    before = threading.active_count()

    class Broken(Examples):
        def __getitem__(self, index):
            if index == 20:
                raise RuntimeError("image 20 is broken")
            return super().__getitem__(index)

    with pytest.raises(RuntimeError, match="image 20 is broken"):
        trained(Broken(), shuffle=False)
    assert threading.active_count() == before


def test_a_stop_within_an_epoch_leaves_no_thread():
    before = threading.active_count()

    class Stop(Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 1

    model, history = trained(Examples(), batch_size=4, callbacks=[Stop()])
    assert len(history["loss"]) == 1
    assert model.optimizer.iterations == 2
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("data", "options", "error", "message"),
    [
        ((X,), {}, TypeError, "y must be given"),
        ((3,), {}, TypeError, "x must be"),
        (([],), {}, ValueError, r"len\(x\)"),
        ((Examples(),), {"sample_weight": W}, ValueError, "sample_weight"),
        ((Examples(),), {"validation_split": 0.5}, ValueError, "validation_split"),
        ((iter([]),), {}, ValueError, "run out"),
        ((iter([X]),), {}, TypeError, r"\(x, y\)"),
        ((X, Y), {"sample_weight": W[:-1]}, ValueError, "sample_weight"),
        ((X, Y), {"class_weight": [1, 2]}, TypeError, "class_weight"),
        ((X, Y), {"class_weight": {0: -1}}, ValueError, "class_weight"),
        ((X, Y), {"steps_per_epoch": 0}, ValueError, "steps_per_epoch"),
        ((X, Y), {"steps_per_epoch": 2}, ValueError, "steps_per_epoch"),
        ((Examples(),), {"steps_per_epoch": 2}, ValueError, "steps_per_epoch"),
        ((X, Y), {"validation_data": (X, Y), "validation_steps": 2}, ValueError, "validation_steps"),
        ((X, Y), {"validation_data": X}, TypeError, "validation_data"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(data, options, error, message):
    with pytest.raises(error, match=message):
        trained(*data, **options)


def test_weights_count_as_in_keras(keras):
    ours = trained(X, Y)[0]
    theirs = keras.Sequential([keras.Input((6,)), keras.layers.Dense(7, activation="relu"), keras.layers.Dense(3, activation="softmax")])
    for options in ({"sample_weight": W}, {"class_weight": {0: 0.5, 2: 3.0}}):
        theirs.set_weights(ours.get_weights())
        theirs.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
        ours.compile(fastcnn.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
        loss = theirs.train_on_batch(X, Y, **options)
        assert ours.train_on_batch(X, Y, **options) == pytest.approx(float(loss), rel=1e-6)
        for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_allclose(mine, other, atol=64 * np.finfo(np.float32).eps)


#: Metrics and weighted metrics, of one output and of two.
WEIGHTED = {
    "none of the other kind": (["accuracy"], None),
    "of one kind": (None, ["accuracy", "sparse_top_k_categorical_accuracy"]),
    "the same of both": (["accuracy"], ["accuracy", "accuracy"]),
}
WEIGHTED_OF_TWO = {
    "by output": ({"a": ["accuracy"]}, {"a": ["accuracy"], "b": ["accuracy"]}),
    "in lists": ([["accuracy"], []], [[], ["accuracy"]]),
}
WEIGHTS = {"alike": {}, "by sample": {"sample_weight": W}, "by class": {"class_weight": {0: 0.5, 2: 3.0}}}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, kind) for name in WEIGHTED for kind in WEIGHTS),
        *((name, kind) for name in WEIGHTED_OF_TWO for kind in ("alike", "by sample")),
    ],
)
def test_weighted_metrics_are_those_of_keras(keras, name, kind):
    several, weights = name in WEIGHTED_OF_TWO, WEIGHTS[kind]
    metrics, weighted = (WEIGHTED | WEIGHTED_OF_TWO)[name]
    x, y = X[:32], Y[:32]  # whole batches: the losses of single outputs are, in Keras, means of batches, however large
    weights = {key: value[:32] if key == "sample_weight" else value for key, value in weights.items()}
    y = [y, y[::-1]] if several else y
    pair = []
    for of in (fastcnn, keras):
        inputs = of.Input((6,))
        outputs = [of.layers.Dense(3, activation="softmax", name=each)(inputs) for each in ("a", "b")]
        pair.append(of.Model(inputs, outputs if several else outputs[0]))
        pair[-1].compile(of.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=metrics, weighted_metrics=weighted)
    ours, theirs = pair
    ours.set_weights(theirs.get_weights())
    found, wanted = (model.fit(x, y, batch_size=SIZE, epochs=2, shuffle=False, verbose=0, **weights).history for model in pair)
    assert found.keys() == wanted.keys()
    for key, values in found.items():
        assert values == pytest.approx(wanted[key], rel=1e-5)
    weights.pop("class_weight", None)
    found, wanted = (model.evaluate(x, y, batch_size=SIZE, verbose=0, return_dict=True, **weights) for model in pair)
    assert found == pytest.approx(wanted, rel=1e-5)


def test_weighted_metrics_come_back_from_files(tmp_path):
    model = trained(X, Y)[0]
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], weighted_metrics=["accuracy"])
    model.save(tmp_path / "m.safetensors")
    found = model.evaluate(X, Y, sample_weight=W, verbose=0, return_dict=True)
    assert found["weighted_accuracy"] != found["accuracy"]
    assert models.load_model(tmp_path / "m.safetensors").evaluate(X, Y, sample_weight=W, verbose=0, return_dict=True) == found


@pytest.mark.parametrize(("bad", "error"), [("accuracy", TypeError), (3, TypeError), (["accuracies"], ValueError)])
def test_bad_weighted_metrics_are_refused(bad, error):
    model = models.Sequential([fastcnn.Input((6,)), layers.Dense(3)])
    with pytest.raises(error, match="metric"):
        model.compile("sgd", "mse", weighted_metrics=bad)
    assert model.optimizer is None


class Save(Callback):
    """Saves the model once, in the middle of a training, and stops it there."""

    runs_last = True

    def __init__(self, path, epoch, step):
        self.path, self.epoch, self.step = path, epoch, step

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.now, batch) == (self.epoch, self.step):
            self.model.save(self.path)
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch, logs=None):
        if (epoch, None) == (self.epoch, self.step):
            self.model.save(self.path)
            raise KeyboardInterrupt


@pytest.mark.parametrize(("epoch", "step"), [(0, 0), (1, 2), (1, 4), (0, None), (1, None)])
def test_a_training_goes_on_as_if_it_had_never_stopped(tmp_path, epoch, step):
    path = tmp_path / "checkpoint.safetensors"

    def fit(seed, **options):
        random.set_seed(seed)
        stack = [fastcnn.Input((6,)), layers.Dense(7, activation="relu"), layers.Dropout(0.5), layers.Dense(3, activation="softmax")]
        model = models.Sequential(stack)
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model, model.fit(X, Y, batch_size=SIZE, epochs=3, verbose=0, validation_data=(X, Y), **options).history

    expected = fit(5)
    with pytest.raises(KeyboardInterrupt):
        fit(5, callbacks=[Save(path, epoch, step)])
    assert_same(fit(99, resume_from=path), expected)  # the seed, too, is the checkpoint's


@pytest.mark.parametrize(("epoch", "step"), [(1, 2), (2, 2), (2, None)])
def test_a_stream_goes_on_where_it_was(tmp_path, epoch, step):
    def stream():
        rng = np.random.default_rng(8)
        while True:
            yield rng.normal(size=(4, 6)), rng.integers(0, 3, 4)

    def fit(**options):
        random.set_seed(5)
        model = models.Sequential([fastcnn.Input((6,)), layers.Dropout(0.3), layers.Dense(3, activation="softmax")])
        model.compile("adam", "sparse_categorical_crossentropy")
        return model, model.fit(stream(), epochs=4, initial_epoch=1, steps_per_epoch=5, verbose=0, **options).history

    expected = fit()
    with pytest.raises(KeyboardInterrupt):
        fit(callbacks=[Save(tmp_path / "c.safetensors", epoch, step)])
    assert_same(fit(resume_from=tmp_path / "c.safetensors"), expected)


def test_what_is_no_checkpoint_is_refused_and_changes_nothing(tmp_path):
    model, _ = trained(X, Y)
    model.save(tmp_path / "model.safetensors")
    before = model.get_weights()
    with pytest.raises(ValueError, match="checkpoint"):
        model.fit(X, Y, verbose=0, resume_from=tmp_path / "model.safetensors")
    with pytest.raises(FileNotFoundError):
        model.fit(X, Y, verbose=0, resume_from=tmp_path / "nowhere.safetensors")
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        assert_same_bits(ours, theirs)


@pytest.mark.parametrize("train", [lambda model: model.train_on_batch(X, Y), lambda model: model.fit(X, Y, batch_size=len(X), verbose=0)])
def test_an_interrupt_during_an_update_waits_for_its_end(train):
    """Ctrl-C leaves weights and optimizer of one and the same step."""
    import os
    import signal

    random.set_seed(1)
    model = models.Sequential([fastcnn.Input((6,)), layers.Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    model.train_on_batch(X, Y)
    update = model.optimizer.update

    def interrupted(weights, gradients):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
        update(weights, gradients)

    before = model.get_weights()
    model.optimizer.update = interrupted
    with pytest.raises(KeyboardInterrupt):
        train(model)
    assert model.optimizer.iterations == 2
    assert not any((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_a_callback_installs_for_interrupts_stays():
    import signal

    def handler(*_):
        pass

    before = signal.getsignal(signal.SIGINT)
    install = callbacks.LambdaCallback(on_epoch_begin=lambda *_: signal.signal(signal.SIGINT, handler))
    model = models.Sequential([fastcnn.Input((6,)), layers.Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    try:
        model.fit(X, Y, epochs=2, verbose=0, callbacks=[install])
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)
