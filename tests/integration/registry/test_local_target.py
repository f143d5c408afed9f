"""What serves on this machine, where a promotion has to start it."""

from pathlib import Path

import pytest

from artifacts.settings import load
from registry.errors import TargetUnavailable
from registry.rollout.local import open_local_target
from registry.settings import RegistrySettings


def test_a_supervisor_that_does_not_start_is_told_with_its_own_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is what it said, and not the hint below that."""
    (tmp_path / "run").write_text("no folder")
    monkeypatch.setenv("IRIS_HOME", str(tmp_path))
    target = open_local_target(load(RegistrySettings), start=True)
    with pytest.raises(TargetUnavailable) as told, target:
        pass
    reason = f"IRIS_HOME={tmp_path} cannot be written to: File exists"
    assert told.value.message == f"the supervisor did not start: {reason}"
