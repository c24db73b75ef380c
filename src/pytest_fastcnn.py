"""The pytest plugin: a fixture `verify`, for ``def test_my_conv2d(verify): verify(my_conv2d)``.

A module of its own beside the package, for pytest imports plugins in every run: that of the package would import NumPy and the kernels,
in projects that have nothing to do with them. `fastcnn` is imported by the first test that uses the fixture.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fastcnn.teaching.verification import Verification


@pytest.fixture
def verify() -> Callable[..., Verification]:
    """`fastcnn.verify`, such that the test fails, with the report for a message, unless all is right."""
    import fastcnn

    def verified(*arguments: Any, **options: Any) -> Verification:
        verification = fastcnn.verify(*arguments, **options)
        if not verification:
            pytest.fail(str(verification), pytrace=False)
        return verification

    return verified
