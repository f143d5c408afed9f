"""The command `iris`: one application that mounts each part's commands.

A part is imported when one of its commands is used, so `iris --help` is quick and a machine needs
only the libraries of the commands that it runs.
"""

import contextlib
import gc
import importlib.util
import logging
import os
import signal
import sys
from types import FrameType
from typing import NamedTuple

import click

from artifacts.errors import IrisError


class Entry(NamedTuple):
    """Where a command lives, and what the list of commands says of it."""

    place: str
    summary: str


COMMANDS = {
    "train": Entry("training.commands:train", "Train candidates and register the best."),
    "register": Entry("training.commands:register", "Make a release of a logged model."),
    "import": Entry("training.commands:import_", "Make a release of a pickle that you trust."),
    "gates": Entry("registry.commands:gates", "Ask what speaks for a version, and against."),
    "promote": Entry("registry.commands:promote", "Let a registered version serve."),
    "rollback": Entry("registry.commands:rollback", "Let a release before serve again."),
    "recover": Entry("registry.commands:recover", "End what was left half-done."),
    "status": Entry("registry.commands:status", "Say what serves, and what is in the way."),
    "reconcile": Entry("registry.commands:reconcile", "Let what disagrees agree again."),
    "history": Entry("registry.commands:history", "List every promotion and rollback."),
    "why": Entry("registry.commands:why", "Say why what serves was let."),
    "preflight": Entry("registry.commands:preflight", "May a deploy go ahead?"),
    "verify-ledger": Entry("registry.commands:verify_ledger", "Check every record."),
    "restore-file": Entry("registry.commands:restore_file", "Put a release's file back."),
    "continue-ledger": Entry("registry.commands:continue_ledger", "Go on with a damaged ledger."),
    "failover": Entry("registry.commands:failover", "Go on with the copy of a store."),
    "rebuild-registry": Entry("registry.commands:rebuild_registry", "Make a lost MLflow again."),
    "exporter": Entry("registry.commands:exporter", "Tell Prometheus what the ledger says."),
    "serve": Entry("serving.commands:serve", "Run gateway and inference on this machine."),
    "bootstrap": Entry("serving.bootstrap:bootstrap", "Let a first version serve, if none does."),
    "demo": Entry("serving.demo:demo", "Train, promote, serve and predict, once through."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called.

    See https://click.palletsprojects.com/en/stable/complex/#lazily-loading-subcommands.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """Return the names in the order of a model's life."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command.

        Raises:
            UsageError: its part is not here; an image holds those parts alone that it is for.
        """
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].place.partition(":")
        for needed in (module.partition(".")[0], module):  # of a package there may be a part
            if importlib.util.find_spec(needed) is None:
                raise click.UsageError(
                    f"iris {cmd_name} needs {needed}, which is not installed here; "
                    "docs/images.md says which image has it"
                )
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog='Example: iris demo --once.  Completion: eval "$(_IRIS_COMPLETE=bash_source iris)"',
)
@click.version_option(package_name="iris-ml-api")
def cli() -> None:
    """A classifier's whole life: train, register, promote on evidence, serve, roll back.

    Every command says more with --help. Settings come from the environment: docs/settings.md.
    """


def main() -> None:
    """Run the command line. An expected failure is told in words, with its exit code."""
    # MLflow's import makes objects by the hundred thousand, and none of them is garbage: looking
    # for some after each 700 took a tenth of `iris gates`.
    gc.set_threshold(50_000)
    # Of each way to sign in to Azure that there is not, it would tell at each request.
    logging.getLogger("azure.identity").setLevel(logging.CRITICAL)
    signal.signal(signal.SIGTERM, _end)
    try:
        cli(standalone_mode=True)
    except IrisError as error:
        with contextlib.suppress(OSError):  # the terminal may be gone
            click.echo(f"{click.style('error', fg='red')}: {error}", err=True)
        _let_go_of_output()
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of our output has gone: `iris history | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _end(number: int, _: FrameType | None) -> None:
    """End the command; as a container's first process it would hear no signal that none handles."""
    sys.exit(128 + number)


def _let_go_of_output() -> None:
    """Drop what nobody can read any more: Python would fail on it at the end, with another code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    main()
