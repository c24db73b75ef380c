"""Folders of pictures: what a picture becomes, which files are pictures, the split, and what is refused."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from compare import assert_same_bits

from fastcnn.datasets import image_folder

pytest.importorskip("PIL")
from PIL import Image


def noise(height=30, width=40, channels=3, seed=0):
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Two classes: seven cats and five dogs."""
    for name, count in (("cats", 7), ("dogs", 5)):
        (tmp_path / name).mkdir()
        for number in range(count):
            Image.fromarray(noise(seed=10 * count + number)).save(tmp_path / name / f"{number}.png")
    return tmp_path


def pixels(folder, picture, name="x.png", color_mode="rgb", size=None, **options):
    """What a picture comes back as, by itself in its class."""
    for other in ("a", "b"):
        (folder / other).mkdir(exist_ok=True)
    for old in (folder / "a").iterdir():
        old.unlink()
    Image.new("L", (2, 2)).save(folder / "b/y.png")
    picture.save(folder / "a" / name, **options)
    height, width = size or picture.size[::-1]
    x, y = image_folder(folder, (height, width), color_mode=color_mode)[0]
    assert y == 0
    assert x.dtype == np.float32
    return x * 255


# --- One picture ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.png", "x.bmp", "x.tiff", "x.gif", "x.webp", "x.JPG", "x.ppm"])
def test_pictures_of_many_kinds_are_scaled_as_pillow_does(tmp_path, name):
    picture = Image.fromarray(noise())
    x = pixels(tmp_path, picture, name, size=(11, 13))
    with Image.open(tmp_path / "a" / name) as again:
        wanted = np.asarray(again.convert("RGB").resize((13, 11), Image.Resampling.BILINEAR), np.float32)
    assert_same_bits(np.rint(x), wanted)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["x.png", "x.jpg"])
def test_pictures_stand_upright(tmp_path, orientation, name):
    upright = np.zeros((20, 30, 3), np.uint8)
    upright[:10, :10] = 255  # one corner
    turns = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a),  # stored so, it is shown after a turn to the right
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(turns[orientation](upright)))
    x = pixels(tmp_path, stored, name, size=(20, 30), exif=exif)
    assert np.abs(x - upright).max() < 40  # JPEG's edges ring


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_16_bits_become_8(tmp_path, dtype):
    wide = np.linspace(0, 65535, 40).round().astype(dtype).reshape(5, 8)
    x = pixels(tmp_path, Image.fromarray(wide), "x.tiff", color_mode="grayscale")
    assert_same_bits(np.rint(x[..., 0]), np.rint(wide / 257).astype(np.float32))


def test_what_is_transparent_is_paper(tmp_path):
    ink = np.zeros((6, 6, 4), np.uint8)
    ink[2:4, 2:4] = (10, 20, 30, 255)
    clear = Image.fromarray(ink)
    palette = Image.new("P", (6, 6), 0)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    palette.paste(1, (2, 2, 4, 4))
    grey = Image.merge("LA", [clear.getchannel("R"), clear.getchannel("A")])
    for picture, options, color in ((clear, {}, (10, 20, 30)), (palette, {"transparency": 0}, (10, 20, 30)), (grey, {}, (10, 10, 10))):
        x = np.rint(pixels(tmp_path, picture, **options))
        assert x[0, 0].tolist() == [255, 255, 255]
        assert x[2, 2].tolist() == list(color)
    assert np.rint(pixels(tmp_path, clear, color_mode="grayscale"))[0, 0].tolist() == [255]
    x = np.rint(pixels(tmp_path, clear, color_mode="rgba"))
    assert x[0, 0, 3] == 0
    assert x[2, 2].tolist() == [10, 20, 30, 255]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "RGBA", "LA"])
@pytest.mark.parametrize(("color_mode", "channels"), [("rgb", 3), ("grayscale", 1), ("rgba", 4)])
def test_pictures_of_any_mode_have_the_channels_that_are_wanted(tmp_path, mode, color_mode, channels):
    picture = Image.fromarray(np.full((8, 9, 3), 255, np.uint8)).convert(mode)
    x = np.rint(pixels(tmp_path, picture, "x.tiff", color_mode))
    assert x.shape == (8, 9, channels)
    assert x.min() == 255  # white is white


# --- The data set --------------------------------------------------------------------------------------------------------


def test_a_data_set_gives_pictures_one_by_one_in_slices_and_in_batches(folder):
    data = image_folder(folder, (8, 6))
    assert (len(data), data.class_names, data.image_shape) == (12, ("cats", "dogs"), (8, 6, 3))
    assert data.labels.tolist() == [0] * 7 + [1] * 5
    assert [Path(path).name for path in data.paths] == [f"{number}.png" for number in (*range(7), *range(5))]
    x, y = data.batch(np.array([11, 0, 0, -2]))
    assert (x.shape, x.dtype, y.dtype, y.tolist()) == ((4, 8, 6, 3), np.float32, np.int64, [1, 0, 0, 1])
    for image, index in zip(x, (11, 0, 0, 10), strict=True):
        assert_same_bits(image, data[index][0])
        assert data[index][1] == int(index > 6)
    assert_same_bits(data[2:5][0], np.stack([data[index][0] for index in (2, 3, 4)]))
    assert_same_bits(data[np.int64(3)][0], data[-9][0])
    assert data[5:5][0].shape == (0, 8, 6, 3)
    assert 0 <= x.min() < x.max() <= 1
    for index in (12, -13):
        with pytest.raises(IndexError):
            data[index]
        with pytest.raises(IndexError):
            data.batch([index])
    with pytest.raises(TypeError):
        data["0"]
    assert len(list(data)) == 12


def test_classes_and_pixels_are_those_of_keras(folder, keras):
    theirs = keras.utils.image_dataset_from_directory(folder, image_size=(30, 40), shuffle=False, batch_size=None, verbose=False)
    data = image_folder(folder, (30, 40))
    assert list(data.class_names) == theirs.class_names
    for (x, y), (their_x, their_y) in zip(data, theirs.as_numpy_iterator(), strict=True):
        assert_same_bits(np.rint(x * 255), their_x)
        assert y == their_y


def test_many_threads_may_read(folder):
    data = image_folder(folder, 16)
    wanted, _ = data[:]
    results = {}

    def read(number):
        results[number] = data.batch(np.arange(12))[0]

    threads = [threading.Thread(target=read, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(6):
        assert_same_bits(results[number], wanted)


def test_a_file_that_goes_or_breaks_later_is_named(folder):
    data = image_folder(folder, 8)
    (folder / "cats/0.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"0\.png"):
        data[0]
    (folder / "cats/1.png").write_bytes((folder / "cats/1.png").read_bytes()[:200])
    with pytest.raises(ValueError, match=r"1\.png' is no picture"):
        data[1]


# --- The split -----------------------------------------------------------------------------------------------------------


def names(data):
    return {os.path.join(*Path(path).parts[-2:]) for path in data.paths}


def test_the_split_takes_its_share_of_each_class(folder):
    train, validation = image_folder(folder, 8, validation_split=0.4)
    assert np.bincount(validation.labels).tolist() == [2, 2]
    assert np.bincount(train.labels).tolist() == [5, 3]
    assert names(train) | names(validation) == names(image_folder(folder, 8))
    assert not names(train) & names(validation)
    assert train.class_names == validation.class_names == ("cats", "dogs")
    assert train.image_shape == validation.image_shape == (8, 8, 3)


def test_each_class_keeps_a_picture_on_either_side_if_it_has_two(folder):
    for share, wanted in ((0.01, [1, 1]), (0.99, [6, 4])):
        assert np.bincount(image_folder(folder, 8, validation_split=share)[1].labels).tolist() == wanted
    for number in range(1, 5):
        (folder / f"dogs/{number}.png").unlink()
    assert image_folder(folder, 8, validation_split=0.5)[1].labels.tolist() == [0, 0, 0]
    for number in range(1, 7):
        (folder / f"cats/{number}.png").unlink()
    with pytest.raises(ValueError, match="validation_split"):
        image_folder(folder, 8, validation_split=0.5)


def test_the_split_depends_on_the_seed_and_the_names_alone(folder, tmp_path_factory):
    _, validation = image_folder(folder, 8, validation_split=0.4, seed=3)
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "moved"
    folder.rename(elsewhere)
    Path(elsewhere, "ants").mkdir()
    Image.new("L", (3, 3)).save(elsewhere / "ants/0.png")
    _, again = image_folder(elsewhere, 8, validation_split=0.4, seed=3)
    assert names(again) == names(validation)
    assert any(names(image_folder(elsewhere, 8, validation_split=0.4, seed=seed)[1]) != names(validation) for seed in range(5))


# --- Which files ---------------------------------------------------------------------------------------------------------


def test_hidden_files_and_files_that_are_no_pictures_are_left_out(folder):
    for name in ("cats/.hidden.png", "cats/notes.txt", "cats/Thumbs.db", "cats/no ending", ".DS_Store", "stray.png"):
        (folder / name).write_bytes(b"not a picture")
    for name in (".git", "cats/.thumbs"):
        (folder / name).mkdir()
        Image.new("L", (2, 2)).save(folder / name / "x.png")
    data = image_folder(folder, 8)
    assert (len(data), data.class_names) == (12, ("cats", "dogs"))


def test_folders_in_a_class_are_part_of_it(folder):
    (folder / "cats/black/young").mkdir(parents=True)
    Image.new("L", (2, 2)).save(folder / "cats/black/young/x.PNG")
    assert image_folder(folder, 8).labels.tolist() == [0] * 8 + [1] * 5


def test_links_are_followed_but_not_in_circles(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    Image.new("L", (2, 2)).save(elsewhere / "x.png")
    (folder / "foxes").symlink_to(elsewhere)
    (folder / "cats/linked.png").symlink_to(folder / "cats/0.png")
    (folder / "cats/up").symlink_to(folder)
    (folder / "dogs/again").symlink_to(folder / "dogs")
    (folder / "dogs/around").mkdir()
    (folder / "dogs/around/back").symlink_to(folder / "dogs/around")
    data = image_folder(folder, 8)
    assert data.class_names == ("cats", "dogs", "foxes")
    assert np.bincount(data.labels).tolist() == [8, 5, 1]


def spoil(folder):
    """Put what is no picture among the cats; return the names."""
    contents = {"cut.png": (folder / "cats/0.png").read_bytes()[:-500], "text.jpg": b"hello"}
    for name, content in contents.items():
        (folder / "cats" / name).write_bytes(content)
    (folder / "cats/nowhere.png").symlink_to(folder / "gone.png")
    os.mkfifo(folder / "cats/pipe.png")
    return [*contents, "nowhere.png", "pipe.png"]


def test_broken_pictures_are_refused_by_name(folder):
    bad = spoil(folder)
    with pytest.raises(ValueError, match=f"{len(bad)} of the pictures cannot be read") as caught:
        image_folder(folder, 8)
    for name in (*bad, "on_error='skip'"):
        assert name in str(caught.value)


def test_broken_pictures_are_skipped_by_name(folder):
    bad = spoil(folder)
    with pytest.warns(UserWarning, match="left out") as caught:
        data = image_folder(folder, 8, on_error="skip")
    for name in bad:
        assert name in str(caught[0].message)
    assert len(data) == 12
    assert data[:][0].shape == (12, 8, 8, 3)


def test_of_many_broken_pictures_the_first_are_named(folder):
    for number in range(100, 130):
        (folder / f"dogs/{number}.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"30 of the pictures.*100\.png.*109\.png.*and 20 more") as caught:
        image_folder(folder, 8)
    assert "110.png" not in str(caught.value)


# --- What is refused -----------------------------------------------------------------------------------------------------


def test_folders_without_classes_are_refused(folder, tmp_path_factory):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        image_folder(folder / "nowhere")
    with pytest.raises(NotADirectoryError):
        image_folder(folder / "cats/0.png")
    with pytest.raises(ValueError, match="has none"):
        image_folder(folder / "cats")
    parent = tmp_path_factory.mktemp("parent")
    folder.rename(parent / "train")
    with pytest.raises(ValueError, match="has only 'train'"):
        image_folder(parent)


def test_a_class_without_pictures_is_refused(folder):
    (folder / "foxes").mkdir()
    (folder / "foxes/notes.txt").write_text("none yet")
    with pytest.raises(ValueError, match="foxes' has none"):
        image_folder(folder)
    (folder / "foxes/x.png").write_text("broken")
    with pytest.warns(UserWarning, match="left out"), pytest.raises(ValueError, match="foxes' has none that can be read"):
        image_folder(folder, on_error="skip")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"image_size": 0}, ValueError),
        ({"image_size": (8, 8, 3)}, ValueError),
        ({"image_size": 8.5}, TypeError),
        ({"color_mode": "cmyk"}, ValueError),
        ({"color_mode": 3}, TypeError),
        ({"validation_split": 0}, ValueError),
        ({"validation_split": 1.0}, ValueError),
        ({"validation_split": -0.1}, ValueError),
        ({"validation_split": float("nan")}, ValueError),
        ({"validation_split": "half"}, TypeError),
        ({"seed": -1}, ValueError),
        ({"seed": 0.5}, TypeError),
        ({"on_error": "ignore"}, ValueError),
    ],
)
def test_bad_arguments_are_refused_by_name(folder, options, error):
    with pytest.raises(error, match=next(iter(options))):
        image_folder(folder, **options)


def test_data_sets_import_no_other_library_before_they_are_used():
    code = "import sys, fastcnn.datasets; print({'PIL', 'tqdm', 'safetensors'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
