"""The registry's commands: wrong usage is told first, and programs are told of failures too."""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from artifacts.errors import IrisError, UsageError
from registry import commands, versions, workspace
from registry.events import Recording, Teller
from registry.promotion import Request, promote
from registry.settings import RegistrySettings
from registry.workspace import Workspace, open_workspace
from tests.unit.registry.fakes import World

REASONS = [
    (commands.gates, ["2", "--allow-contract-change"]),
    (commands.promote, ["2", "--reason"]),
    (commands.promote, ["2", "--accept-inconclusive"]),
    (commands.promote, ["2", "--force"]),
    (commands.promote, ["2", "--allow-contract-change"]),
    (commands.rollback, ["--reason"]),
    (commands.recover, ["--takeover"]),
    (commands.reconcile, ["--to", "ledger", "--reason"]),
    (commands.continue_ledger, ["--after", "3", "--reason"]),
    (commands.failover, ["--reason"]),
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


@pytest.fixture
def failed(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Return what runs a command that fails on the world, and returns its last line."""

    def run(
        command: click.Command, *words: str, at: Callable[[str], None] = lambda _: None
    ) -> dict[str, Any]:
        @contextlib.contextmanager
        def opened(_: RegistrySettings, teller: Teller) -> Iterator[Workspace]:
            work = world.work()
            work.step, work.told, work.progress = teller.step, teller.told, teller.progress
            work.crash_point = at
            yield work

        monkeypatch.setattr(workspace, "open_workspace", opened)
        home = {"IRIS_HOME": str(world.folder)}
        done = CliRunner().invoke(command, [*words, "--json"], env=home)
        assert isinstance(done.exception, IrisError)
        last = json.loads(done.stdout.splitlines()[-1])
        assert isinstance(last, dict)
        assert last["exit_code"] == done.exception.exit_code
        return last

    return run


def no_operation(world: World, number: int) -> str:
    """Return what is said to do about a number that no operation has."""
    home = {"IRIS_HOME": str(world.folder)}
    done = CliRunner().invoke(commands.history, [str(number)], env=home)
    assert isinstance(done.exception, UsageError)
    assert f"there is no operation {number}" in done.exception.message
    return done.exception.hint


def test_the_operation_that_a_record_is_of_is_named(world: World) -> None:
    """A number that some screen has shown may be that of a later record of an operation."""
    promote(world.work(), Request(world.register()))
    assert no_operation(world, 2).endswith("; record 2 is of 1: iris history 1")
    for none in (0, 99):
        assert no_operation(world, none).endswith("first record; iris history lists them")


def test_what_was_not_compared_with_the_ledger_is_told(world: World) -> None:
    """A stamp that could not be asked for does not count as one that agrees."""
    promote(world.work(), Request(world.register()))
    home = {"IRIS_HOME": str(world.folder), "MLFLOW_TRACKING_URI": ""}
    done = CliRunner().invoke(commands.verify_ledger, env=home)
    assert done.stdout.splitlines()[1:] == [
        "stamps that agree: none was there to compare with",
        "not compared with the stamp in what serves: it does not answer",
        "not compared with the stamp in MLflow: it does not answer",
    ]


def test_that_mlflow_is_asked_is_told_before_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That takes seconds, in which a rollback seemed to do nothing; it is told once."""
    told = Recording()
    opened = list[list[str]]()
    monkeypatch.setattr(versions, "open_versions", lambda _: opened.append([*told.words]))
    with open_workspace(RegistrySettings(iris_home=str(tmp_path)), told) as work:
        assert told.words == []
        assert work.versions is work.versions
    assert opened == [["asking MLflow"]]
    assert told.words == ["asking MLflow"]


def test_a_program_is_told_why_the_gates_refuse(
    world: World, failed: Callable[..., dict[str, Any]]
) -> None:
    """The last line is an object then too, with what the gates said."""
    last = failed(commands.promote, str(world.register(tilt=50.0)))
    assert last["exit_code"] == 1
    assert "is not promoted" in last["error"]
    assert "train a better one" in last["hint"]
    assert {"integrity", "quality"} <= {finding["gate"] for finding in last["report"]["findings"]}


def test_a_program_is_told_that_it_was_interrupted(
    world: World, failed: Callable[..., dict[str, Any]]
) -> None:
    """Ctrl-C too ends with an object: what serves, what is open, what to do."""

    def press(here: str) -> None:
        if here == "during roll out":
            raise KeyboardInterrupt

    last = failed(commands.promote, str(world.register()), "--watch", "0s", at=press)
    assert last["exit_code"] == 130
    assert last["error"].startswith("interrupted; ")
    assert "iris recover" in last["hint"]
    assert last["report"]["version"] == 1


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (commands.gates, ["1"]),
        (commands.promote, ["1"]),
        (commands.rollback, []),
        (commands.reconcile, ["--to", "serving"]),
    ],
    ids=str,
)
def test_a_program_is_told_why_a_command_failed(
    world: World, failed: Callable[..., dict[str, Any]], command: click.Command, words: list[str]
) -> None:
    """With nothing registered, and something that serves by hand, none does what it is for."""
    world.by_hand()
    last = failed(command, *words)
    assert last["error"]
    assert "report" not in last


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (commands.promote, ["2"]),
        (commands.rollback, []),
        (commands.recover, []),
        (commands.reconcile, ["--to", "ledger"]),
    ],
    ids=["promote", "rollback", "recover", "reconcile"],
)
def test_prod_is_changed_by_who_says_so(
    tmp_path: Path, command: click.Command, words: list[str]
) -> None:
    """Where nobody can be asked, nothing is begun; the environment was named before."""
    home = {"IRIS_HOME": str(tmp_path), "IRIS_ENV": "prod"}
    done = CliRunner().invoke(command, words, env=home)
    assert isinstance(done.exception, UsageError)
    assert done.exception.hint == "add --yes"
    assert done.stdout.startswith("environment prod · ")
    assert not list(tmp_path.iterdir())
