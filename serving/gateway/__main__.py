"""`python -m serving.gateway`."""

import asyncio
import logging
import sys

import uvloop

from artifacts.errors import IrisError
from artifacts.settings import load
from serving.gateway.server import run
from serving.gateway.settings import GatewaySettings
from serving.logs import log_end, start_logging

log = logging.getLogger(__name__)


def main() -> int:
    """Run the gateway and return the exit code."""
    try:
        start_logging("gateway")
        settings = load(GatewaySettings)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run(settings))
    except IrisError as error:
        log_end(log, error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
