"""A starter whose programs are forked."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """By default all tests run by a pool, and by forks those that are marked `both_ways`; with
    `--way`, all run by that way alone.
    """
    asked = config.getoption("--way")

    def is_wanted(item: pytest.Item) -> bool:
        callspec = getattr(item, "callspec", None)
        if "tests/server/" not in item.path.as_posix() or callspec is None:
            return True
        way = callspec.params.get("way", "pool")
        if asked != "thaw":
            return way == asked
        return way == "pool" or item.get_closest_marker("both_ways") is not None

    left_out = [item for item in items if not is_wanted(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if is_wanted(item)]


@pytest.fixture(params=["fork", "pool"])
def way(request: pytest.FixtureRequest) -> str:
    """How the programs of a test are started."""
    return request.param
