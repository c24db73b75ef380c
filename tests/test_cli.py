"""The command line: results, the exit status, and what goes where."""

import json
import subprocess
import sys

import numpy as np
import pytest

import fastcnn
from fastcnn import cli, datasets, models, networks
from fastcnn.datasets import mnist, mnist_sample
from fastcnn.io import model_file


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    """An empty folder to work in, and no MNIST anywhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FASTCNN_DATA_DIR", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(mnist, "URL", "http://127.0.0.1:9/mnist.npz")
    return tmp_path


@pytest.fixture
def few_digits(monkeypatch):
    """A sample small enough to train on in no time."""
    (x_train, y_train), (x_test, y_test) = mnist_sample.load_data()
    monkeypatch.setattr(datasets.mnist_sample, "load_data", lambda: ((x_train[:200], y_train[:200]), (x_test[:100], y_test[:100])))
    return x_test[:100], y_test[:100]


@pytest.fixture(scope="module")
def trained():
    """A model that reads digits, trained once for this module."""
    fastcnn.random.set_seed(1)
    model = networks.mnist_network()
    (x, y), _ = mnist_sample.load_data()
    model.fit(x[:3000] / 255, y[:3000], batch_size=32, epochs=3, verbose=0)
    return model


def run(capsys, *arguments):
    """The exit status, standard output and standard error of the command."""
    try:
        status = cli.main(arguments)
    except SystemExit as leaving:
        status = leaving.code
    return status, *capsys.readouterr()


def test_training_tells_what_it_does_and_saves_a_model(few_digits, capsys, somewhere):
    status, out, err = run(capsys, "train", "--epochs", "2", "--seed", "3")
    assert (status, err) == (0, "")
    assert "sample" in out.splitlines()[0]
    assert "--data mnist" in out.splitlines()[0]
    assert "Epoch 2/2" in out
    for piece in ("Test accuracy", "images per second", "model.safetensors"):
        assert piece in out
    assert models.load_model(somewhere / "model.safetensors").count_params() == 93_322


def test_training_for_programs(few_digits, capsys, somewhere):
    threads = fastcnn.get_num_threads()
    with fastcnn.num_threads(threads):
        options = ("--epochs", "1", "--batch-size", "50", "--threads", "1", "--output", "m.safetensors")
        status, out, err = run(capsys, "train", "--json", *options)
    assert (status, err) == (0, "")
    result = json.loads(out)
    wanted = {"data": "sample", "epochs": 1, "batch_size": 50, "threads": 1, "model": "m.safetensors"}
    assert {name: result[name] for name in wanted} == wanted
    assert result["images_per_second"] > 0
    x, y = few_digits
    model = models.load_model(somewhere / "m.safetensors")
    assert model.evaluate(x / np.float32(255), y, batch_size=50, verbose=0) == [result["test_loss"], result["test_accuracy"]]


def test_one_seed_trains_one_model(few_digits, capsys, somewhere):
    for name in ("a.safetensors", "b.safetensors"):
        assert run(capsys, "train", "--json", "--epochs", "1", "--seed", "3", "--output", name)[0] == 0
    a, b = (models.load_model(somewhere / name).get_weights() for name in ("a.safetensors", "b.safetensors"))
    assert all((ours == theirs).all() for ours, theirs in zip(a, b, strict=True))


def test_mnist_is_taken_where_it_is_and_the_sample_on_demand(few_digits, capsys, somewhere, monkeypatch, trained):
    trained.save("m.safetensors")
    (somewhere / "mnist.npz").write_bytes(mnist_sample.PATH.read_bytes())
    monkeypatch.setenv("FASTCNN_DATA_DIR", str(somewhere))
    by_default, asked = (json.loads(run(capsys, "evaluate", "m.safetensors", "--json", *more)[1]) for more in ((), ("--data", "sample")))
    assert (by_default["data"], by_default["test_images"]) == ("mnist", 1000)
    assert (asked["data"], asked["test_images"]) == ("sample", 100)


def test_evaluation_of_a_trained_model(capsys, trained, somewhere):
    trained.save("model.safetensors")
    status, out, err = run(capsys, "evaluate")
    assert (status, err) == (0, "")
    assert "Test accuracy 9" in out


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "1", "P"])
@pytest.mark.parametrize("inverted", [False, True])
def test_prediction_reads_pictures_light_and_dark(capsys, trained, somewhere, mode, inverted):
    from PIL import Image

    _, (x, y) = mnist_sample.load_data()
    trained.save("m.safetensors")
    outputs = trained.predict(x / np.float32(255), verbose=0)
    sure = [int(np.flatnonzero((y == digit) & (outputs.argmax(axis=1) == digit))[0]) for digit in (3, 7)]
    for index in sure:
        picture = Image.fromarray(255 - x[index] if inverted else x[index]).resize((84, 84), Image.Resampling.BICUBIC)
        picture.convert(mode).save(f"{index}.png")
    status, out, err = run(capsys, "predict", *(f"{index}.png" for index in sure), "--model", "m.safetensors", "--json")
    assert (status, err) == (0, "")
    predictions = json.loads(out)["predictions"]
    assert [(row["image"], row["digit"], row["inverted"]) for row in predictions] == [
        (f"{index}.png", int(y[index]), inverted) for index in sure
    ]
    status, out, err = run(capsys, "predict", f"{sure[0]}.png", "--model", "m.safetensors")
    assert out.startswith(f"{sure[0]}.png: 3 (")
    assert ("inverted" in out) is inverted


def test_a_picture_on_transparent_ground_is_a_picture_on_paper(somewhere):
    from PIL import Image

    from fastcnn.images import read_digit

    pixels = np.zeros((40, 20, 4), np.uint8)
    pixels[10:30, 8:12, 3] = 255  # black ink, and nothing around it
    Image.fromarray(pixels).save("ink.png")
    digit = read_digit("ink.png")
    assert digit.inverted
    assert digit.image.shape == (28, 28, 1)
    assert digit.image[14, 14] > 0.9 > 0.1 > digit.image[14, 2]
    assert digit.image[:, :5].max() == 0  # padded to a square with the ground


@pytest.fixture
def pictures(somewhere):
    """A folder of blue and of red pictures."""
    from PIL import Image

    rng = np.random.default_rng(2)
    for name, channel in (("blue", 2), ("red", 0)):
        (somewhere / "pictures" / name).mkdir(parents=True)
        for number in range(20):
            pixels = rng.integers(0, 100, (20, 30, 3), np.uint8)
            pixels[..., channel] += 150
            Image.fromarray(pixels).save(somewhere / f"pictures/{name}/{number}.png")
    return somewhere / "pictures"


def test_ones_own_pictures_are_told_apart(capsys, pictures):
    status, out, err = run(capsys, "train", "--data", "pictures", "--epochs", "4", "--batch-size", "8", "--seed", "1")
    assert (status, err) == (0, "")
    assert out.startswith("Data: pictures in pictures, 32 to train and 8 to test, of blue, red.")
    assert "Test accuracy 100.00%" in out
    status, out, err = run(capsys, "predict", "pictures/red/3.png", "pictures/blue/0.png")
    assert [line.partition(" (")[0] for line in out.splitlines()] == ["pictures/red/3.png: red", "pictures/blue/0.png: blue"]
    rows = json.loads(run(capsys, "predict", "--json", "pictures/red/3.png")[1])["predictions"]
    assert [(row["image"], row["class"]) for row in rows] == [("pictures/red/3.png", "red")]
    result = json.loads(run(capsys, "evaluate", "--json", "--data", "pictures")[1])
    assert (result["data"], result["test_images"], result["test_accuracy"]) == ("pictures", 40, 1)
    (pictures / "red").rename(pictures / "green")
    status, out, err = run(capsys, "evaluate", "--data", "pictures")
    assert (status, out) == (1, "")
    assert err == "fastcnn: the model knows blue, red, but the folders are blue, green\n"
    assert run(capsys, "evaluate")[0] == 1  # digits are no pictures of these


def test_models_of_something_else_know_no_pictures(capsys, pictures, trained):
    from fastcnn import layers

    trained.save("digits.safetensors")
    assert "digits" in run(capsys, "evaluate", "digits.safetensors", "--data", "pictures")[2]
    models.Sequential([layers.Dense(2, input_shape=(3,))]).save("flat.safetensors")
    assert "takes no pictures" in run(capsys, "evaluate", "flat.safetensors", "--data", "pictures")[2]


@pytest.mark.parametrize("names", [["blue"], 3])
def test_class_names_that_do_not_fit_are_refused(capsys, somewhere, trained, names):
    trained.save("m.safetensors")
    arrays, config = model_file.read("m.safetensors")
    model_file.write("m.safetensors", arrays, config | {"class_names": names})
    status, out, err = run(capsys, "predict", "x.png", "--model", "m.safetensors")
    assert (status, out) == (1, "")
    assert "m.safetensors' does not hold a fastcnn model" in err


def test_broken_pictures_are_left_out_with_a_warning(capsys, pictures):
    (pictures / "red/broken.png").write_bytes(b"hello")
    with pytest.warns(UserWarning, match=r"broken\.png"):
        status, out, _ = run(capsys, "train", "--data", "pictures", "--epochs", "1")
    assert status == 0
    assert "32 to train" in out


def test_information(capsys):
    status, out, err = run(capsys, "info", "--json")
    assert (status, err) == (0, "")
    assert json.loads(out)["version"] == fastcnn.__version__
    assert fastcnn.__version__ in run(capsys, "info")[1]
    assert run(capsys, "--version")[:2] == (0, f"fastcnn {fastcnn.__version__}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("fly",),
        ("train", "--epochs", "0"),
        ("train", "--epochs", "x"),
        ("train", "--batch-size", "-1"),
        ("train", "--seed", "-1"),
        ("train", "--data", "cifar"),
        ("train", "more"),
        ("predict",),
        ("info", "--fast"),
    ],
)
def test_a_wrong_call_is_status_2(capsys, arguments):
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert "usage: fastcnn" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("evaluate",), "train"),
        (("evaluate", "--json"), "train"),
        (("predict", "a.png"), "train"),
        (("train", "--output", "no/m.safetensors"), "folder"),
        (("train", "--output", "m.keras"), ".safetensors"),
        (("train", "--data", "mnist"), "FASTCNN_DATA_DIR"),
    ],
)
def test_a_failure_is_status_1_and_one_line(capsys, arguments, message):
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("fastcnn: ")
    assert message in err


def test_broken_files_are_failures_too(capsys, trained, somewhere):
    (somewhere / "broken.safetensors").write_bytes(b"PK")
    trained.save("m.safetensors")
    (somewhere / "no.png").write_bytes(b"hello")
    for arguments in (
        ("evaluate", "broken.safetensors"),
        ("predict", "no.png", "--model", "m.safetensors"),
        ("predict", "nowhere.png", "--model", "m.safetensors"),
    ):
        status, out, err = run(capsys, *arguments)
        assert (status, out, len(err.splitlines())) == (1, "", 1)


def test_a_model_of_something_else_is_a_failure(capsys, somewhere):
    from fastcnn import layers

    other = models.Sequential([layers.Dense(2, input_shape=(3,))])
    other.save("m.safetensors")
    status, out, err = run(capsys, "evaluate", "m.safetensors")
    assert (status, out, len(err.splitlines())) == (1, "", 1)


def test_the_module_is_the_command(somewhere):
    done = subprocess.run([sys.executable, "-m", "fastcnn", "evaluate", "nowhere.safetensors"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("fastcnn: there is no model 'nowhere.safetensors'")
