"""Which branches of validation and of the arithmetic of shapes no test takes: a table for Python and one for C; any is a failure.

Run by ``make coverage``, which has run the tests before. What C's headers hold is compiled into several objects and, in texts that are
included for float and for double, twice into one: the counts of a branch add up. The objects are not optimised, so that a branch is one of
the text, but for the two of a condition that the compiler knows the value of, which gcov leaves out itself.
"""

import collections
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OBJECTS = ROOT / "build/ctest/coverage"

#: What works out shapes in C: sizes, windows, phases, lanes, regions, and which method. What does in Python is in pyproject.toml.
IN_C = ("memory.h", "windows.h", "axes.h", "lanes.h", "regions.h", "algorithm.c")


def branches_in_c() -> dict[tuple[str, int, int], int]:
    """How often each branch was taken, by (file, line, number of the branch in the line)."""
    counts: dict[tuple[str, int, int], int] = collections.Counter()
    data = sorted(OBJECTS.rglob("*.gcda"))
    command = ["gcov", "--branch-probabilities", "--json-format", "--stdout", *(str(path) for path in data)]
    for document in subprocess.run(command, check=True, capture_output=True, text=True, cwd=OBJECTS).stdout.splitlines():
        for file in json.loads(document)["files"]:
            name = Path(file["file"]).name
            for line in file["lines"] if name in IN_C else []:
                for number, branch in enumerate(line["branches"]):
                    counts[name, line["line_number"], number] += branch["count"]
    return counts


def main() -> int:
    """Print both tables; 1 if a branch is missing."""
    python = subprocess.run([sys.executable, "-m", "coverage", "report", "--fail-under=100"], check=False).returncode
    counts = branches_in_c()
    print(f"\n{'C':<20}{'branches':>10}{'taken':>8}   lines of others")
    complete = True
    for name in IN_C:
        taken = {place: count > 0 for place, count in counts.items() if place[0] == name}
        missing = sorted({line for (_, line, _), was in taken.items() if not was})
        complete = complete and bool(taken) and not missing
        print(f"{name:<20}{len(taken):>10}{sum(taken.values()):>8}   {', '.join(map(str, missing))}")
    return int(python != 0 or not complete)


if __name__ == "__main__":
    sys.exit(main())
