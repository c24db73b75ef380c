"""Check that a wheel holds what it should, and nothing else: ``python tools/check_wheel.py fastcnn-*.whl``."""

import sys
import zipfile
from pathlib import Path, PurePosixPath

MOST_BYTES = 2_000_000
WANTED = (
    "pytest_fastcnn.py",
    "fastcnn/py.typed",
    "fastcnn/_core.pyi",
    "fastcnn/datasets/mnist_sample.npz",
    "fastcnn/datasets/mnist_sample.LICENSE.txt",
)
ALLOWED = {".py", ".pyi", ".so", ".typed", ".npz", ".txt", ".html", ".css", ".js"}


def faults(path: str) -> list[str]:
    """What is wrong with the wheel at `path`."""
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
    size = Path(path).stat().st_size
    found = [f"{name} is missing" for name in WANTED if name not in names]
    if sum(name.startswith("fastcnn/_core.") and name.endswith(".so") for name in names) != 1:
        found.append("there must be one extension module")
    for name in names:
        if not name.startswith("fastcnn/"):
            if ".dist-info/" not in name and name != "pytest_fastcnn.py":
                found.append(f"{name} does not belong into the wheel")
        elif PurePosixPath(name).suffix not in ALLOWED:
            found.append(f"{name} is of a kind that does not belong into the wheel")
    if size >= MOST_BYTES:
        found.append(f"{size} bytes are not less than {MOST_BYTES}")
    print(f"{path}: {len(names)} files, {size / 1e6:.3f} MB")
    return found


if __name__ == "__main__":
    problems = [problem for path in sys.argv[1:] for problem in faults(path)]
    print("\n".join(problems) or "the contents are right")
    sys.exit(bool(problems) or len(sys.argv) < 2)
