"""HTTP/1.1 for clients, on asyncio. The parsing is llhttp's, which is Node's.

It exists for its price: a request costs 12 µs, where granian and uvicorn take twice as much, and
nothing runs beside the event loop's thread (docs/decisions/0004-http.md). A connection goes through

    idle        no request has begun; after a response it may stay so for `KEEP_ALIVE_S`
    receiving   a request has begun, and must be complete in time
    answering   the handler has the request, and responds in its own time
    discarding  the last response was sent: what still comes is dropped, until the client closes,
                so that it gets to see the response (RFC 9112, 9.6)

and requests that arrive before the one before them is answered wait, in their order.
"""

import asyncio
import contextlib
import logging
import socket
from collections import deque
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from math import inf
from typing import NamedTuple, cast

import httptools

from serving.gateway.problems import (
    BODY_TIMEOUT,
    BODY_TOO_LARGE,
    HEAD_TOO_LARGE,
    INVALID_HTTP,
    Problem,
)

log = logging.getLogger(__name__)

BACKLOG = 2048
HEAD_BYTES = 32 * 1024  # request line and headers
KEEP_ALIVE_S = 75.0
LINGER_S = 2.0
SWEEP_S = 0.25  # how late an overdue connection may be found
_FRAMING = 16  # a chunk of one byte takes six on the wire; whoever sends more than this plays

_STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n" for s in HTTPStatus}


class Limits(NamedTuple):
    """What a client may send, and how long it may take for it."""

    body_bytes: int
    timeout_s: float
    """For a whole request, and for reading a response."""
    connections: int


class Request:
    """One request; `respond` is to be called once. Names of headers are in lower case."""

    __slots__ = ("_connection", "body", "fault", "headers", "keep_alive", "method", "path")

    def __init__(
        self,
        connection: "Connection",
        method: bytes,
        path: bytes,
        headers: dict[bytes, bytes],
        body: bytes,
    ) -> None:
        self._connection = connection
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
        self.fault: Problem | None = None
        """Why this is no whole request; the connection ends with the response."""
        self.keep_alive = True

    @property
    def gone(self) -> bool:
        """Whether nobody waits for the response any more."""
        return self._connection.closed

    def respond(self, status: int, headers: str, body: bytes) -> None:
        """Send the response.

        Args:
            status: the status code, 200 or higher.
            headers: lines that each end with CRLF, from values that hold no line ends. The
                length, the date and the end of the connection are added.
            body: all of it; it is left out of the answer to HEAD.
        """
        self._connection.respond(self, status, headers, body)


Handler = Callable[[Request], None]


class HttpServer:
    """A listening socket with its connections."""

    def __init__(self, handler: Handler, limits: Limits) -> None:
        """Set up a server that is not listening yet; `handler` must not raise."""
        self.handler = handler
        self.limits = limits
        self.connections: set[Connection] = set()
        self.stopping = False
        self.now = 0.0
        """The event loop's time, at the last sweep."""
        self.date = ""
        self._server: asyncio.Server | None = None
        self._all_closed = asyncio.Event()

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: the address can't be had.
        """
        listening = _bound(host, port)
        self._sweep()
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Connection(self), sock=listening, backlog=BACKLOG
        )

    async def stop(self) -> None:
        """Accept nothing new, let what has begun come to its end, and return when it has.

        Each state but `idle` has a limit in time, so this does too.
        """
        assert self._server is not None
        self.stopping = True
        self._server.close()
        for connection in list(self.connections):
            connection.stop()
        if self.connections:
            await self._all_closed.wait()

    def discard(self, connection: "Connection") -> None:
        """Forget a connection that has closed."""
        self.connections.discard(connection)
        if self.stopping and not self.connections:
            self._all_closed.set()

    def _sweep(self) -> None:
        """Look at the clock, and end what is overdue: cheaper than a timer for each request."""
        loop = asyncio.get_running_loop()
        loop.call_later(SWEEP_S, self._sweep)
        self.now = loop.time()
        self.date = f"date: {formatdate(usegmt=True)}\r\n"
        for connection in [c for c in self.connections if c.due <= self.now]:
            connection.end_overdue()


class Connection(asyncio.Protocol):
    """A connection to a client; `httptools` calls its `on_` methods as a request arrives."""

    def __init__(self, server: HttpServer) -> None:
        self.closed = False
        self.due = inf
        """When the server looks after it, on the event loop's clock."""
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._answering: Request | None = None
        self._waiting: deque[Request] = deque()
        self._receiving = False
        self._head_complete = False
        self._received = 0
        self._writable = True
        self._paused = False
        self._discarding = False
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._doubled_host = False
        self._body: list[bytes] = []
        self._body_bytes = 0

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first request."""
        self._transport = cast("asyncio.Transport", transport)
        server = self._server
        if server.stopping or len(server.connections) >= server.limits.connections:
            self._transport.abort()
            return
        server.connections.add(self)
        self.due = server.now + server.limits.timeout_s

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        """Forget it."""
        self.closed = True
        self._transport = None
        self._server.discard(self)

    def pause_writing(self) -> None:
        """Wait until the client has read what it was sent, but not for ever."""
        self._writable = False
        self.due = self._server.now + self._server.limits.timeout_s

    def resume_writing(self) -> None:
        """Go on with the next request."""
        self._writable = True
        if self._answering is None and not self._discarding:
            self._rest()
            self._next()

    def data_received(self, data: bytes) -> None:
        """Parse what arrived."""
        if self._is_over():
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserCallbackError:
            log.exception("a connection met a defect")
            if self._transport is not None:
                self._transport.abort()
        except httptools.HttpParserError as error:
            if not self._is_over():
                self._refuse(Problem(INVALID_HTTP, f"{error}."))
        else:
            if self._receiving and not self._is_over():
                self._check_size()

    # What httptools calls.

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._receiving = True
        self._head_complete = False
        if self._answering is None:
            self.due = self._server.now + self._server.limits.timeout_s

    def on_url(self, url: bytes) -> None:
        """Keep a part of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; what comes after the body is none."""
        if not self._head_complete:
            name, value = name.lower(), value.rstrip(b" \t")
            if name in self._headers:
                self._doubled_host = self._doubled_host or name == b"host"
                if name == b"authorization":  # two are none: which one counts, nobody could say
                    value = b""
            self._headers[name] = value

    def on_headers_complete(self) -> None:
        """Refuse what is too large before it is sent, and let wait who asked whether to send it."""
        self._head_complete = True
        headers = self._headers
        length = headers.get(b"content-length")
        if self._received > HEAD_BYTES and _bytes_of(self._url, headers) > HEAD_BYTES:
            self._refuse(_head_too_large())
        elif length is not None and int(length) > self._server.limits.body_bytes:
            self._refuse(self._too_large())
        elif b"expect" in headers and headers[b"expect"].lower() == b"100-continue":
            self._continue()

    def on_body(self, part: bytes) -> None:
        """Keep a part of the body."""
        self._body.append(part)
        self._body_bytes += len(part)

    def on_message_complete(self) -> None:
        """Hand the request over, or let it wait for the one before."""
        if self._is_over():
            return
        parser, headers = self._parser, self._headers
        if b"upgrade" in headers and parser.should_upgrade():
            return  # it comes again, without the offer
        self._receiving = False
        self._received = 0
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        request = Request(self, parser.get_method(), _path(self._url), headers, body)
        request.keep_alive = parser.should_keep_alive()
        if self._body_bytes > self._server.limits.body_bytes:
            request.fault = self._too_large()
        elif self._doubled_host or (b"host" not in headers and parser.get_http_version() == "1.1"):
            request.fault = Problem(INVALID_HTTP, "The header `Host` is to be there once.")
        elif b"connection" in headers and parser.get_http_version() != "1.1":
            request.keep_alive = False  # it would have to be told in the words of HTTP/1.0
        self._forget()
        self._submit(request)

    # The rest.

    def respond(self, request: Request, status: int, headers: str, body: bytes) -> None:
        """Send the response to the request that is being answered, and go on with the next."""
        assert request is self._answering
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        server = self._server
        ends = not request.keep_alive or request.fault is not None or server.stopping
        end = "connection: close\r\n\r\n" if ends else "\r\n"
        length = f"content-length: {len(body)}\r\n" if status != HTTPStatus.NO_CONTENT else ""
        head = f"{_STATUS_LINES[status]}{server.date}{headers}{length}{end}".encode("latin-1")
        self._answering = None
        transport.write(head if request.method == b"HEAD" else head + body)
        if not ends:
            self._rest()
            if self._paused:
                asyncio.get_running_loop().call_soon(self._next)
        else:
            self._linger(transport)

    def end_overdue(self) -> None:
        """End what has taken too long."""
        assert self._transport is not None
        unread = not self._writable or self._transport.is_closing() or self._discarding
        if self._receiving and not unread:
            seconds = self._server.limits.timeout_s
            detail = f"The request was not complete after {seconds:g} seconds."
            self._refuse(Problem(BODY_TIMEOUT, detail))
        else:
            self._transport.abort()

    def stop(self) -> None:
        """Close it at once if it is idle; else the response to what has begun is the last one."""
        if self._answering is None and not self._receiving and self._transport is not None:
            self._transport.close()
            self.due = self._server.now + self._server.limits.timeout_s

    def _submit(self, request: Request) -> None:
        if self._answering is not None or not self._writable or self._waiting:
            self._waiting.append(request)
            if self._transport is not None:
                self._paused = True
                self._transport.pause_reading()
            return
        self._answering = request
        self.due = inf
        self._server.handler(request)

    def _next(self) -> None:
        """Hand over the next of the requests that wait."""
        if self._answering is not None or not self._writable or self.closed or self._discarding:
            return
        if self._waiting:
            self._answering = self._waiting.popleft()
            self.due = inf
            self._server.handler(self._answering)
        elif self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def _rest(self) -> None:
        """Wait for the next request, or for the rest of it."""
        if self._writable:
            timeout_s = self._server.limits.timeout_s if self._receiving else KEEP_ALIVE_S
            self.due = self._server.now + timeout_s

    def _forget(self) -> None:
        """Begin with a new request; an idle connection keeps nothing of the last one."""
        self._url, self._headers, self._doubled_host = b"", {}, False
        self._body, self._body_bytes = [], 0

    def _refuse(self, problem: Problem) -> None:
        """Answer what is no whole request, in its turn, with a problem; nothing follows it."""
        request = Request(self, b"", b"", self._headers, b"")
        request.fault = problem
        self._submit(request)

    def _is_over(self) -> bool:
        """Whether nothing that arrives now can be answered any more."""
        last = self._waiting[-1] if self._waiting else self._answering
        if last is None:
            return self._discarding
        return last.fault is not None or not last.keep_alive

    def _continue(self) -> None:
        """Tell a client to send its body; but not before the responses that it waits for."""
        first = self._answering is None and not self._waiting
        if first and self._transport is not None and self._parser.get_http_version() == "1.1":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _decline_upgrade(self, rest: bytes) -> None:
        """Go on in HTTP (RFC 9110, 7.8), though the parser has stopped where it might end.

        So a new one gets the request again, without the offer, and as the last one: a second offer
        on a connection is none to go through this for. After `CONNECT` nothing follows.
        """
        headers = self._headers
        if headers.pop(b"upgrade", None) is not None:
            headers.pop(b"expect", None)  # it has been answered
            headers[b"connection"] = b"close"
            parser = self._parser
            start = parser.get_method(), self._url, parser.get_http_version().encode()
            lines = b"".join(b"%s: %s\r\n" % header for header in headers.items())
            self._parser = httptools.HttpRequestParser(self)
            self._received = 0
            self._forget()
            self.data_received(b"%s %s HTTP/%s\r\n" % start + lines + b"\r\n" + rest)
        elif self._waiting:
            self._waiting[-1].keep_alive = False
        elif self._answering is not None:
            self._answering.keep_alive = False
        elif self._transport is not None:
            self._transport.close()

    def _check_size(self) -> None:
        """Refuse a head, or the framing of a body, that goes on and on."""
        if not self._head_complete:
            if self._received > HEAD_BYTES:
                self._refuse(_head_too_large())
        elif (
            self._body_bytes > self._server.limits.body_bytes
            or self._received > HEAD_BYTES + _FRAMING * self._server.limits.body_bytes
        ):
            self._refuse(self._too_large())

    def _too_large(self) -> Problem:
        limit = self._server.limits.body_bytes
        return Problem(BODY_TOO_LARGE, f"The body may have at most {limit} bytes.")

    def _linger(self, transport: asyncio.Transport) -> None:
        """Drop what still comes. To close with bytes unread could take the response back."""
        self._discarding = True
        self._waiting.clear()
        transport.write_eof()
        transport.resume_reading()
        self.due = self._server.now + LINGER_S


def _head_too_large() -> Problem:
    return Problem(HEAD_TOO_LARGE, f"Request line and headers may have {HEAD_BYTES} bytes.")


def _bytes_of(url: bytes, headers: dict[bytes, bytes]) -> int:
    return len(url) + sum(len(name) + len(value) for name, value in headers.items())


def _path(target: bytes) -> bytes:
    """Return the path of a request's target, which may be a whole URL too (RFC 9112, 3.2.2)."""
    if not target.startswith(b"/"):
        with contextlib.suppress(httptools.HttpParserInvalidURLError):
            target = httptools.parse_url(target).path or b"/"
    return target.partition(b"?")[0]


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket that has the host's first address; asyncio itself would hide why not."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
