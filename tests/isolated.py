"""Cases in child processes: a crash or a hang is the failure of one case, which is named, and the others run all the same.

The cases are those of a module's list ``TABLE``, which its function ``run(case)`` runs; an exception is a failure. A child is given the
numbers of cases, and writes a line of JSON when it begins one and when it has ended it; so few children serve many cases.
"""

import concurrent.futures
import faulthandler
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback

#: Children at a time.
CHILDREN = 2


def outcomes_of(module, indices, seconds):
    """Return what failed of each of the cases with these indices, or "" for what passed; more than so many `seconds` are a hang."""
    batches = [indices[first::CHILDREN] for first in range(CHILDREN)]
    with concurrent.futures.ThreadPoolExecutor(CHILDREN) as pool:
        parts = pool.map(_outcomes_of_batch, [module] * CHILDREN, batches, [seconds] * CHILDREN)
        return {index: failure for part in parts for index, failure in part.items()}


def _outcomes_of_batch(module, indices, seconds):
    """Run a batch: by one child as a rule, and by another one for what is left after each crash."""
    outcomes = {}
    while left := [index for index in indices if index not in outcomes]:
        began = None
        with tempfile.TemporaryFile("w+") as errors:
            command = [sys.executable, "-W", "error", __file__, module, str(seconds)]
            environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
            with subprocess.Popen(
                command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            ) as child:
                json.dump(left, child.stdin)
                child.stdin.close()
                for line in child.stdout:
                    index, failure = json.loads(line)
                    began = index if failure is None else None
                    if failure is not None:
                        outcomes[index] = failure
            errors.seek(0)
            if began is not None:
                outcomes[began] = f"{_end_of(child.returncode)}\n{errors.read()[-3000:]}"
            elif left[-1] not in outcomes:
                raise RuntimeError(f"the child of {module} did not run its cases: {_end_of(child.returncode)}\n{errors.read()[-3000:]}")
    return outcomes


def _end_of(status):
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}, as after a hang"


def main(module, seconds):
    """Run the cases whose numbers are on the standard input; what they print goes to the standard error."""
    seconds = float(seconds)
    faulthandler.enable()
    faulthandler.dump_traceback_later(60, exit=True)
    cases = importlib.import_module(module)
    with os.fdopen(os.dup(1), "w", buffering=1) as report:
        os.dup2(2, 1)
        for index in json.load(sys.stdin):
            faulthandler.dump_traceback_later(seconds, exit=True)  # by a thread of C, which needs no GIL
            print(json.dumps([index, None]), file=report)
            try:
                cases.run(cases.TABLE[index])
                failure = ""
            except Exception:
                failure = traceback.format_exc()
            faulthandler.cancel_dump_traceback_later()
            print(json.dumps([index, failure]), file=report)


if __name__ == "__main__":
    main(*sys.argv[1:])
