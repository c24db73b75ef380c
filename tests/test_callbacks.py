"""Callbacks: the decisions of Keras's, what they write, and trainings that are killed and go on."""

import csv

import numpy as np
import pytest
from compare import assert_same_bits

import fastcnn
from fastcnn import callbacks, layers, models, random


def small_model(rate=0.01):
    random.set_seed(1)
    model = models.Sequential(
        [fastcnn.Input((4,)), layers.Dense(8, activation="relu"), layers.Dropout(0.3), layers.Dense(2, activation="softmax")]
    )
    model.compile(fastcnn.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)


class Puppet:
    """A model for callbacks, with weights that tell the epoch."""

    def __init__(self):
        self.stop_training, self.metrics, self.weights = False, [], [np.zeros(1)]
        self.optimizer = type("Optimizer", (), {"learning_rate": 0.5})()

    def get_weights(self):
        return [weight.copy() for weight in self.weights]

    def set_weights(self, weights):
        self.weights = [np.array(weight) for weight in weights]


def decisions(callback, values, name):
    """What a callback does to its model as a metric takes these values, epoch by epoch."""
    model = Puppet()
    callback.set_model(model)
    callback.on_train_begin()
    found = []
    for epoch, value in enumerate(values):
        model.weights = [np.full(1, float(epoch))]
        callback.on_epoch_begin(epoch)
        callback.on_epoch_end(epoch, {name: value})
        found.append((model.stop_training, round(float(model.optimizer.learning_rate), 9)))
        if model.stop_training:
            break
    callback.on_train_end()
    return found, float(model.weights[0][0])


STOPS = {
    "plain": {},
    "patient": {"patience": 3},
    "restoring": {"patience": 2, "restore_best_weights": True},
    "demanding": {"patience": 2, "min_delta": 0.1, "restore_best_weights": True},
    "up": {"patience": 3, "mode": "max", "restore_best_weights": True},
    "from a baseline": {"patience": 4, "baseline": 0.3, "restore_best_weights": True},
    "late": {"patience": 1, "start_from_epoch": 4, "restore_best_weights": True},
}
PLATEAUS = {
    "plain": {"patience": 2, "factor": 0.5},
    "impatient": {"patience": 0, "factor": 0.5, "min_lr": 0.1},
    "cooling": {"patience": 1, "factor": 0.1, "cooldown": 2},
    "demanding": {"patience": 2, "min_delta": 0.2, "mode": "max"},
}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *(pytest.param("EarlyStopping", options, id=f"stop, {name}") for name, options in STOPS.items()),
        *(pytest.param("ReduceLROnPlateau", options, id=f"plateau, {name}") for name, options in PLATEAUS.items()),
        pytest.param("LearningRateScheduler", {"schedule": lambda epoch, rate: rate * 0.9 if epoch > 1 else rate}, id="schedule"),
    ],
)
def test_decisions_are_those_of_keras(keras, kind, options, seed):
    values = np.random.default_rng(seed).uniform(0, 1, 15).round(2).tolist()
    monitor = {} if kind == "LearningRateScheduler" else {"monitor": "m"}
    mode = {} if "mode" in options or not monitor else {"mode": "min"}
    ours = decisions(getattr(callbacks, kind)(**monitor, **mode, **options), values, "m")
    theirs = decisions(getattr(keras.callbacks, kind)(**monitor, **mode, **options), values, "m")
    assert ours == theirs


@pytest.mark.parametrize(("monitor", "better"), [("val_loss", -1), ("loss", -1), ("val_accuracy", 1), ("auc", 1), ("top_k_accuracy", 1)])
def test_what_is_better_is_known_by_the_name(monitor, better):
    found, _ = decisions(callbacks.EarlyStopping(monitor=monitor), [0.5, 0.5 + 0.1 * better, 0.5], monitor)
    assert found[1][0] is False
    assert found[2][0] is True


def test_what_is_not_there_is_told():
    with pytest.warns(UserWarning, match=r"'val_loss', but there is only loss"):
        small_model().fit(X, Y, verbose=0, callbacks=[callbacks.EarlyStopping()])


def test_early_stopping_ends_a_training_with_its_best_weights():
    model = small_model(rate=0.5)
    stop = callbacks.EarlyStopping(monitor="val_loss", patience=2, restore_best_weights=True)
    history = model.fit(X[:40], Y[:40], epochs=60, validation_data=(X[40:], Y[40:]), verbose=0, callbacks=[stop]).history
    assert len(history["val_loss"]) < 60
    assert model.evaluate(X[40:], Y[40:], verbose=0)[0] == min(history["val_loss"])


def test_a_loss_that_is_no_number_ends_a_training(capsys):
    model = small_model()
    history = model.fit(
        np.where(X > 2, np.nan, X), Y, batch_size=1, epochs=5, shuffle=False, verbose=0, callbacks=[callbacks.TerminateOnNaN()]
    )
    assert len(history.history["loss"]) == 1
    assert model.optimizer.iterations == 1 + int(np.flatnonzero((X > 2).any(axis=1))[0])
    assert "nan" in capsys.readouterr().out


def test_a_table_has_a_row_an_epoch_and_goes_on(tmp_path):
    path = tmp_path / "training.csv"
    model = small_model()
    first = model.fit(X, Y, epochs=2, verbose=0, callbacks=[callbacks.CSVLogger(path)]).history
    second = model.fit(X, Y, epochs=1, verbose=0, callbacks=[callbacks.CSVLogger(path, append=True)]).history
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["epoch", "accuracy", "loss"]
    assert [float(row[2]) for row in rows[1:]] == first["loss"] + second["loss"]


def test_tensorboard_reads_what_was_written(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    history = small_model().fit(X, Y, epochs=3, validation_split=0.2, verbose=0, callbacks=[callbacks.TensorBoard(tmp_path)]).history
    for folder, prefix in (("train", ""), ("validation", "val_")):
        events = EventAccumulator(str(tmp_path / folder)).Reload()
        tensors = events.Tensors("epoch_loss")
        values = [
            np.frombuffer(event.tensor_proto.tensor_content, "<f4")[0]
            if event.tensor_proto.tensor_content
            else event.tensor_proto.float_val[0]
            for event in tensors
        ]
        np.testing.assert_allclose(values, history[f"{prefix}loss"], rtol=1e-6)


def test_functions_hear_what_they_were_given_for():
    heard = []
    tell = callbacks.LambdaCallback(
        on_train_begin=lambda logs=None: heard.append("begin"),
        on_epoch_begin=lambda epoch, logs=None: heard.append(epoch),
        on_train_batch_end=lambda batch, logs: heard.append((batch, sorted(logs))),
        on_train_end=lambda logs=None: heard.append("end"),
    )
    small_model().fit(X, Y, batch_size=40, verbose=0, callbacks=[tell])
    assert heard == ["begin", 0, (0, ["accuracy", "loss"]), (1, ["accuracy", "loss"]), "end"]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: callbacks.EarlyStopping(mode="best"), ValueError, "mode"),
        (lambda: callbacks.EarlyStopping(patience=-1), ValueError, "patience"),
        (lambda: callbacks.ReduceLROnPlateau(factor=1.0), ValueError, "factor"),
        (lambda: callbacks.ModelCheckpoint("m", save_freq="batch"), TypeError, "save_freq"),
        (lambda: callbacks.ModelCheckpoint("m", save_freq=0), ValueError, "save_freq"),
        (lambda: callbacks.EarlyStopping(monitor=None), TypeError, "monitor"),
        (lambda: callbacks.ReduceLROnPlateau(monitor=["loss"]), TypeError, "monitor"),
        (lambda: callbacks.ModelCheckpoint("m", monitor=3), TypeError, "monitor"),
        (lambda: callbacks.EarlyStopping(baseline="low"), TypeError, "baseline"),
        (lambda: callbacks.LearningRateScheduler(0.1), TypeError, "schedule"),
        (lambda: callbacks.LambdaCallback(on_epoch_end=3), TypeError, "on_epoch_end"),
    ],
)
def test_bad_arguments_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


# --- Checkpoints --------------------------------------------------------------------------------------------------------------


def test_only_the_best_is_kept(tmp_path):
    model = small_model(rate=0.2)
    keep = callbacks.ModelCheckpoint(tmp_path / "best.safetensors", save_best_only=True)
    each = callbacks.ModelCheckpoint(tmp_path / "{epoch:02d}-{loss:.3f}.safetensors", save_weights_only=True)
    history = model.fit(X[:40], Y[:40], epochs=8, validation_data=(X[40:], Y[40:]), verbose=0, callbacks=[keep, each]).history
    names = {f"{epoch + 1:02d}-{loss:.3f}.safetensors" for epoch, loss in enumerate(history["loss"])}
    assert {path.name for path in tmp_path.iterdir()} == {"best.safetensors", *names}
    best = fastcnn.load_model(tmp_path / "best.safetensors")
    assert best.evaluate(X[40:], Y[40:], verbose=0)[0] == min(history["val_loss"])


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("best.h5", ValueError, r"end in \.safetensors"),
        ("nowhere/best.safetensors", FileNotFoundError, "folder"),
        ("{val_loss:.2f}.safetensors", ValueError, "val_loss.*|epoch, accuracy, loss"),
    ],
)
def test_a_checkpoint_that_cannot_be_written_is_refused(tmp_path, name, error, message):
    model = small_model()
    with pytest.raises(error, match=message):
        model.fit(X, Y, verbose=0, callbacks=[callbacks.ModelCheckpoint(tmp_path / name)])
    assert model.optimizer.iterations == 0 or "val_loss" in name


def with_everything(path, seed, epochs, **options):
    """A training whose callbacks change its course."""
    random.set_seed(seed)
    model = small_model(rate=0.3)
    listeners = [
        callbacks.ModelCheckpoint(path, save_freq=2),
        callbacks.ReduceLROnPlateau(patience=1, factor=0.5),
        callbacks.EarlyStopping(patience=6, restore_best_weights=True),
    ]
    history = model.fit(
        X[:40],
        Y[:40],
        batch_size=16,
        epochs=epochs,
        validation_data=(X[40:], Y[40:]),
        verbose=0,
        callbacks=[*listeners, *options.pop("more", [])],
        **options,
    )
    return model, history.history


def test_callbacks_go_on_too(tmp_path):
    class Stop(callbacks.Callback):
        runs_last = True

        def on_train_batch_end(self, batch, logs=None):
            if self.model.optimizer.iterations == 10:
                raise KeyboardInterrupt

    expected, history = with_everything(tmp_path / "whole.safetensors", 1, 12)
    with pytest.raises(KeyboardInterrupt):
        with_everything(tmp_path / "cut.safetensors", 1, 12, more=[Stop()])
    resumed, again = with_everything(tmp_path / "cut.safetensors", 2, 12, resume_from=tmp_path / "cut.safetensors")
    assert again == history
    for ours, theirs in zip(resumed.get_weights(), expected.get_weights(), strict=True):
        assert_same_bits(ours, theirs)
