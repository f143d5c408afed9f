"""A node for the tests: the one that is up, or one that is brought up and ended for them."""

from collections.abc import Iterator

import pytest

from tests.cluster.node import lifecycle, space


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    """A node that is up."""
    there = space.outer() is not None
    lifecycle.up()
    yield
    if not there:
        lifecycle.down()
