"""A way to a server on which one request is held up: a promoter sleeps between check and write."""

import threading
from collections.abc import Callable
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from tests.support.background import InBackground

Write = Callable[["Sent"], bool]

_OURS = ("connection", "content-length", "date", "server", "transfer-encoding")


class Sent(NamedTuple):
    """A request of the promoter's."""

    method: str
    path: str
    body: bytes


class Gate:
    """Holds the first request up that is the write, until it is opened."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._open = threading.Event()
        self.reached = threading.Event()
        """Set when the write has come."""
        self.answered = threading.Event()
        """Set when the server has answered the write."""
        self.status = 0
        """What it was answered."""

    def is_for(self, sent: Sent) -> bool:
        """Tell whether a request is the one that is held up."""
        with self._lock:
            found = not self.reached.is_set() and self._write(sent)
            if found:
                self.reached.set()
            return found

    def open(self, seconds: float = 60) -> int:
        """Let the write pass, and return the status that it was answered with."""
        self._open.set()
        assert self.answered.wait(seconds), "the write was not answered"
        return self.status

    def wait(self) -> None:
        """Wait until it is opened."""
        self._open.wait()


class HoldingProxy(InBackground, ThreadingHTTPServer):
    """Passes whole requests on to one port of this machine, and holds up what a gate is for."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, target_port: int, gate: Gate) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target_port = target_port
        self.gate = gate


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HoldingProxy

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self._pass_on
        raise AttributeError(name)

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        sent, gate = Sent(self.command, self.path, body), self.server.gate
        held = gate.is_for(sent)
        if held:
            gate.wait()
        target = HTTPConnection("127.0.0.1", self.server.target_port, timeout=60)
        target.request(self.command, self.path, body, dict(self.headers))
        answer = target.getresponse()
        data = answer.read()
        target.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _OURS:
                self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        if held:
            gate.status = answer.status
            gate.answered.set()

    def log_message(self, *_: object) -> None:
        pass
