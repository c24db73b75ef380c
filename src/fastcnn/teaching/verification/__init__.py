"""Verify one's own convolution, pooling or gradient against `fastcnn.reference`, and be told what is wrong.

How it goes::

    operations.py   what an operation takes and gives, and its forms: batch, image, plane
    specs.py        what the cases are about; cases.py makes arrays of them, as Python text
    binding.py      which parameter of the function is which array or option
    running.py      a call: results, exceptions, time, changed inputs
    causes.py       which bugs are borne out; bugs_*.py the tables of bugs; patterns.py what else can be seen
    gradients.py    central differences
    speed.py        beside fastcnn
    report.py       the text
"""

from .report import Verification
from .verifying import verify

__all__ = ["Verification", "verify"]
