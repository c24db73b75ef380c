"""Many calls, in processes that may crash and hang, each watched; what is found is made smaller."""

import multiprocessing
import os
import time
import warnings
from typing import NamedTuple

from fuzz.checking import Wrong, check
from fuzz.choices import Choices, reduced
from fuzz.drawing import drawn

#: A call hangs that takes so many seconds of a processor, or so many of a busy machine's.
HANG, STALLED = 2.0, 30.0
#: So many calls are kept of a run: more say nothing new.
KEPT = 20

fork = multiprocessing.get_context("fork")


class Found(NamedTuple):
    """What was wrong about call `index`."""

    index: int
    what: str


class Watched:
    """A process that makes calls: `numbered` gives pairs of a number and a call."""

    def __init__(self, numbered):
        self.counts = fork.RawArray("q", 3)  # the number of the call that is made; how many were refused, and accepted
        self.reports, sending = fork.Pipe(duplex=False)
        self.process = fork.Process(target=self.work, args=(numbered, sending), daemon=True)
        self.process.start()
        sending.close()
        self.seen, self.begun, self.spent = -1, 0.0, 0.0

    def work(self, numbered, sending):
        warnings.simplefilter("error")
        for index, call in numbered():
            self.counts[0] = index
            what, accepted = verdict(call)
            self.counts[1 + accepted] += 1
            if what:
                sending.send(Found(index, what))
        os._exit(0)  # at once: whatever runs at a process's end belongs to the one that was forked

    def ended(self):
        return self.process.exitcode is not None

    def found(self):
        """What has been found since it was asked last, a crash and a hang with it, which end the process."""
        ended, found = self.ended(), []
        try:
            while self.reports.poll():
                found.append(self.reports.recv())
        except EOFError:
            pass
        if ended and self.process.exitcode != 0:
            found.append(Found(self.counts[0], f"crashed with exit code {self.process.exitcode}"))
        elif not ended and self.hangs():
            self.process.kill()
            self.process.join()
            found.append(Found(self.counts[0], f"took more than {HANG} s"))
        return found

    def hangs(self):
        """Whether it is at the same call for too long."""
        now, spent = time.monotonic(), processor_time(self.process.pid)
        if self.seen != self.counts[0]:
            self.seen, self.begun, self.spent = self.counts[0], now, spent
        return spent - self.spent > HANG or now - self.begun > STALLED


def verdict(call):
    """What is wrong about a call, or "", and whether it was accepted."""
    try:
        return "", check(call)
    except Wrong as wrong:
        return str(wrong), True


def processor_time(pid):
    """Seconds that a process has computed."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(calls, seed=0, jobs=1, report=None):
    """Make calls of a seed in `jobs` processes; return what was found, and how many calls were refused, and accepted.

    `report`, if there is one, is called with both every ten seconds.
    """

    def start(first):
        return Watched(lambda: ((index, drawn(Choices.at_random(seed, index))) for index in range(first, calls, jobs)))

    workers = [start(job) for job in range(jobs)]
    found, before, reported = [], [0, 0], time.monotonic()
    while workers and len(found) < KEPT:
        time.sleep(0.05)
        for worker in [*workers]:
            ended, new = worker.ended(), worker.found()
            found += new
            if ended or worker.ended():
                workers.remove(worker)
                before = [count + more for count, more in zip(before, worker.counts[1:], strict=True)]
                if worker.process.exitcode != 0:
                    workers.append(start(worker.counts[0] + jobs))
        if report and time.monotonic() - reported > 10:
            reported = time.monotonic()
            report(found, [count + sum(worker.counts[i] for worker in workers) for i, count in enumerate(before, 1)])
    for worker in workers:
        worker.process.kill()
    return found, before


def alone(call):
    """What is wrong about a call, or "", found out in a process of its own."""
    worker = Watched(lambda: [(0, call)])
    while True:
        worker.process.join(0.002)
        ended, found = worker.ended(), worker.found()
        if found or ended:
            return found[0].what if found else ""


def smaller(seed, index):
    """The smallest call like that of a seed that is wrong as well, and what is wrong about it."""
    choices = Choices.at_random(seed, index)
    drawn(choices)
    call = drawn(Choices.again(reduced(choices.made, lambda made: alone(drawn(Choices.again(made))) != "")))
    return call, alone(call)
