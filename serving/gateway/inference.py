"""The client of one inference instance, and the border at which its errors end.

InferenceError
├── InferenceUnreachable    no connection, or it broke before the answer
├── InferenceBusy           502, 503 or 504: it can't now or in time, another instance may
└── InferenceFailed         anything else that is no answer
"""

import struct
from itertools import chain
from math import isfinite
from typing import NamedTuple, Self
from urllib.parse import urlsplit

import msgspec

from artifacts.errors import IrisError, SettingsError
from serving.gateway.connection import Connection, ConnectionLost, Response
from serving.gateway.models import Origin, Probabilities, ReleaseId, ServedModel
from serving.gateway.schema import Row


class InferenceError(IrisError):
    """An instance gave no answer that can be used."""


class InferenceUnreachable(InferenceError):
    """The instance can't be reached, or went away during the call."""


class InferenceBusy(InferenceError):
    """The instance says that it can't answer now."""


class InferenceFailed(InferenceError):
    """The instance answered with an error, or with something that is no answer."""


class Address(NamedTuple):
    """Where an instance listens, or a name of several."""

    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Self:
        """Read an address such as `http://127.0.0.1:5000`.

        Raises:
            SettingsError: it is no such address.
        """
        parts = urlsplit(url)
        try:
            port = parts.port or 80
        except ValueError:
            port = 0
        if parts.scheme != "http" or not parts.hostname or not port or parts.path not in ("", "/"):
            raise SettingsError(
                f"{url!r} is no address of an inference instance, such as http://127.0.0.1:5000",
                hint="see INFERENCE_URL, or the file that GATEWAY_INSTANCES names",
            )
        return cls(parts.hostname, port)

    @property
    def authority(self) -> str:
        """Host and port, as a URL has them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The address as it was read."""
        return f"http://{self.authority}"


class Given(NamedTuple):
    """What a call gave, and the release that gave it."""

    probabilities: list[Probabilities]
    release: ReleaseId


FLOATS = "application/octet-stream"
"""A table as bytes, row by row: float64, little-endian. 64 rows take a tenth of JSON's time."""


class Inference:
    """One instance, by its address, with the idle connections to it."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.url = address.url
        self._host_header = f"host: {address.authority}\r\n"
        self._idle: list[Connection] = []
        self._closed = False

    async def predict(self, rows: list[Row], timeout_s: float, origin: Origin) -> Given:
        """Return the probabilities of each row, of all of which as many are in each.

        Args:
            rows: as many values in each as the model has features.
            timeout_s: how long the answer is waited for, for the instance to know.
            origin: the request that the call is made for.

        Raises:
            InferenceError: there is no answer.
        """
        headers = f"content-type: {FLOATS}\r\nrequest-timeout-ms: {int(timeout_s * 1000)}\r\n"
        headers += f"x-request-id: {origin.request_id}\r\n"
        if origin.traceparent:
            headers += f"traceparent: {origin.traceparent}\r\n"
        if origin.logged:
            headers += "x-iris-logged: 1\r\n"
        response = await self._request("POST", "/predict", headers, packed(rows))
        _check(response)
        return Given(self._probabilities(response.body, len(rows)), _release(response))

    def _probabilities(self, body: bytes, rows: int) -> list[Probabilities]:
        try:
            return unpacked(body, rows)
        except ValueError as error:
            raise InferenceFailed(f"{self.url} answered {error}") from None

    async def describe(self) -> ServedModel:
        """Return the release that the instance serves.

        Raises:
            InferenceError: there is no answer.
        """
        response = await self._request("GET", "/v1/model")
        _check(response)
        try:
            return ServedModel(response.body)
        except (msgspec.MsgspecError, ValueError) as error:
            raise InferenceFailed(f"{self.url}/v1/model describes no model: {error}") from None

    async def readiness(self) -> ReleaseId:
        """Return the release that the instance is ready to serve.

        Raises:
            InferenceError: it is not ready, or there is no answer.
        """
        response = await self._request("GET", "/health/ready")
        _check(response)
        return _release(response)

    def close(self) -> None:
        """Close the idle connections, and those in use after their answer."""
        self._closed = True
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def _request(
        self, method: str, path: str, headers: str = "", body: bytes = b""
    ) -> Response:
        start = f"{method} {path} HTTP/1.1\r\n{self._host_header}"
        message = f"{start}{headers}content-length: {len(body)}\r\n\r\n".encode() + body
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                try:
                    return await self._send(connection, message)
                except ConnectionLost:
                    continue  # mostly it was closed while it was idle; a call may go twice, too
        try:
            return await self._send(
                await Connection.open(self.address.host, self.address.port), message
            )
        except ConnectionLost as error:
            raise InferenceUnreachable(f"{self.url}: {error.message}") from None

    async def _send(self, connection: Connection, message: bytes) -> Response:
        response = await connection.request(message)
        if self._closed:
            connection.close()
        elif connection.usable:
            self._idle.append(connection)
        return response


def packed(rows: list[Row]) -> bytes:
    """Return rows as the body of a call."""
    return struct.pack(f"<{len(rows) * len(rows[0])}d", *chain.from_iterable(rows))


def unpacked(body: bytes, rows: int) -> list[Probabilities]:
    """Return what the body of an answer holds for so many rows.

    Raises:
        ValueError: it is no table of as many rows, or holds what is no number.
    """
    width, rest = divmod(len(body), 8 * rows)
    if rest or not width:
        raise ValueError(f"{len(body)} bytes, which are no table of {rows} rows")
    values = struct.unpack(f"<{width * rows}d", body)
    if not all(map(isfinite, values)):
        raise ValueError("probabilities that are no numbers")
    return [values[start : start + width] for start in range(0, len(values), width)]


def _check(response: Response) -> None:
    if response.status == 200:
        return
    what = f"status {response.status}: {response.body[:200].decode(errors='replace')}"
    raise InferenceBusy(what) if response.status in (502, 503, 504) else InferenceFailed(what)


def _release(response: Response) -> ReleaseId:
    try:
        version = response.headers[b"x-model-version"]
        sha256 = response.headers[b"x-model-sha256"]
    except KeyError as error:
        raise InferenceFailed(f"the answer has no header {error}") from None
    return ReleaseId(version.decode("latin-1"), sha256.decode("latin-1"))
