"""A starter whose programs are forked."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["fork", "pool"])
def way(request: pytest.FixtureRequest) -> str:
    """Each test of a server runs for both."""
    return request.param
