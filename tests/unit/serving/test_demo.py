"""`iris demo` shows the commands that a user would type."""

import subprocess

import pytest

from serving import demo


def test_a_command_is_shown_as_it_can_be_typed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pasted into a shell, a reason of two words stays one."""
    done = subprocess.CompletedProcess[bytes]([], 0)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    demo._release({"troubles": [], "registered": {"versions": [1]}, "release": None})
    assert "$ iris promote 1 --reason 'the first' --watch 0s" in capsys.readouterr().out
