import os
from pathlib import Path

import pytest

from tests.unit.registry.fakes import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return an environment with nothing registered, promoted or serving."""
    return World(tmp_path)


@pytest.fixture(autouse=True)
def no_power_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no disk: that what is written stays is tested with the stores."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
