import click
import pytest
from click.testing import CliRunner

from training import commands


@pytest.mark.parametrize("command", [commands.train, commands.register, commands.import_])
def test_help_shows_an_example(command: click.Command) -> None:
    """Each help ends with a command that one can type."""
    told = CliRunner().invoke(command, ["--help"]).output
    assert f"Example: iris {command.name} " in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "tulips"], "'tulips' is not one of 'logistic'"),
        (["--seed", "-1"], "-1 is not in the range"),
        (["--seed", "two"], "'two' is not a valid integer"),
    ],
)
def test_wrong_usage(arguments: list[str], said: str) -> None:
    """Wrong usage ends with 2 before anything is imported or made."""
    done = CliRunner().invoke(commands.train, arguments)
    assert done.exit_code == 2
    assert said in done.output
