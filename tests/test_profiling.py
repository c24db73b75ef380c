"""Profiles: whether they count what there is to count, layer by layer."""

import json

import numpy as np
import pytest

import fastcnn
from fastcnn import cli, layers, networks


@pytest.fixture
def profile():
    model = fastcnn.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.DepthwiseConv2D(2),
            layers.Conv2D(6, 1, groups=2, use_bias=False),
            layers.Conv2DTranspose(5, 2, strides=2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(7, activation="softmax"),
        ]
    )
    return model.profile(np.ones((2, 8, 8, 3)), seconds=0)


def test_a_profile_has_a_row_for_what_runs_as_one(profile):
    assert [(layer.name, layer.algorithm, layer.output_shape) for layer in profile.layers] == [
        ("conv2d + max_pooling2d", "direct, fused with pooling", (2, 3, 3, 4)),
        ("depthwise_conv2d", "grouped", (2, 2, 2, 4)),
        ("conv2d_1", "grouped", (2, 2, 2, 6)),
        ("conv2d_transpose", "direct", (2, 4, 4, 5)),
        ("flatten", "", (2, 80)),
        ("dropout", "", (2, 80)),
        ("dense", "direct", (2, 7)),
    ]


def test_operations_are_those_of_the_direct_method(profile):
    flops = [2 * 2 * 36 * 4 * 27, 2 * 2 * 4 * 4 * 4, 2 * 2 * 4 * 6 * 2, 2 * 2 * 4 * 6 * 5 * 4, 0, 0, 2 * 2 * 80 * 7]
    assert [layer.forward.flops for layer in profile.layers] == flops
    assert [layer.training.flops for layer in profile.layers] == [2 * flops[0], *(3 * count for count in flops[1:])]


def test_bytes_are_those_of_all_arrays_once(profile):
    x, y, w = 2 * 64 * 3, 2 * 9 * 4, 27 * 4 + 4
    assert profile.layers[0].forward.bytes == 4 * (x + y + w)
    assert profile.layers[0].training.bytes == 4 * (x + y + w + y + x + w + w)
    assert [layer.forward.bytes for layer in profile.layers[4:6]] == [0, 0]
    assert [layer.training.bytes for layer in profile.layers[4:6]] == [0, 4 * 4 * 160]


def test_a_total_is_a_sum_and_rates_are_quotients(profile):
    total = profile.total("forward")
    assert total.flops == sum(layer.forward.flops for layer in profile.layers)
    assert total.seconds == pytest.approx(sum(layer.forward.seconds for layer in profile.layers))
    assert (total.gflops, total.bandwidth) == (total.flops / total.seconds / 1e9, total.bytes / total.seconds)
    assert min(profile.fma_peak, profile.copy_bandwidth) > 0


def test_a_profile_is_printed_with_every_layer_twice(profile):
    text = str(profile)
    assert text.startswith(f"2 images, {fastcnn.get_num_threads()} thread")
    assert text.count("conv2d + max_pooling2d  direct, fused with pooling  3 3 4") == 2
    assert max(map(len, text.splitlines())) <= 110


def test_frozen_layers_have_no_gradients():
    model = fastcnn.Sequential([layers.Input((4,)), layers.Dense(3, trainable=False), layers.Dense(2)])
    first, second = model.profile(np.ones((5, 4)), seconds=0).layers
    assert (first.training.flops, first.training.bytes) == (first.forward.flops, first.forward.bytes)
    assert second.training.flops == 2 * second.forward.flops


def test_profiling_changes_no_weights():
    model = networks.mnist_network()
    before = model.get_weights()
    model.profile(np.ones((2, 28, 28, 1)), seconds=0)
    assert all((now == then).all() for now, then in zip(model.get_weights(), before, strict=True))


@pytest.mark.parametrize(
    ("x", "options", "error"),
    [(np.ones((0, 4)), {}, ValueError), (np.ones((1, 3)), {}, ValueError), (np.ones((1, 4)), {"seconds": "long"}, TypeError)],
)
def test_bad_arguments_are_refused(x, options, error):
    with pytest.raises(error):
        fastcnn.Sequential([layers.Input((4,)), layers.Dense(3)]).profile(x, **options)


def test_the_command_profiles_the_networks_layers(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("fastcnn.bench.PROFILE_TURNS", 0)
    assert cli.main(["bench", "--layers", "--batch", "2", "--threads", "1"]) == 0
    assert "conv2d_1 + max_pooling2d_1" in capsys.readouterr().out
    model = fastcnn.Sequential([layers.Input((4,)), layers.Dense(3)])
    model.save(tmp_path / "m.safetensors")
    assert cli.main(["bench", "--layers", "--json", "--model", str(tmp_path / "m.safetensors"), "--batch", "5"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["images"], result["layers"][0]["name"], result["layers"][0]["forward"]["flops"]) == (5, "dense", 2 * 5 * 4 * 3)


def test_the_command_refuses_no_images(capsys):
    with pytest.raises(SystemExit):
        cli.main(["bench", "--layers", "--batch", "0"])
    assert "--batch" in capsys.readouterr().err
