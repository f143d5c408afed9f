"""Ports for the systems under test."""

import socket
from contextlib import ExitStack


def free_ports() -> tuple[int, int, int]:
    """Return three ports of 127.0.0.1 that were free a moment ago."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        one, two, three = (s.getsockname()[1] for s in sockets)
        return one, two, three
