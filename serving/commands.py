"""`iris serve`."""

import logging
import threading
from contextlib import suppress

import click

log = logging.getLogger("serving.supervisor")


@click.command()
@click.option("--without-gateway", is_flag=True, help="Serve only inference.")
@click.option("--logs", is_flag=True, help="Show what gateway and inference log, too.")
@click.option("--tethered", is_flag=True, hidden=True)
def serve(*, without_gateway: bool, logs: bool, tethered: bool) -> None:
    """Serve the promoted release on this machine, until Ctrl-C.

    Gateway and inference run as processes of their own, and are started again when they end. What
    `iris promote` promotes while this runs comes in without losing a request.

    \b
    Example:
      iris serve
      GATEWAY_PORT=9000 IRIS_HOME=~/flowers iris serve
    """  # noqa: D301  click reads \b as its mark, so it must be one
    from artifacts.settings import load
    from serving.logs import start_logging
    from serving.supervisor.main import run
    from serving.supervisor.settings import SupervisorSettings
    from serving.supervisor.tether import end_with_parent

    settings = load(SupervisorSettings)
    as_json = start_logging("supervisor")
    if tethered:  # to a promotion or a demo: it ends with that, and waits for one just ending
        threading.Thread(target=end_with_parent, daemon=True).start()
    run(
        settings,
        with_gateway=not without_gateway,
        say=log.info if as_json else _say,
        patient=tethered,
        logs=logs,
    )


def _say(line: str) -> None:
    """Print a line; the terminal may be gone while the processes are being stopped."""
    with suppress(OSError):
        click.echo(line)
