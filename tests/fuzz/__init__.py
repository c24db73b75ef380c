"""A fuzzer of the public kernels: calls drawn from a seed, each held against the reference; what is found is kept in `fuzz.found`.

``python -m fuzz --calls 100000`` makes so many calls, in processes of their own, which may crash and hang; what it finds is made smaller
and printed as Python. The files:

    choices.py         decisions, from a seed, a list, or Hypothesis
    calls.py           a call as data
    geometry.py        arrays, pairs, and windows on planes, drawn
    draw_*.py          the arguments of an operation
    drawing.py         a call of any operation, perhaps with a bad argument
    oracle.py          the reference at once, and how far a result may be off
    expect_*.py        what must come of an operation
    windows.py  rows.py  networks.py    both, for the smaller operations
    operations.py      the table of all of them
    checking.py        a call made and checked
    campaign.py        many, in processes that are watched
"""
