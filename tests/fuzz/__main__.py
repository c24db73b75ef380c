"""``python -m fuzz``: see `fuzz`."""

import argparse
import sys
import time

from fuzz.campaign import alone, run, smaller
from fuzz.found import FOUND


def told(found, counts):
    return f"{sum(counts):,} calls: {counts[1]:,} accepted, {counts[0]:,} refused, {len(found)} wrong"


def main():
    parser = argparse.ArgumentParser("fuzz", description="Make calls of the kernels, drawn from a seed, and check what comes of them.")
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes, which share the calls")
    arguments = parser.parse_args()
    begun = time.monotonic()
    again = {name: what for name, call in FOUND.items() if (what := alone(call))}
    for name, what in again.items():
        print(f"# {name}: {what}\ncheck(FOUND[{name!r}])", flush=True)
    found, counts = run(**vars(arguments), report=lambda *state: print(told(*state), file=sys.stderr, flush=True))
    print(f"{told(found, counts)}, in {time.monotonic() - begun:.0f} s of seed {arguments.seed}", flush=True)
    for index, what in found:
        call, still = smaller(arguments.seed, index)
        print(
            f"\n# call {index}: {what}\n# and the smallest like it: {still or what}\nfrom fuzz.found import *\n\ncheck({call!r})",
            flush=True,
        )
    return bool(found or again)


if __name__ == "__main__":
    sys.exit(main())
