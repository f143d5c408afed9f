"""`python -m serving.gateway`."""

import asyncio
import logging
import sys

import uvloop

from artifacts.errors import IrisError
from artifacts.settings import load
from serving.gateway.server import run
from serving.gateway.settings import GatewaySettings


def main() -> int:
    """Run the gateway and return the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s gateway: %(message)s")
    try:
        settings = load(GatewaySettings)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run(settings))
    except IrisError as error:
        sys.stderr.write(f"gateway: {error.in_one_line()}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
