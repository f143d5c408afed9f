"""A first version is let serve by commands that a user would type."""

import json
import subprocess

import pytest

from serving import bootstrap


def test_a_command_is_shown_as_it_can_be_typed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pasted into a shell, a reason of two words stays one."""
    status: dict[str, object] = {"troubles": [], "registered": {"versions": [1]}, "release": None}
    done = subprocess.CompletedProcess[str]([], 0, stdout=json.dumps(status))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    bootstrap.let_one_serve()
    assert "$ iris promote 1 --reason 'the first' --watch 0s" in capsys.readouterr().out
