"""How many processes tests run in."""

import os

#: Beyond some, all wait for the slowest file; and each of them may hold a TensorFlow.
MOST_WORKERS = 4


def pytest_xdist_auto_num_workers(config):
    """Share the whole suite out among processes; what is asked for by name, a file or a benchmark, has this one for itself."""
    whole = config.args_source is config.ArgsSource.TESTPATHS
    return min(os.cpu_count() or 1, MOST_WORKERS) if whole else 0
