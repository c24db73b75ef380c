"""Every operation, each of whose calls for memory is refused once: run with ``ctest/refusals.c`` loaded before the C library.

It prints an operation's name, how often it was refused memory, and what the errors said.
"""

import ctypes
from pathlib import Path

import numpy as np
from compare import assert_same_bits
from operations import NETWORKS, OPERATIONS, arrays_of, assert_all_same_bits, network, results_of

import fastcnn
from fastcnn import _core


def code_of(file):
    """Where the system put a library's code: two addresses."""
    lines = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
    (code,) = [line[0] for line in lines if line[-1] == file and "x" in line[1]]
    return [int(address, 16) for address in code.split("-")]


def refused_one_by_one(refusals, call, arrays):
    """How often a call was refused memory, and what the errors said; behind each, the call is as good as ever, on arrays as they were."""
    before, expected = [array.copy() for array in arrays], call(arrays)
    times, messages = 0, set()
    while True:
        refusals.grant(times)
        try:
            results = call(arrays)
        except MemoryError as error:
            messages.add(str(error))
        else:  # it was granted all, or did without
            assert_all_same_bits(results, expected)
        was_refused = refusals.refused()
        refusals.grant(-1)
        assert_all_same_bits(call(arrays), expected)
        for array, old in zip(arrays, before, strict=True):
            assert_same_bits(array, old)
        if not was_refused:
            return times, messages
        times += 1


def main():
    refusals = ctypes.CDLL(None)
    refusals.grant.argtypes, refusals.watch.argtypes, refusals.refused.restype = [ctypes.c_int64], [ctypes.c_size_t] * 2, ctypes.c_bool
    refusals.watch(*code_of(_core.__file__))
    _core.set_least_share(0)
    fastcnn.set_num_threads(2)
    calls = {name: lambda arrays, name=name: results_of(name, arrays) for name in (*OPERATIONS, *NETWORKS)}
    calls["a new session"] = lambda arrays: (fastcnn.InferenceSession(network(), batch_size=2).run(*arrays),)
    for name, call in calls.items():
        arrays = arrays_of("a session" if name == "a new session" else name, np.float32)
        times, messages = refused_one_by_one(refusals, call, arrays)
        print(name, times, "; ".join(sorted(messages)), sep="\t")


if __name__ == "__main__":
    main()
