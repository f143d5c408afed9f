"""What programs do to their process, undone."""

import logging
from collections.abc import Iterator

import pytest

from serving.logs import OURS


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Leave the root logger as it was, whichever program has begun to log."""
    root = logging.getLogger()
    handlers = root.handlers[:]
    levels = {name: logging.getLogger(name).level for name in (None, *OURS)}
    yield
    root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
