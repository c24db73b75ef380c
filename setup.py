"""Builds the extension module ``fastcnn._core``; everything else about the package stands in pyproject.toml.

``FASTCNN_DEBUG=1`` builds it with the asserts and bounds checks that a release leaves out.
"""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

DEBUG = os.environ.get("FASTCNN_DEBUG", "0") != "0"

#: Each ISA unit names its own target inside, so that one set of flags, for the baseline processor, serves all.
COMPILE_ARGS = [
    "-std=gnu17",
    "-ffp-contract=fast",  # a * b + c may be one instruction; nothing else about arithmetic is relaxed
    "-fno-math-errno",
    "-fvisibility=hidden",
    # Nothing is ever thrown through C's frames: what would say how to leave them is 1% of the wheel, which is to stay small.
    # Of variables, which a debugger would show, the compiler would keep track for half of its time.
    *(["-O1", "-g1", "-UNDEBUG"] if DEBUG else ["-O3", "-g0", "-DNDEBUG", "-fno-asynchronous-unwind-tables"]),
]

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "wraparound": False,
    "initializedcheck": DEBUG,
    "cdivision": not DEBUG,
    "freethreading_compatible": True,
}

csrc = Path("csrc")
core = Extension(
    "fastcnn._core",
    sources=["src/fastcnn/_core.pyx", *map(str, sorted(csrc.glob("*.c"))), *map(str, sorted(csrc.glob("isa/*.c")))],
    depends=[
        *map(str, sorted(Path("src/fastcnn").glob("*.pxi"))),
        *map(str, sorted(csrc.glob("*.h"))),
        *map(str, sorted(csrc.glob("*.inc"))),
    ],
    include_dirs=[str(csrc)],
    extra_compile_args=COMPILE_ARGS,
    extra_link_args=["-pthread"],
)

setup(ext_modules=cythonize([core], build_dir="build/cython", compiler_directives=DIRECTIVES))
