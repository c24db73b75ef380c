"""The kernels without Python: the harness in ``ctest/`` is built and run."""

import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MISSING = [program for program in ("make", "gcc") if shutil.which(program) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"there is no {' and no '.join(MISSING)}")


def make(*arguments):
    """Return what make prints in the harness's folder."""
    command = ["make", "--no-print-directory", "-C", ROOT / "tests/ctest", *arguments]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def assert_all_passed(output):
    told = re.fullmatch(r"(\d+) passed, 0 failed", output.splitlines()[-1])
    assert told
    assert int(told[1]) > 0


@pytest.fixture(scope="module")
def harness():
    """What the harness prints; its objects are there afterwards."""
    return make("check")


def test_the_kernels_pass_their_harness_in_c(harness):
    assert_all_passed(harness)


def test_the_kernels_stay_within_arrays_beside_guarded_pages(harness):
    output = make("shapes-check", "SHAPES=300")
    assert_all_passed(output)
    declared = re.findall(r"^(?:int|void) (?:FCNN\(|fcnn_)(\w+)", (ROOT / "csrc/api.inc").read_text(), re.MULTILINE)
    ran = re.findall(r"^(\w+)_f(?:32|64): 300 shapes", output, re.MULTILINE)
    assert sorted(ran) == sorted(2 * declared)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="instructions are told by their names on x86-64")
@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize(("isa", "accumulators"), [("avx2", 6 * 2), ("avx512", 6 * 4)])
def test_the_measured_peak_runs_every_multiplication_that_it_counts(harness, isa, accumulators, dtype):
    code = ROOT / f"build/ctest/check/isa/{isa}.o"
    command = ["objdump", f"--disassemble=fma_rounds_{dtype}", code]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    # A compiler may find out what an accumulator comes to, and leave it out; it may also unroll the loop.
    found = len(re.findall(r"\bvfmadd\d+p[sd]\b", listing))
    assert found > 0
    assert found % accumulators == 0
