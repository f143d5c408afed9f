"""The registry's commands: what is wrong usage is told before anything is asked or written."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from registry import commands

REASONS = [
    (commands.gates, ["2", "--allow-contract-change"]),
    (commands.promote, ["2", "--reason"]),
    (commands.promote, ["2", "--accept-inconclusive"]),
    (commands.promote, ["2", "--force"]),
    (commands.promote, ["2", "--allow-contract-change"]),
    (commands.rollback, ["--reason"]),
    (commands.recover, ["--takeover"]),
    (commands.reconcile, ["--to", "ledger", "--reason"]),
]


@pytest.mark.parametrize(("command", "words"), REASONS, ids=str)
def test_a_reason_that_is_no_text_is_wrong_usage(
    tmp_path: Path, command: click.Command, words: list[str]
) -> None:
    """A byte that is no UTF-8 can't be recorded: the option is named, and nothing is written."""
    home = {"IRIS_HOME": str(tmp_path)}
    done = CliRunner().invoke(command, [*words, "caf\udce9"], env=home)
    assert done.exit_code == 2
    assert f"Invalid value for '{words[-1]}'" in done.output
    assert not list(tmp_path.iterdir())


def test_every_reason_is_looked_at() -> None:
    """The options above are all that take words for the ledger."""
    found = [
        (command.name, option.opts[0])
        for command in vars(commands).values()
        if isinstance(command, click.Command)
        for option in command.params
        if isinstance(option.type, commands.Reason)
    ]
    assert sorted(found) == sorted((command.name, words[-1]) for command, words in REASONS)
