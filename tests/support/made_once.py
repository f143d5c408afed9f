"""What is costly to make and only read: made by the first worker that asks, for all of them."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder of this run of the tests, which `make` has filled once.

    Each worker has a temporary folder of its own, below one that all of them share. The others wait
    for the one that is at work; where it fails, the next one tries.
    """
    own = factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / name
    with folder.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.with_suffix(".made").exists():
            folder.mkdir(exist_ok=True)
            make(folder)
            folder.with_suffix(".made").touch()
    return folder
