"""The API over RSGI: paths and methods to handlers, handlers' results and problems to answers."""

import asyncio
import logging
import re
import secrets
from collections.abc import Awaitable, Callable
from itertools import count
from typing import NamedTuple

import msgspec
from granian.rsgi import (  # type: ignore[attr-defined]  # re-exported as they are
    HTTPProtocol,
    ProtocolClosed,
    ProtocolError,
    Scope,
)

from serving.gateway import docs_page, openapi
from serving.gateway.answers import answer
from serving.gateway.bodies import BodyReader
from serving.gateway.coalescing import Coalescer
from serving.gateway.instances import Instances
from serving.gateway.keys import ApiKeys
from serving.gateway.problems import (
    INTERNAL_ERROR,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    WRONG_CONTENT_TYPE,
    Problem,
)
from serving.gateway.schema import Live, Readiness
from serving.gateway.settings import GatewaySettings
from serving.gateway.validation import rows_of

log = logging.getLogger(__name__)

_is_request_id = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}").fullmatch
_is_traceparent = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}").fullmatch

JSON = ("content-type", "application/json")


class Reply(NamedTuple):
    """An answer, but for the request's id. `version` is what answered, where a model did."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    version: str = ""


Handler = Callable[[Scope, HTTPProtocol], Awaitable[Reply]]


class App:
    """The application that the server runs."""

    def __init__(self, settings: GatewaySettings, instances: Instances, keys: ApiKeys) -> None:
        self._instances = instances
        self._keys = keys
        self._coalescer = Coalescer(
            instances.predict,
            places=lambda: settings.gateway_calls_in_flight * max(1, len(instances.ready)),
            call_rows=settings.gateway_call_rows,
            queue_rows=settings.gateway_queue_rows,
        )
        self._max_rows = settings.gateway_max_rows
        self._bodies = BodyReader(
            settings.gateway_max_body_bytes, settings.gateway_body_timeout_ms / 1000
        )
        self._request_timeout_s = settings.gateway_request_timeout_ms / 1000
        self._time = asyncio.get_running_loop().time
        self._openapi = openapi.document()
        self._request_ids = (f"{run}-{n:06x}" for run in [secrets.token_hex(8)] for n in count())
        self._routes: dict[str, dict[str, Handler]] = {
            "/v1/predict": {"POST": self._predict},
            "/v1/model": {"GET": self._model},
            "/health/live": {"GET": self._live},
            "/health/ready": {"GET": self._ready},
            "/health/started": {"GET": self._started},
            "/openapi.json": {"GET": self._document},
            "/docs": {"GET": self._docs},
            **{path: {"GET": self._docs_file} for path in docs_page.FILES},
        }

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        """Answer one request."""
        given = scope.headers.get("x-request-id")
        request_id = given if given and _is_request_id(given) else next(self._request_ids)
        try:
            reply = await self._handler(scope)(scope, protocol)
        except Problem as problem:
            reply = _problem_reply(problem, request_id)
        except (ProtocolError, ProtocolClosed):
            return  # the client left before it had sent its request
        except Exception:  # the border: whatever it is, the client gets an answer, the log a trace
            log.exception("request %s met a defect", request_id)
            defect = Problem(INTERNAL_ERROR, "This is a defect of the gateway; its log has more.")
            reply = _problem_reply(defect, request_id)
        reply.headers.append(("x-request-id", request_id))
        if version := reply.version or self._instances.version:
            reply.headers.append(("x-model-version", version))
        protocol.response_bytes(reply.status, reply.headers, reply.body)

    def _handler(self, scope: Scope) -> Handler:
        methods = self._routes.get(scope.path)
        if methods is None:
            raise Problem(NOT_FOUND, "The paths are listed in /openapi.json.")
        handler = methods.get("GET" if scope.method == "HEAD" else scope.method)
        if handler is not None:
            return handler
        allowed = ", ".join([*methods, *(["HEAD"] if "GET" in methods else []), "OPTIONS"])
        if scope.method == "OPTIONS":
            return _options(allowed)
        raise Problem(METHOD_NOT_ALLOWED, f"Allowed: {allowed}.", headers=[("allow", allowed)])

    async def _predict(self, scope: Scope, protocol: HTTPProtocol) -> Reply:
        headers = scope.headers
        self._keys.check(headers.get("authorization"))
        content_type = headers.get("content-type", "")
        if content_type != "application/json":
            _check_content_type(content_type)
        body = await self._bodies.read(scope, protocol)
        features = self._instances.model.features
        rows = rows_of(body, features, self._max_rows)
        traceparent = headers.get("traceparent")
        if traceparent and not _is_traceparent(traceparent):
            traceparent = None
        deadline = self._time() + self._request_timeout_s
        model, probabilities = await self._coalescer.predict(rows, features, deadline, traceparent)
        return Reply(200, [JSON], answer(model, rows, probabilities), model.id.version)

    async def _model(self, scope: Scope, _: HTTPProtocol) -> Reply:
        self._keys.check(scope.headers.get("authorization"))
        model = self._instances.model
        return Reply(200, [JSON], model.raw, model.id.version)

    async def _live(self, *_: object) -> Reply:
        return Reply(200, [JSON], msgspec.json.encode(Live()))

    async def _ready(self, *_: object) -> Reply:
        return self._readiness(bool(self._instances.ready))

    async def _started(self, *_: object) -> Reply:
        return self._readiness(self._instances.was_ready)

    def _readiness(self, ready: bool) -> Reply:
        state = Readiness(
            "ready" if ready else "not ready",
            self._instances.generation,
            len(self._instances.ready),
        )
        headers = [JSON] if ready else [JSON, ("retry-after", "1")]
        return Reply(200 if ready else 503, headers, msgspec.json.encode(state))

    async def _document(self, *_: object) -> Reply:
        return Reply(200, [JSON], self._openapi)

    async def _docs(self, *_: object) -> Reply:
        return Reply(200, [("content-type", "text/html; charset=utf-8")], docs_page.PAGE)

    async def _docs_file(self, scope: Scope, _: HTTPProtocol) -> Reply:
        path, content_type = docs_page.FILES[scope.path]
        headers = [("content-type", content_type), ("cache-control", "max-age=86400")]
        return Reply(200, headers, path.read_bytes())


def _options(allowed: str) -> Handler:
    async def handler(*_: object) -> Reply:
        return Reply(204, [("allow", allowed)], b"")

    return handler


def _problem_reply(problem: Problem, request_id: str) -> Reply:
    headers = [("content-type", "application/problem+json"), *problem.headers]
    return Reply(problem.kind.status, headers, problem.body(request_id))


def _check_content_type(content_type: str) -> None:
    media_type, _, parameters = content_type.lower().partition(";")
    charset = parameters.strip().removeprefix("charset=").strip('"')
    if media_type.strip() != "application/json" or charset not in ("", "utf-8"):
        got = f"got {content_type[:80]!r}" if content_type else "got none"
        raise Problem(
            WRONG_CONTENT_TYPE, f"Send the header `Content-Type: application/json`; {got}."
        )
