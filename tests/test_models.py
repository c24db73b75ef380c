"""Sequential models: structure, weights, training, and what they refuse."""

import sys

import numpy as np
import pytest
from compare import assert_same_bits

import fastcnn
from fastcnn import callbacks, datasets, layers, losses, metrics, models, optimizers, random


@pytest.fixture(autouse=True)
def seed():
    random.set_seed(11)


@pytest.fixture(scope="module")
def digits():
    (x, y), _ = datasets.mnist_sample.load_data()
    return x[:150], y[:150]


def small_network(dropout=0.5):
    model = models.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(4, 5, strides=2, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def same_weights(some, others):
    return all((a == b).all() for a, b in zip(some.get_weights(), others.get_weights(), strict=True))


# --- Structure -----------------------------------------------------------------------------------------------------------


def test_the_tutorials_network_has_93322_parameters(capsys):
    model = models.Sequential(
        [
            layers.Conv2D(32, (3, 3), activation="relu", input_shape=(28, 28, 1), name="conv1"),
            layers.MaxPooling2D((2, 2), name="pool1"),
            layers.Conv2D(64, (3, 3), activation="relu", name="conv2"),
            layers.MaxPooling2D((2, 2), name="pool2"),
            layers.Conv2D(64, (3, 3), activation="relu", name="conv3"),
            layers.Flatten(name="flatten"),
            layers.Dense(64, activation="relu", name="dense1"),
            layers.Dropout(0.5, name="dropout"),
            layers.Dense(10, activation="softmax", name="output"),
        ]
    )
    assert model.count_params() == 93_322
    assert model.input_shape == (None, 28, 28, 1)
    assert model.output_shape == (None, 10)
    filters, biases = model.layers[0].get_weights()
    assert (filters.shape, biases.shape) == ((3, 3, 1, 32), (32,))
    model.summary()
    text = capsys.readouterr().out
    for piece in ("conv1 (Conv2D)", "(None, 26, 26, 32)", "18,496", "flatten (Flatten)", "(None, 576)", "Total params: 93,322 (364.54 KB)"):
        assert piece in text


def test_summary_goes_line_by_line_to_print_fn():
    lines = []
    small_network().summary(print_fn=lines.append)
    assert lines[0] == 'Model: "sequential"'
    assert lines[-1] == "Non-trainable params: 0 (0.00 KB)"


def test_names_are_unique_within_a_model_and_begin_again_in_the_next():
    for _ in range(2):
        model = models.Sequential([layers.Dense(2), layers.Dense(2, name="dense_1"), layers.Dense(2), layers.Dense(2)])
        assert [layer.name for layer in model.layers] == ["dense", "dense_1", "dense_2", "dense_3"]


def test_layers_are_found_by_name_and_by_index():
    model = small_network()
    assert model.get_layer("dropout") is model.layers[3]
    assert model.get_layer(index=-1) is model.layers[4]
    for arguments in ({"name": "nowhere"}, {"index": 5}, {}, {"name": "dense", "index": 1}):
        with pytest.raises(ValueError, match=r"name|index"):
            model.get_layer(**arguments)


def test_without_a_shape_the_first_data_build_the_model():
    model = models.Sequential([layers.Flatten(), layers.Dense(3)])
    assert not model.built
    with pytest.raises(ValueError, match="built"):
        model.count_params()
    assert model.predict(np.ones((2, 4, 5)), verbose=0).shape == (2, 3)
    assert model.input_shape == (None, 4, 5)
    model.build((None, 4, 5))
    with pytest.raises(ValueError, match="input_shape"):
        model.build((None, 4, 6))


def test_data_that_do_not_fit_build_nothing():
    model = models.Sequential([layers.Conv2D(2, 3), layers.MaxPooling2D(9)])
    with pytest.raises(ValueError, match="pool_size"):
        model.predict(np.ones((1, 8, 8, 3)), verbose=0)
    assert not model.built
    assert model.predict(np.ones((1, 11, 11, 1)), verbose=0).shape == (1, 1, 1, 2)


@pytest.mark.parametrize(
    ("add", "error", "message"),
    [
        (lambda model: model.add(layers.Input((3,))), ValueError, "first"),
        (lambda model: model.add("dense"), TypeError, "layers"),
        (lambda model: model.add(layers.Dense(2, name="dense")), ValueError, "unique"),
        (lambda model: model.add(layers.Conv2D(2, 3)), ValueError, "axes"),
    ],
)
def test_what_cannot_be_added_changes_nothing(add, error, message):
    model = small_network()
    with pytest.raises(error, match=message):
        add(model)
    assert len(model.layers) == 5
    assert model.output_shape == (None, 10)


# --- Weights -------------------------------------------------------------------------------------------------------------


def test_weights_go_in_and_out(digits):
    model, twin = small_network(), small_network()
    assert not same_weights(model, twin)
    twin.set_weights(model.get_weights())
    assert same_weights(model, twin)
    x, _ = digits
    assert_same_bits(model.predict(x, verbose=0), twin.predict(x, verbose=0))


def test_weights_that_do_not_fit_change_nothing():
    model = small_network()
    before = [w + 1 for w in model.get_weights()]
    model.set_weights(before)
    for wrong in (before[:-1], [*before[:-1], np.zeros(9)]):
        with pytest.raises(ValueError, match=r"weights|dense"):
            model.set_weights([np.zeros_like(w) for w in wrong])
    assert all((a == b).all() for a, b in zip(model.get_weights(), before, strict=True))


def test_weights_set_between_two_fits_are_those_that_are_trained(digits):
    model = small_network(dropout=0)
    model.compile(optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    model.fit(*digits, verbose=0)
    zeros = [np.zeros_like(w) for w in model.get_weights()]
    model.set_weights(zeros)
    model.fit(*digits, verbose=0)
    assert all((w == 0).all() for w in model.get_weights())


def test_a_frozen_layer_stays_as_it_is(digits):
    model = small_network()
    convolution, dense = model.layers[0], model.layers[-1]
    convolution.trainable = False
    model.compile("adam", "sparse_categorical_crossentropy")
    before = convolution.get_weights(), dense.get_weights()
    model.fit(*digits, verbose=0)
    assert_same_bits(convolution.get_weights()[0], before[0][0])
    assert (dense.get_weights()[0] != before[1][0]).any()


def test_two_models_that_share_a_layer_train_it_in_turn(digits):
    shared = layers.Conv2D(4, 5, strides=2, activation="relu", name="shared")
    first, second = (models.Sequential([layers.Input((28, 28, 1)), shared, layers.Flatten(), layers.Dense(10)]) for _ in range(2))
    for model in (first, second, first):
        before = shared.get_weights()[0]
        if model.optimizer is None:
            model.compile("sgd", losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(*digits, verbose=0)
        assert (shared.get_weights()[0] != before).any()
    assert_same_bits(first.layers[0].get_weights()[0], second.layers[0].get_weights()[0])


# --- Training ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 3])
def test_one_seed_gives_one_run_for_any_number_of_threads(digits, threads):
    def run(threads):
        with fastcnn.num_threads(threads):
            random.set_seed(5)
            model = small_network()
            return model.fit(*digits, epochs=2, batch_size=32, validation_split=0.2, verbose=0).history, model

    history, model = run(2)
    again, twin = run(threads)
    assert again == history
    assert same_weights(model, twin)


def test_training_in_parts_is_training_in_one(digits):
    def train(*epochs):
        random.set_seed(5)
        model = small_network()
        for first, last in epochs:
            model.fit(*digits, epochs=last, initial_epoch=first, batch_size=32, verbose=0)
        return model

    assert same_weights(train((0, 3)), train((0, 1), (1, 3)))


def test_it_learns(digits):
    x, y = digits
    model = small_network(dropout=0.1)
    history = model.fit(x / 255, y, epochs=60, batch_size=32, verbose=0).history
    assert history["accuracy"][-1] > 0.9 > 0.2 > history["accuracy"][0]
    loss, accuracy = model.evaluate(x / 255, y, verbose=0)
    assert accuracy > 0.95
    assert loss < history["loss"][0] / 4


def test_shuffling_gives_every_example_once_an_epoch_in_a_new_order():
    order = []

    class Spy(layers.Layer):
        def compute_output_shape(self, input_shape):
            return input_shape

        def forward(self, x, training=None):
            order.append(x[:, 0].copy())
            return x, None

        def backward(self, dy, cache, input_grad=True, out=()):
            return dy, ()

    numbers = np.arange(50, dtype=np.float32)[:, None]
    model = models.Sequential([Spy(), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(numbers, numbers / 50, epochs=2, batch_size=20, verbose=0)
    assert [len(batch) for batch in order] == [20, 20, 10] * 2
    epochs = np.concatenate(order[:3]), np.concatenate(order[3:])
    for epoch in epochs:
        assert (np.sort(epoch) == numbers[:, 0]).all()
    assert (epochs[0] != epochs[1]).any()
    order.clear()
    model.fit(numbers, numbers / 50, batch_size=20, shuffle=False, validation_split=0.2, verbose=0)
    assert (np.concatenate(order) == numbers[:, 0]).all()  # the last fifth comes last: it is the validation


@pytest.mark.parametrize(
    "change", [lambda x: x.astype(np.float64), lambda x: x[..., None], lambda x: x.tolist(), np.asfortranarray, lambda x: x.astype(">u2")]
)
def test_inputs_of_any_kind_train_alike(digits, change):
    x, y = digits
    model, twin = small_network(), small_network()
    twin.set_weights(model.get_weights())
    history = model.fit(x.astype(np.float32), y, verbose=0).history
    assert twin.fit(change(x), y, verbose=0).history == history
    assert_same_bits(twin.predict(change(x), verbose=0), model.predict(x, verbose=0))


def test_predictions_do_not_depend_on_the_batch_size(digits):
    model = small_network()
    expected = model.predict(digits[0], verbose=0)
    for batch_size in (1, 7, 1000):
        assert_same_bits(model.predict(digits[0], batch_size=batch_size, verbose=0), expected)
    assert model.predict(digits[0][:0], verbose=0).shape == (0, 10)


def test_training_on_a_batch_is_a_step_of_fit(digits):
    x, y = (array[:32] for array in digits)
    model, twin = small_network(dropout=0), small_network(dropout=0)
    twin.set_weights(model.get_weights())
    history = model.fit(x, y, shuffle=False, verbose=0).history
    loss, accuracy = twin.train_on_batch(x, y)
    assert [loss, accuracy] == [history["loss"][0], history["accuracy"][0]]
    assert same_weights(model, twin)
    assert twin.train_on_batch(x, y, return_dict=True).keys() == {"loss", "accuracy"}


def test_every_step_drops_others(digits):
    model = small_network(dropout=0.5)
    model.compile(optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    assert len({model.train_on_batch(*digits) for _ in range(3)}) == 3


def test_the_first_layer_with_weights_to_train_makes_no_dx_and_those_below_it_are_not_asked(digits):
    asked = []

    class Spy(layers.Dense):
        def backward(self, dy, cache, input_grad=True, out=()):
            asked.append((self.name, input_grad))
            return super().backward(dy, cache, input_grad, out)

    model = models.Sequential([layers.Flatten(), Spy(3, name="a", trainable=False), Spy(3, name="b"), Spy(10, name="c")])
    model.compile("sgd", "mse")
    model.fit(digits[0], np.eye(10)[digits[1]], batch_size=150, verbose=0)
    assert asked == [("c", True), ("b", False)]


class Careless(layers.Layer):
    """Gives what it got, but in float64 and with gaps."""

    def compute_output_shape(self, input_shape):
        return input_shape

    def forward(self, x, training=None):
        return np.repeat(x.astype(np.float64), 2, axis=-1)[..., ::2], None

    def backward(self, dy, cache, input_grad=True, out=()):
        return self.forward(dy)[0], ()


def test_layers_of_ones_own_may_give_arrays_of_any_kind(digits):
    def trained(between):
        random.set_seed(5)
        used = [layers.Conv2D(4, 3), layers.MaxPooling2D(2), layers.Conv2D(6, 3), layers.MaxPooling2D(2), layers.Conv2D(4, 2)]
        used += [layers.Conv2DTranspose(3, 2), layers.Activation("relu"), layers.Flatten(), layers.Dense(10, activation="softmax")]
        model = models.Sequential([layers.Input((28, 28, 1)), *(layer for each in used for layer in (between(), each))])
        model.compile("adam", "categorical_crossentropy")
        model.fit(digits[0] / 255, np.eye(10)[digits[1]], batch_size=100, verbose=0)
        return model

    assert same_weights(trained(lambda: layers.Activation("linear")), trained(Careless))


def test_metrics_see_probabilities_though_the_loss_sees_logits(digits):
    x, y = digits[0] / 255, np.eye(10)[digits[1]]
    model = small_network()
    model.set_weights([9 * w for w in model.get_weights()])  # for some probabilities above one half, and logits far above
    model.compile("adam", "categorical_crossentropy", metrics=["binary_accuracy"])
    expected = np.mean((model.predict(x, verbose=0) > 0.5) == y)
    assert model.evaluate(x, y, verbose=0)[1] == expected
    assert model.train_on_batch(x, y)[1] != 0


def test_weights_set_by_a_callback_are_trained_on(digits):
    class Reset(callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            if epoch == 0:
                self.model.set_weights([np.zeros_like(w) for w in self.model.get_weights()])

    model = small_network()
    history = model.fit(*digits, epochs=2, callbacks=[Reset()], batch_size=150, verbose=0).history
    assert history["loss"][1] == pytest.approx(np.log(10))
    bias = model.get_weights()[-1]
    assert 0 < np.abs(bias).max() < 0.0011  # one step of Adam from 0


def test_a_layer_added_later_is_trained_too(digits):
    model = small_network()
    model.evaluate(*digits, verbose=0)
    model.add(layers.Dense(10, activation="softmax"))
    before = model.get_weights()[-2]
    model.fit(*digits, verbose=0)
    assert (model.get_weights()[-2] != before).any()
    assert model.evaluate(*digits, verbose=0)[0] == pytest.approx(
        losses.SparseCategoricalCrossentropy()(digits[1], model.predict(digits[0], verbose=0)), rel=1e-5
    )


def test_results_with_and_without_metrics(digits):
    model = small_network()
    by_name = model.evaluate(*digits, verbose=0, return_dict=True)
    assert model.evaluate(*digits, verbose=0) == list(by_name.values())
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert model.evaluate(*digits, verbose=0) == by_name["loss"]


def test_one_hot_targets_train_as_class_numbers_do(digits):
    x, y = digits
    model, twin = small_network(), small_network()
    twin.set_weights(model.get_weights())
    twin.compile("adam", "categorical_crossentropy", metrics=[metrics.CategoricalAccuracy("accuracy")])
    history = model.fit(x / 255, y, verbose=0, batch_size=50).history
    other = twin.fit(x / 255, np.eye(10)[y], verbose=0, batch_size=50).history
    assert other["accuracy"] == history["accuracy"]
    assert other["loss"] == pytest.approx(history["loss"], rel=1e-5)


def test_validation_data_are_evaluated_after_every_epoch(digits):
    x, y = digits
    model = small_network()
    history = model.fit(x[:100], y[:100], epochs=2, validation_data=(x[100:], y[100:]), verbose=0).history
    assert len(history["val_loss"]) == 2
    assert model.evaluate(x[100:], y[100:], verbose=0) == [history["val_loss"][-1], history["val_accuracy"][-1]]


def test_callbacks_hear_of_every_epoch_and_can_stop(digits):
    heard = []

    class Listener(callbacks.Callback):
        def on_train_begin(self):
            heard.append("begin")

        def on_epoch_begin(self, epoch):
            heard.append(epoch)

        def on_epoch_end(self, epoch, logs):
            heard.append(sorted(logs))
            self.model.stop_training = epoch == 3

        def on_train_end(self):
            heard.append("end")

    history = small_network().fit(*digits, epochs=9, initial_epoch=2, callbacks=[Listener()], verbose=0)
    assert heard == ["begin", 2, ["accuracy", "loss"], 3, ["accuracy", "loss"], "end"]
    assert history.epoch == [2, 3]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"batch_size": 32.0}, TypeError, "batch_size"),
        ({"epochs": 0}, ValueError, "epochs"),
        ({"initial_epoch": -1}, ValueError, "initial_epoch"),
        ({"verbose": 3}, ValueError, "verbose"),
        ({"shuffle": "batch"}, TypeError, "shuffle"),
        ({"validation_split": 1.5}, ValueError, "validation_split"),
        ({"validation_split": 0.9999}, ValueError, "validation_split"),
        ({"validation_split": "0.1"}, TypeError, "validation_split"),
        ({"validation_data": 3}, TypeError, "validation_data"),
        ({"validation_data": (np.zeros((2, 28, 28)), [1])}, ValueError, "x and y"),
        ({"callbacks": [print]}, TypeError, "callbacks"),
        ({"x": np.zeros((150, 28, 27))}, ValueError, "x must have shape"),
        ({"x": np.zeros((150, 28, 28), complex)}, TypeError, "x must"),
        ({"y": np.zeros(149)}, ValueError, "x and y"),
        ({"y": np.full(150, 10)}, ValueError, "0 to 9"),
        ({"x": np.zeros((0, 28, 28)), "y": []}, ValueError, "at least 1"),
    ],
)
def test_fit_refuses_what_does_not_fit_and_changes_nothing(digits, arguments, error, message):
    model = small_network()
    before = model.get_weights()
    with pytest.raises(error, match=message):
        model.fit(**({"x": digits[0], "y": digits[1], "verbose": 0} | arguments))
    assert all((a == b).all() for a, b in zip(model.get_weights(), before, strict=True))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("adagrad", "mse"), ValueError),
        (("adam", "msee"), ValueError),
        (("adam", None), TypeError),
        (("adam", "mse", None, "accuracy"), TypeError),
        (("adam", "mse", None, ["accurate"]), ValueError),
        (("adam", "mse", None, [3]), TypeError),
    ],
)
def test_compile_refuses_what_it_does_not_know(arguments, error):
    with pytest.raises(error):
        small_network().compile(*arguments)


def test_without_compile_there_is_no_training(digits):
    model = models.Sequential([layers.Flatten(), layers.Dense(10)])
    for run in (model.fit, model.evaluate, model.train_on_batch):
        with pytest.raises(RuntimeError, match="compile"):
            run(*digits)
    with pytest.raises(ValueError, match="layers"):
        models.Sequential().predict(digits[0])


# --- Progress ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("verbose", "lines"), [("auto", 2), (1, 2), (2, 2), (0, 0)])
def test_in_a_pipe_progress_is_a_line_an_epoch(digits, capsys, verbose, lines):
    small_network().fit(*digits, epochs=2, verbose=verbose, validation_split=0.2)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == lines
    for epoch, line in enumerate(printed, 1):
        assert line.startswith(f"Epoch {epoch}/2 - ")
        for piece in (" img/s", "loss: ", "accuracy: ", "val_loss: ", "val_accuracy: "):
            assert piece in line


def test_on_a_terminal_progress_is_a_bar(digits, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    model = small_network()
    model.fit(*digits, verbose=1, validation_split=0.2)
    model.evaluate(*digits)
    model.predict(digits[0])
    printed = capsys.readouterr().out
    for piece in ("Epoch 1/1", "120/120", "val_accuracy: ", "Evaluation", "Prediction", "150/150", "img/s"):
        assert piece in printed
