"""The command ``bench``, and the benchmarks: that they work, and that what is wrong is not timed. No test is about a time."""

import ctypes
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import peers
import pytest
import report
import workloads
from compare import assert_close

import fastcnn
from fastcnn import _core, _peers, bench, cli, networks, reference

BENCHMARKS = Path(workloads.__file__).parent
SMALL = {
    "plain": workloads.Layer("plain", n=2, h=5, w=6, c=3, f=4, k=3, stride=1, padding=0, groups=1),
    "padded, strided, rows left over": workloads.Layer("left", n=2, h=8, w=7, c=3, f=4, k=3, stride=2, padding=1, groups=1),
    "strided 1x1": workloads.Layer("1x1", n=3, h=6, w=6, c=4, f=2, k=1, stride=2, padding=0, groups=1),
    "groups": workloads.Layer("groups", n=2, h=5, w=5, c=4, f=6, k=3, stride=1, padding=1, groups=2),
    "dense": workloads.Layer("dense", n=4, h=1, w=1, c=7, f=3, k=1, stride=1, padding=0, groups=1),
}


@pytest.fixture
def quick(monkeypatch):
    """One turn of one call for everybody."""
    monkeypatch.setattr(bench, "ROUNDS", 1)
    monkeypatch.setattr(bench, "SECONDS", 0)


@pytest.fixture
def alone(monkeypatch):
    """A machine without any other library."""
    monkeypatch.setattr(_peers.Library, "available", classmethod(lambda cls: not cls.packages))


def assert_report_is_whole(result):
    """Everybody is either measured or absent, and everything is measured of us."""
    by_work = {}
    for row in result["results"]:
        by_work.setdefault(row["work"], {})[row["by"]] = row
    assert len(by_work) == 7
    assert all(row["seconds"] > 0 and row["ratio"] > 0 for row in result["results"])
    assert all(rows["fastcnn"]["ratio"] == 1 for rows in by_work.values())
    measured = {row["by"] for row in result["results"]} - {"loops"}
    assert sorted([*measured, *result["absent"]]) == sorted(kind.name for kind in _peers.NETWORKS)
    assert {name for name, rows in by_work.items() if "loops" in rows} == set(bench.loop_works())
    assert result["fma_peak_gflops"] > 0


# --- The command ---------------------------------------------------------------------------------------------------------


def test_bench_for_programs_without_other_libraries(quick, alone, capsys):
    threads = fastcnn.get_num_threads()
    assert cli.main(["bench", "--json", "--threads", "3"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert_report_is_whole(result)
    assert len(result["absent"]) == len(_peers.NETWORKS) - 1
    assert (result["threads"], fastcnn.get_num_threads()) == (3, threads)


def test_bench_for_readers(quick, alone, capsys):
    assert bench.main([]) == 0
    out = capsys.readouterr().out
    for piece in (*bench.loop_works(), "training step, 128 images", "prediction, 1 image", "GFLOP/s", "PyTorch: not installed"):
        assert piece in out


def test_bench_with_whatever_is_installed():
    """In a process of its own: TensorFlow takes its number of threads only once."""
    code = "from fastcnn import bench; bench.ROUNDS, bench.SECONDS = 1, 0; bench.main(['--json', '--threads', '1'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert_report_is_whole(result)
    assert result["absent"] == [kind.name for kind in _peers.NETWORKS if not kind.available()]


@pytest.mark.parametrize("arguments", [["--threads", "0"], ["--threads", "x"], ["--fast"], ["more"]])
def test_a_wrong_call_of_bench_is_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as leaving:
        cli.main(["bench", *arguments])
    assert leaving.value.code == 2
    assert "usage: fastcnn bench" in capsys.readouterr().err


# --- Measuring and checking ----------------------------------------------------------------------------------------------


def test_contenders_have_their_turns_one_after_the_other():
    calls = []
    contenders = {name: bench.Contender(lambda name=name: calls.append(name), lambda: calls.append("prepare")) for name in "ab"}
    times = bench.interleave(contenders, rounds=2, seconds=0)
    warming, turn = ["prepare", "a", "a", "prepare", "b", "b"], ["prepare", "a", "a", "prepare", "b", "b"]
    assert calls == warming + 2 * turn
    assert all(taken.shape == (2,) and (taken > 0).all() for taken in times.values())


@pytest.mark.parametrize("double", [False, True])
def test_the_peak_is_a_speed(double):
    assert bench.fma_peak(threads=2, double_precision=double, seconds=0) > 0


def test_what_is_wrong_is_not_timed():
    good = np.array([3.0, -4.0])
    bench.check(good, good, 0, "it")
    bench.check(good * 1.01, good, 0.011, "it")
    for bad, allowed in ((good * 1.01, 0.009), (good[:1], 1), (good[None], 1), (good * np.nan, 1)):
        with pytest.raises(ValueError, match=r"it: the result .* not timed"):
            bench.check(bad, good, allowed, "it")


def spoiled(kind, spoil):
    """The network of `kind` whose model `spoil` has changed."""

    class Spoiled(kind):
        def __init__(self, threads, dropout):
            super().__init__(threads, dropout)
            spoil(self._model)

    return Spoiled


def forget_a_bias(model):
    weights = model.get_weights()
    weights[3][:] = 0
    model.set_weights(weights)


def learn_faster(model):
    model.optimizer.learning_rate = 2 * model.optimizer.learning_rate


def learn_less(model):
    model.layers[0].trainable = False
    model.compile("adam", "sparse_categorical_crossentropy")


@pytest.mark.parametrize(
    ("spoil", "message"), [(forget_a_bias, "prediction"), (learn_faster, "training step"), (learn_less, "training step")]
)
def test_a_network_that_does_something_else_is_not_timed(spoil, message):
    with fastcnn.num_threads(1):
        assert isinstance(bench.open_network(_peers.FastCNN, 1), _peers.FastCNN)
        with pytest.raises(ValueError, match=message):
            bench.open_network(spoiled(_peers.FastCNN, spoil), 1)


# --- The benchmarks' shapes and expectations -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("op", workloads.OPS)
def test_expected_results_are_those_of_the_reference(name, op):
    layer = SMALL[name]
    x, w, b, dy = workloads.arrays(layer)
    options = {"stride": layer.stride, "padding": layer.padding, "groups": layer.groups}
    y = reference.conv2d(x, w, b, **options)
    assert y.shape == layer.y_shape
    dx, dw, _ = reference.conv2d_backward(dy, x, w, **options)
    scale = {
        "forward": reference.conv2d(abs(x), abs(w), abs(b), **options),
        "input gradient": reference.conv2d_backward(abs(dy), abs(x), abs(w), **options)[0],
        "weight gradient": reference.conv2d_backward(abs(dy), abs(x), abs(w), **options)[1],
    }
    exact = {"forward": y, "input gradient": dx, "weight gradient": dw}
    assert_close(workloads.expected(layer, op), exact[op], terms=layer.terms(op), scale=scale[op])
    task = peers.FastCNN(fastcnn.get_num_threads()).layer(layer, workloads.arrays(layer))[op]
    assert_close(task.result(), exact[op], terms=layer.terms(op), scale=scale[op])


def test_operations_are_counted():
    """One by one, as the loops do them on a padded image: a multiplication and an addition each."""
    layer = SMALL["groups"]
    n, oh, ow, f = layer.y_shape
    assert layer.flops == sum(2 for _ in np.ndindex(n, oh, ow, f, layer.k, layer.k, layer.c // layer.groups))


def test_the_shapes_of_mnist_are_those_of_the_network():
    rows, shape = iter(workloads.read_layers(workloads.SHAPES / "mnist.txt")), (None, 28, 28, 1)
    for layer in networks.mnist_network().layers:
        if layer.weights:
            row, kernel = next(rows), layer.weights["kernel"].shape
            assert row[1:5] == (128, *(shape[1:] if len(shape) == 4 else (1, 1, *shape[1:])))
            assert (row.k, row.k, row.c, row.f) == (kernel if len(kernel) == 4 else (1, 1, *kernel))
            assert (row.stride, row.padding, row.groups) == (1, 0, 1)
        shape = layer.compute_output_shape(shape)
    assert next(rows, None) is None


def test_the_shapes_of_resnet_are_those_of_their_names():
    stem, *rows = workloads.read_layers(workloads.SHAPES / "resnet50.txt")
    assert (stem.y_shape, stem.k) == ((8, 112, 112, 64), 7)
    assert len(set(rows)) == len(rows) == 22
    for row in rows:
        assert row.name == f"resnet50/{row.h}_{row.k}x{row.k}_{row.c}_{row.f}" + "_s2" * (row.stride == 2)
        assert (row.n, row.w, row.padding, row.groups) == (8, row.h, row.k // 2, 1)
        assert row.y_shape == (8, row.h // row.stride, row.h // row.stride, row.f)


def load_script(name):
    """The module in benchmarks/, where `name` is also a module of the tests."""
    spec = importlib.util.spec_from_file_location(f"benchmarks_{name}", BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_comparison_of_kernels(alone, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "SECONDS", 0)
    shapes, output, rows = tmp_path / "small.txt", tmp_path / "small.json", SMALL.values()
    shapes.write_text("# name N H W C F K stride padding groups\n" + "\n".join(" ".join(map(str, row)) for row in rows))
    with fastcnn.num_threads(1):
        load_script("versus").main(["kernels", str(shapes), "--threads", "2", "--rounds", "2", "--json", str(output)])
    records = json.loads(output.read_text())["records"]
    assert [(record["layer"], record["op"]) for record in records] == [(f"small/{row.name}", op) for row in rows for op in workloads.OPS]
    for record in records:
        assert record["seconds"].keys() == {"fastcnn, 1", "fastcnn, 2"}
        assert record["share_of_peak"] > 0 and record["speedup"] > 0
    assert "| small/groups | forward |" in capsys.readouterr().out


def test_what_a_training_step_takes_is_shared_out():
    step = load_script("step")
    before = {name: getattr(_core, name) for name in step.KERNELS}
    clock = ctypes.c_double(5.0)
    result = step.measure(threads=1, batch=1000, rounds=1, clock=clock)
    assert {"conv2d", "conv2d_max_pool2d", "gather_rows", "optimizer_step", "softmax_cross_entropy"} <= result["kernels"].keys()
    assert min(result["kernels"].values()) > 0
    assert result["python"] == result["step"]  # by a clock that stands still, from 0 on
    assert result["python_alone"] > 0
    assert {name: getattr(_core, name) for name in step.KERNELS} == before


def test_a_step_is_not_measured_without_a_clock():
    with pytest.raises(SystemExit, match="-include"):
        load_script("step").kernel_clock()


def test_a_roofline_is_a_picture(tmp_path):
    pytest.importorskip("matplotlib")
    model = fastcnn.Sequential([fastcnn.layers.Input((4,)), fastcnn.layers.Dense(3), fastcnn.layers.Dense(2)])
    profile = model.profile(np.ones((5, 4)), seconds=0)
    load_script("roofline").draw(profile.to_dict(), tmp_path / "roof.png")
    assert (tmp_path / "roof.png").read_bytes().startswith(b"\x89PNG")


# --- The report ----------------------------------------------------------------------------------------------------------


def results(*measured):
    """What pytest-benchmark would have written: for (work, by, median, flops), with a peak of 1 GFLOP/s."""
    info = {"kind": "forward", "shape": "8x8", "threads": 2, "dtype": "float32", "fma_peak": 1e9}
    entries = [
        {"stats": {"median": seconds}, "extra_info": {**info, "work": work, "by": by, "flops": flops}}
        for work, by, seconds, flops in measured
    ]
    return {
        "machine_info": {"machine": "x86_64", "cpu": {"brand_raw": "A processor"}},
        "datetime": "2025-01-02T03:04:05",
        "benchmarks": entries,
    }


MEASURED = results(
    ("a", "fastcnn", 0.004, 3_000_000),
    ("b", "fastcnn", 0.5, None),
    ("a", "PyTorch", 0.010, 3_000_000),
    ("b", "Keras", 0.25, None),
    ("c", "PyTorch", 0.1, None),
)


def test_rows_of_the_report():
    rows = report.read_rows(MEASURED)
    assert [(row.work, row.by, row.ratio) for row in rows] == [
        ("a", "fastcnn", 1),
        ("a", "PyTorch", 2.5),
        ("b", "fastcnn", 1),
        ("b", "Keras", 0.5),
        ("c", "PyTorch", None),
    ]
    assert [(row.gflops, row.share) for row in rows[:3]] == [
        (pytest.approx(0.75), pytest.approx(0.75)),
        (pytest.approx(0.3), pytest.approx(0.3)),
        (None, None),
    ]


def test_a_peak_that_met_noise_changes_no_share():
    noisy = json.loads(json.dumps(MEASURED))
    noisy["benchmarks"][0]["extra_info"]["fma_peak"] /= 2
    assert report.read_rows(noisy) == report.read_rows(MEASURED)


def test_the_report_is_written_beside_the_json(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    (tmp_path / "run.json").write_text(json.dumps(MEASURED))
    report.main([str(tmp_path / "run.json")])
    page = (tmp_path / "run.md").read_text(encoding="utf-8")
    assert "A processor, 2025-01-02. Threads: 2" in page
    assert "| a | PyTorch | 10 ms | 0.3 | 30% | 2.5 |" in page
    assert "| c | PyTorch | 100 ms |  |  |  |" in page
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")
    report.main([str(tmp_path / "run.json"), "--output", str(tmp_path / "new" / "folder")])
    assert (tmp_path / "new" / "folder" / "run.md").read_text(encoding="utf-8") == page
    assert str(tmp_path / "run.md") in capsys.readouterr().out
