"""A connection that fails where a test wants it to."""

import contextlib
import socket
import socketserver
import threading
import time

from tests.support.background import InBackground

_CHUNK = 65536
_VERBS = (b"PUT ", b"GET ", b"HEAD ", b"DELETE ")


class FaultyProxy(InBackground, socketserver.ThreadingTCPServer):
    """Passes bytes on between clients and one server, until told to fail.

    Attributes:
        cut_after: cut each connection once its client has sent that many bytes.
        answers_to_lose: how many answers to a PUT to lose: the server has done the work, and the
            client finds the connection closed.
        answer_puts: the status and Azure's error code that a PUT is answered with, which the
            server then never sees.
        delay_s: how late each answer is passed on, in seconds.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, target_port: int, target: str = "127.0.0.1") -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.target, self.target_port = target, target_port
        self.cut_after: int | None = None
        self.answers_to_lose = 0
        self.answer_puts: tuple[int, str] | None = None
        self.delay_s = 0.0


class _Connection(socketserver.BaseRequestHandler):
    """One client's connection, and the one to the server that belongs to it."""

    server: FaultyProxy
    request: socket.socket

    def handle(self) -> None:
        self.verb = b""
        with socket.create_connection((self.server.target, self.server.target_port)) as server:
            answers = threading.Thread(target=self._pass_answers, args=(server,))
            answers.start()
            self._pass_requests(server)
            _close(server)
            answers.join()

    def _pass_requests(self, server: socket.socket) -> None:
        sent = 0
        while data := _receive(self.request):
            self.verb = next((verb for verb in _VERBS if data.startswith(verb)), self.verb)
            if self.verb == b"PUT " and self.server.answer_puts is not None:
                self._answer(*self.server.answer_puts)
                return
            sent += len(data)
            limit = self.server.cut_after
            if limit is not None and sent > limit:
                return
            _send(server, data)

    def _answer(self, status: int, code: str) -> None:
        """Answer in the server's place, and take what the client still sends."""
        head = f"HTTP/1.1 {status} Refused\r\nx-ms-error-code: {code}\r\nconnection: close\r\n"
        _send(self.request, f"{head}content-length: 0\r\n\r\n".encode())
        while _receive(self.request):
            pass

    def _pass_answers(self, server: socket.socket) -> None:
        while data := _receive(server):
            if self.verb == b"PUT " and self.server.answers_to_lose:
                self.server.answers_to_lose -= 1
                break
            time.sleep(self.server.delay_s)
            _send(self.request, data)
        _close(self.request)


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(_CHUNK)
    except OSError:
        return b""


def _send(connection: socket.socket, data: bytes) -> None:
    """Pass data on; where the other side has gone, the next `recv` finds that out."""
    with contextlib.suppress(OSError):
        connection.sendall(data)


def _close(connection: socket.socket) -> None:
    """Close both ways, which also ends a `recv` that waits in the other thread."""
    with contextlib.suppress(OSError):  # it is closed already
        connection.shutdown(socket.SHUT_RDWR)
