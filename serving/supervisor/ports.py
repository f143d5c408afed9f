"""Which port to listen on."""

import socket
from collections.abc import Callable
from types import TracebackType
from typing import Self

from artifacts.errors import UsageError

LOOPBACK = "127.0.0.1"
_TRIED = 200


class PortInUse(UsageError):
    """The port that was asked for is in use, or no port is free."""


class Ports:
    """The ports that this program has chosen, kept from other programs of ours until it ends.

    Between the choice and the moment in which a child listens there are seconds, in which a port
    looks free to everybody. So whoever chooses a port binds the UDP port of the same number, which
    the system gives to one alone and takes back from the dead. (The TCP port itself won't do: a
    child could not listen there, or with SO_REUSEADDR everybody could.)
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._held: dict[int, socket.socket] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for held in self._held.values():
            held.close()
        self._held.clear()

    def choose(self, variable: str, host: str, asked: int | None, default: int) -> int:
        """Return the port that was asked for, or the first free one from the default on.

        One that is neither is said.

        Raises:
            PortInUse: it was asked for, and somebody has it.
        """
        if asked is None:
            port = self.next_free(host, default)
            if port != default:
                self._say(f"port {default} is in use; {variable} is {port}")
            return port
        if not is_free(host, asked):
            raise PortInUse(
                f"{variable}={asked} is in use on {host}",
                hint=f"stop what listens there, or set {variable} to a free port",
            )
        self._hold(asked)  # from those who take a default; who asked for it gets it in any case
        return asked

    def next_free(self, host: str, first: int) -> int:
        """Return the first free port from `first` on.

        Raises:
            PortInUse: there is none within reach.
        """
        for port in range(first, min(first + _TRIED, 65536)):
            if is_free(host, port) and self._hold(port):
                return port
        raise PortInUse(f"no port from {first} on is free on {host}")

    def _hold(self, port: int) -> bool:
        """Return whether the port is this program's to use now."""
        if port in self._held:
            return True
        mark = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            mark.bind((LOOPBACK, port))
        except OSError:
            mark.close()
            return False
        self._held[port] = mark
        return True


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
