"""Reading requests' bodies: no more than so many bytes each, in no more than so much time."""

import asyncio

from granian.rsgi import (  # type: ignore[attr-defined]  # re-exported as they are
    HTTPProtocol,
    Scope,
)

from serving.gateway.problems import BODY_TIMEOUT, BODY_TOO_LARGE, Problem

SWEEP_S = 0.25  # how late a body may be found late


class BodyReader:
    """Reads bodies within a size and a time."""

    def __init__(self, max_bytes: int, timeout_s: float) -> None:
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._deadlines: dict[asyncio.Task[None], float] = {}
        self._late: set[asyncio.Task[None]] = set()
        self._sweep_due = False

    async def read(self, scope: Scope, protocol: HTTPProtocol) -> bytes:
        """Return the whole body. To be called from the request's own task.

        Raises:
            Problem: it is too large, or it did not arrive in time.
            ProtocolError: the client left before it had sent all.
        """
        length = scope.headers.get("content-length")
        if length is not None and int(length) > self._max_bytes:
            raise self._too_large()
        task = self._watch()
        try:
            return await (self._read_chunks(protocol) if length is None else protocol())
        except asyncio.CancelledError:
            if task not in self._late:
                raise
            task.uncancel()
            self._late.discard(task)
            raise Problem(
                BODY_TIMEOUT, f"The body was not complete after {self._timeout_s:g} seconds."
            ) from None
        finally:
            del self._deadlines[task]

    async def _read_chunks(self, protocol: HTTPProtocol) -> bytes:
        body = bytearray()
        async for chunk in protocol:
            body += chunk
            if len(body) > self._max_bytes:
                raise self._too_large()
        return bytes(body)

    def _watch(self) -> "asyncio.Task[None]":
        """Note when the body that this task reads is late.

        What `asyncio.timeout` does, but without a timer for each request, which would be an eighth
        of the gateway's time.
        """
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        self._deadlines[task] = loop.time() + self._timeout_s
        if not self._sweep_due:
            self._sweep_due = True
            loop.call_later(SWEEP_S, self._sweep)
        return task

    def _sweep(self) -> None:
        """Interrupt the reading of bodies that are late."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for task, deadline in self._deadlines.items():
            if deadline <= now and task not in self._late:
                self._late.add(task)
                task.cancel()
        self._sweep_due = bool(self._deadlines)
        if self._sweep_due:
            loop.call_later(SWEEP_S, self._sweep)

    def _too_large(self) -> Problem:
        return Problem(BODY_TOO_LARGE, f"The body may have at most {self._max_bytes} bytes.")
