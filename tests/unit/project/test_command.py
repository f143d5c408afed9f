"""The command `iris` itself, whichever parts are installed beside it."""

import pytest
from click.testing import CliRunner

import iris


def test_a_command_whose_part_is_absent_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that an image has no package for ends in words, with wrong usage's code."""
    absent = iris.Entry("absent.commands:fly", "Fly.")
    monkeypatch.setitem(iris.COMMANDS, "fly", absent)
    done = CliRunner().invoke(iris.cli, ["fly"])
    assert done.exit_code == 2
    assert "iris fly needs the package absent, which is not installed here" in done.output
