"""The node's commands: `python -m tests.cluster.node up`, and so on."""

import os
import sys

import click

from tests.cluster.node import daemons, images, lifecycle, programs, space
from tests.cluster.node.layout import KUBECONFIG, STATE, NodeError


@click.group()
def node() -> None:
    """One real Kubernetes node on this machine."""


@node.command()
def up() -> None:
    """Start the node, or what is not up of it; with KUBECONFIG set, check that cluster."""
    lifecycle.up()


node.add_command(up, "start")


@node.command()
def build() -> None:
    """Build what the node runs, and what its tests ask: minutes, once."""
    programs.build()


@node.command()
def down() -> None:
    """End the node, and remove all that it had."""
    lifecycle.down()


@node.command()
def stop() -> None:
    """Switch the node off, as a power cut does; `up` goes on with its state."""
    lifecycle.stop()


@node.command()
@click.argument("program", type=click.Choice(daemons.NAMES))
def restart(program: str) -> None:
    """Start one of the node's programs anew."""
    lifecycle.restart(program)


@node.command()
@click.argument("sources", nargs=-1, required=True, metavar="TAR|IMAGE…")
def load(sources: tuple[str, ...]) -> None:
    """Bring in images, from what `docker save` wrote or from the engine of this machine."""
    images.load(*sources)


@node.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def enter(command: tuple[str, ...]) -> None:
    """Run a command on the node: enter kubectl get pods."""
    os.environ["KUBECONFIG"] = str(KUBECONFIG)
    os.environ["PATH"] = f"{STATE}/kubernetes:{os.environ['PATH']}"
    words = space.inside(command)
    os.execvp(words[0], words)


if __name__ == "__main__":
    try:
        node(prog_name="python -m tests.cluster.node")
    except NodeError as error:
        sys.exit(f"{error}")
