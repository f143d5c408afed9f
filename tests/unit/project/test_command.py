"""The command `iris` itself, whichever parts are installed beside it."""

import signal
import sys

import click
import pytest
from click.testing import CliRunner

import iris


@pytest.mark.parametrize(
    ("place", "needed"),
    [("absent.commands:fly", "absent"), ("serving.absent:fly", "serving.absent")],
)
def test_a_command_whose_part_is_absent_says_so(
    monkeypatch: pytest.MonkeyPatch, place: str, needed: str
) -> None:
    """A command that an image has not, or not the whole package for, ends in words."""
    monkeypatch.setitem(iris.COMMANDS, "fly", iris.Entry(place, "Fly."))
    done = CliRunner().invoke(iris.cli, ["fly"])
    assert done.exit_code == 2
    assert f"iris fly needs {needed}, which is not installed here" in done.output


def test_sigterm_ends_a_command_that_does_not_handle_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's first process gets no signal that it has no handler for."""

    @click.command()
    def wait() -> None:
        signal.raise_signal(signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(iris.cli, "get_command", lambda *_: wait)
    monkeypatch.setattr(sys, "argv", ["iris", "wait"])
    with pytest.raises(SystemExit) as end:
        iris.main()
    signal.signal(signal.SIGTERM, before)
    assert end.value.code == 128 + signal.SIGTERM
