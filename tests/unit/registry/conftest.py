from pathlib import Path

import pytest

from tests.unit.registry.fakes import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return an environment with nothing registered, promoted or serving."""
    return World(tmp_path)
