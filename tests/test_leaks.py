"""Calls, those that fail included, keep nothing: no memory, no block of Python's, no reference."""

import gc
import subprocess
import sys

import numpy as np
import pytest
from bad_inputs import CALLS, CASES
from input_table import OPERATIONS
from kernels import by_name
from operations import NETWORKS, arrays_of, results_of

#: Calls of all operations in turns, and of all that fail, as many as are asked for; and what grew meanwhile.
MEASURE = """
import gc, itertools, os, sys
sys.path[:0] = sys.argv[2:]
import numpy as np
from bad_inputs import CASES
from input_table import OPERATIONS
from operations import NETWORKS, arrays_of, results_of

GOOD = [(function, arguments) for function, arguments in OPERATIONS.values()]
BAD = [(OPERATIONS[case.operation][0], {**OPERATIONS[case.operation][1], **case.changes}, case.error) for case in CASES]

def call(count):
    for (function, arguments), (bad, spoilt, error) in itertools.islice(zip(itertools.cycle(GOOD), itertools.cycle(BAD)), count // 2):
        function(**arguments)
        try:
            bad(**spoilt)
        except error:
            pass
    for name in NETWORKS:
        for _ in range(count // 5000):
            results_of(name, arrays_of(name, np.float32))

def size():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE"), sys.getallocatedblocks()

call(10_000)
before = size()
call(int(sys.argv[1]))
print(*(after - begin for begin, after in zip(before, size())))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells a process's size")
def test_many_small_calls_take_no_memory():
    calls = 100_000
    output = subprocess.run([sys.executable, "-c", MEASURE, str(calls), *sys.path], capture_output=True, text=True, check=True).stdout
    bytes_more, blocks_more = map(int, output.split())
    assert bytes_more < 2**20
    assert blocks_more < calls / 100


def references(objects):
    """How many references there are to the arrays among objects, and to the dtypes that results share."""
    arrays = [each for each in objects if isinstance(each, np.ndarray)]
    return [sys.getrefcount(each) for each in (*arrays, *map(np.dtype, (np.float32, np.float64, np.int64)))]


def same_references(call, objects):
    """Whether a call, made a few times, leaves the references as they were."""
    call()
    before = references(objects)
    for _ in range(5):
        call()
    return references(objects) == before


@by_name(CALLS)
def test_a_call_keeps_no_reference(name):
    function, arguments = CALLS[name]
    assert same_references(lambda: function(**arguments), arguments.values())


@by_name(NETWORKS)
def test_a_network_keeps_no_reference(name):
    """To its inputs; NumPy's `Generator.uniform`, which draws weights, keeps one to float64 each time."""
    (x,) = arrays_of(name, np.float32)
    before = sys.getrefcount(x)
    for _ in range(5):
        results_of(name, [x])
    gc.collect()  # layers and tensors know each other
    assert sys.getrefcount(x) == before


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_call_that_fails_keeps_no_reference(case):
    function, arguments = OPERATIONS[case.operation]
    arguments = {**arguments, **case.changes}

    def fail():
        with pytest.raises(case.error):
            function(**arguments)

    assert same_references(fail, arguments.values())


@by_name(CALLS)
def test_a_result_has_one_reference(name):
    function, arguments = CALLS[name]
    results = function(**arguments)
    results = list(results) if isinstance(results, tuple) else [results]
    arrays = [result for result in results if isinstance(result, np.ndarray)]
    del results
    while arrays:
        array = arrays.pop()
        assert sys.getrefcount(array) == 2
