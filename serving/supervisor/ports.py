"""Which port to listen on."""

import socket

from artifacts.errors import UsageError

LOOPBACK = "127.0.0.1"
_TRIED = 200


class PortInUse(UsageError):
    """The port that was asked for is in use, or no port is free."""


def choose(variable: str, host: str, asked: int | None, default: int) -> int:
    """Return the port that was asked for, or the first free one from the default on.

    Raises:
        PortInUse: it was asked for, and somebody has it.
    """
    if asked is None:
        return next_free(host, default)
    if not is_free(host, asked):
        raise PortInUse(
            f"{variable}={asked} is in use on {host}",
            hint=f"stop what listens there, or set {variable} to a free port",
        )
    return asked


def next_free(host: str, first: int) -> int:
    """Return the first free port from `first` on.

    Raises:
        PortInUse: there is none within reach.
    """
    for port in range(first, min(first + _TRIED, 65536)):
        if is_free(host, port):
            return port
    raise PortInUse(f"no port from {first} on is free on {host}")


def is_free(host: str, port: int) -> bool:
    """Whether one can listen there, and nobody does.

    Both are asked: some systems let a second program listen on loopback where another listens on
    all addresses, and a client would find the one or the other.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((LOOPBACK, port)) != 0
