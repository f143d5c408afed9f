"""What goes into the batchable API over HTTP, and what comes out.

The gateway sends and gets tables of float64, little-endian, row by row, as
`application/octet-stream`: at 1,024 rows a call costs a fifth of what it costs in JSON, which
stays for people. BentoML lets an API bring its own descriptors for both (`input_spec`,
`output_spec`); what is done here is to read and write them without pydantic, which would take the
table apart.
"""

import math
import time
from contextvars import ContextVar
from typing import Annotated, Any, Self

import bentoml
import msgspec
import numpy as np
import pydantic
from bentoml.exceptions import InvalidArgument
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from serving.inference.instance import INSTANCE

FLOATS = "application/octet-stream"
JSON = "application/json"

_binary: ContextVar[bool] = ContextVar("binary")
"""Whether the request that this task answers came as a table of floats: so will its answer."""


def _rows_of_this_model(value: Any) -> NDArray[np.float64]:
    return INSTANCE.served.rows(value)


class Rows(bentoml.IODescriptor):  # type: ignore[misc]  # BentoML exports it lazily, untyped
    """The rows of one request, checked before the batcher joins them to those of others.

    In JSON: rows of features, in the order of the model's card.
    """

    rows: Annotated[Any, pydantic.AfterValidator(_rows_of_this_model)]

    @classmethod
    async def from_http_request(cls, request: Request, serde: Any) -> Self:
        """Read the rows, and add to each until when its client waits."""
        binary = request.headers.get("content-type") == FLOATS
        _binary.set(binary)
        if binary:
            rows = _table(await request.body())
        else:
            rows = (await super().from_http_request(request, serde)).rows
        timed = INSTANCE.served.timed(rows, _deadline(request.headers.get("request-timeout-ms")))
        made: Self = cls.model_construct(rows=timed)
        return made


class Probabilities(bentoml.IODescriptor):  # type: ignore[misc]  # as above
    """The probabilities for the rows of one request."""

    @classmethod
    async def to_http_response(cls, obj: NDArray[np.float64], serde: Any) -> Response:  # noqa: ARG003
        """Write them as the request was written; 504 where its client waits no more."""
        if np.isinf(obj[:, 0]).any():  # BentoML may have split the request over two batches
            late = {"error": "the time that the caller waits was over before the model was asked"}
            return Response(msgspec.json.encode(late), 504, media_type=JSON)
        if _binary.get():
            return Response(obj.tobytes(), media_type=FLOATS)
        return Response(msgspec.json.encode(obj.tolist()), media_type=JSON)


def _table(body: bytes) -> NDArray[np.float64]:
    """Return the rows in a body of floats.

    Raises:
        InvalidArgument: it is no such table.
    """
    width = len(INSTANCE.served.model.card.features)
    try:
        return INSTANCE.served.rows(np.frombuffer(body, "<f8").reshape(-1, width))
    except ValueError as error:
        raise InvalidArgument(f"the body is no table of {width} float64 a row: {error}") from None


def _deadline(timeout_ms: str | None) -> float:
    """Return when the caller stops waiting, on the monotonic clock; never, where it does not say.

    Raises:
        InvalidArgument: it says something else than a number.
    """
    if timeout_ms is None:
        return math.inf
    try:
        return time.monotonic() + int(timeout_ms) / 1000
    except ValueError:
        raise InvalidArgument("Request-Timeout-Ms is no whole number of milliseconds") from None
