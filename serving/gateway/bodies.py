"""Reading a request's body: no more than so many bytes, in no more than so much time."""

import asyncio

from granian.rsgi import HTTPProtocol, Scope  # type: ignore[attr-defined]  # re-exported as is

from serving.gateway.problems import BODY_TIMEOUT, BODY_TOO_LARGE, Problem


async def read_body(
    scope: Scope, protocol: HTTPProtocol, *, max_bytes: int, timeout_s: float
) -> bytes:
    """Return the whole body.

    Raises:
        Problem: it is too large, or it did not arrive in time.
        ProtocolError: the client left before it had sent all.
    """
    length = scope.headers.get("content-length")
    if length is not None and int(length) > max_bytes:
        raise _too_large(max_bytes)
    try:
        async with asyncio.timeout(timeout_s):
            if length is not None:
                return await protocol()
            return await _read_chunks(protocol, max_bytes)
    except TimeoutError:
        raise Problem(
            BODY_TIMEOUT, f"The body was not complete after {timeout_s:g} seconds."
        ) from None


async def _read_chunks(protocol: HTTPProtocol, max_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in protocol:
        body += chunk
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
    return bytes(body)


def _too_large(max_bytes: int) -> Problem:
    return Problem(BODY_TOO_LARGE, f"The body may have at most {max_bytes} bytes.")
