"""The kernels without Python: the harness in ``ctest/`` is built and run."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

MISSING = [program for program in ("make", "gcc") if shutil.which(program) is None]


@pytest.mark.skipif(bool(MISSING), reason=f"there is no {' and no '.join(MISSING)}")
def test_the_kernels_pass_their_harness_in_c():
    command = ["make", "--no-print-directory", "-C", Path(__file__).parent / "ctest", "check"]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout + process.stderr
    told = re.fullmatch(r"(\d+) passed, 0 failed", process.stdout.splitlines()[-1])
    assert told
    assert int(told[1]) > 0
