"""The API: paths and methods to handlers, handlers' results and problems to responses."""

import logging
import re
import secrets
from collections.abc import Callable
from functools import partial
from itertools import count
from time import monotonic
from typing import NamedTuple

import msgspec

from serving.exposition import CONTENT_TYPE as METRICS_TYPE
from serving.gateway import docs_page, openapi
from serving.gateway.access_log import AccessLog
from serving.gateway.answers import answer
from serving.gateway.coalescing import Coalescer, Question
from serving.gateway.http_server import Request
from serving.gateway.instances import Instances
from serving.gateway.keys import ApiKeys
from serving.gateway.metrics import PREDICT, REAL, SYNTHETIC, UNKNOWN, Kind, Metrics
from serving.gateway.metrics_page import metrics_page
from serving.gateway.models import Answered, Origin, ReleaseId
from serving.gateway.problems import (
    INTERNAL_ERROR,
    INVALID_HEADER,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    WRONG_CONTENT_TYPE,
    Problem,
)
from serving.gateway.schema import Live, Readiness, Row
from serving.gateway.settings import GatewaySettings
from serving.gateway.validation import rows_of

log = logging.getLogger(__name__)

_is_request_id = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}").fullmatch
_is_traceparent = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}").fullmatch
_is_milliseconds = re.compile(rb"[1-9][0-9]{0,8}").fullmatch

JSON = "content-type: application/json\r\n"
METRICS = f"content-type: {METRICS_TYPE}\r\n"
HTML = "content-type: text/html; charset=utf-8\r\n"


class Books(NamedTuple):
    """Where requests are counted and logged."""

    metrics: Metrics
    access_log: AccessLog


class Exchange:
    """A request on its way to its response, in whose headers its id and the version stand."""

    __slots__ = (
        "_books",
        "_instances",
        "_reason",
        "_request",
        "began",
        "call",
        "client",
        "id",
        "kind",
        "logged",
    )

    def __init__(
        self,
        request: Request,
        request_id: str,
        began: float,
        instances: Instances,
        books: Books,
    ) -> None:
        self._request = request
        self._instances = instances
        self._books = books
        self._reason = ""
        self.id = request_id
        self.began = began
        """When the request was whole, on the event loop's clock."""
        self.kind = UNKNOWN
        """What it is counted as."""
        self.logged = books.access_log.picks()
        """Whether it has a line in the log, whatever becomes of it."""
        self.call = ""
        """The id of the request under which inference knows the call that this one was part of."""
        self.client = ""
        """Whose key it carries."""

    @property
    def gone(self) -> bool:
        """Whether the client has left."""
        return self._request.gone

    @property
    def traceparent(self) -> str:
        """The trace that it belongs to; empty where there is none."""
        given = self._request.headers.get(b"traceparent")
        return given.decode() if given and _is_traceparent(given) else ""

    def reply(
        self,
        body: bytes,
        headers: str = JSON,
        status: int = 200,
        release: ReleaseId | None = None,
    ) -> None:
        """Send the response. `release` is what answered, where a model did."""
        release = release or self._instances.release
        named = f"x-model-version: {release.version}\r\n" if release.version else ""
        self._request.respond(status, f"{headers}x-request-id: {self.id}\r\n{named}", body)
        seconds = self._books.metrics.count(self.kind, release, status, self.began)
        if self.logged or self._reason:
            line = partial(self._fields, status, release, seconds)
            self._books.access_log.write(line, status, self._reason)

    def reply_with(self, answered: Answered, rows: list[Row]) -> None:
        """Send predictions as the response."""
        model, probabilities = answered
        counted = self._books.metrics.predicted(model) if self.kind is REAL else None
        self.reply(answer(model, rows, probabilities, counted), release=model.release)

    def refuse(self, problem: Problem) -> None:
        """Send a problem as the response."""
        if problem.kind.status >= 500:
            self._books.metrics.count_unanswered(problem)
        self._reason = problem.reason
        headers = "".join(f"{name}: {value}\r\n" for name, value in problem.headers)
        kind = "content-type: application/problem+json\r\n"
        self.reply(problem.body(self.id), kind + headers, problem.kind.status)

    def fail(self) -> None:
        """Send that this is a defect, and log which: the border, whatever was raised."""
        where = {"request_id": self.id}
        log.exception("a request met a defect", extra=where)  # noqa: LOG004  called where it's caught
        self.refuse(Problem(INTERNAL_ERROR, "This is a defect of the gateway; its log has more."))

    def _fields(self, status: int, release: ReleaseId, seconds: float) -> dict[str, object]:
        """Return what the log says of the request."""
        fields = {
            "request_id": self.id,
            "trace_id": self.traceparent[3:35],
            "call": self.call,
            "client": self.client,
            "traffic": self.kind.traffic,
            "reason": self._reason,
        }
        return {
            "route": self.kind.route,
            "status": status,
            "duration_ms": round(seconds * 1000, 3),
            **release._asdict(),
            **{name: value for name, value in fields.items() if value},
        }


Record = Callable[[Answered, list[Row]], None]
"""Is told each answer that a real client got, and to which rows; see `recording`."""


class Prediction(Question):
    """A request for a prediction, while it waits."""

    __slots__ = ("_exchange", "record")

    def __init__(
        self,
        exchange: Exchange,
        rows: list[Row],
        features: tuple[str, ...],
        deadline: float,
    ) -> None:
        super().__init__(rows, features, deadline)
        self.logged = exchange.logged
        self._exchange = exchange
        self.record: Record | None = None

    @property
    def gone(self) -> bool:
        """Whether the client has left."""
        return self._exchange.gone

    @property
    def origin(self) -> Origin:
        """The request's id and trace."""
        return Origin(self._exchange.id, self._exchange.traceparent)

    def answered(self, answered: Answered) -> None:
        """Respond with the predictions."""
        if self.call:
            self._exchange.call = self.call
        try:
            self._exchange.reply_with(answered, self.rows)
        except Exception:  # noqa: BLE001  it is logged there
            self._exchange.fail()
        else:
            if self.record is not None:
                self.record(answered, self.rows)

    def failed(self, problem: Problem) -> None:
        """Respond with the reason."""
        self._exchange.call = self.call
        self._exchange.refuse(problem)


Handler = Callable[[Request, Exchange], None]


class Route(NamedTuple):
    """What a path answers, by method."""

    kind: Kind
    handlers: dict[bytes, Handler]


class App:
    """The application that the server runs."""

    def __init__(
        self,
        settings: GatewaySettings,
        instances: Instances,
        keys: ApiKeys,
        record: Record | None = None,
    ) -> None:
        """Take what it works with; without `record` nothing of what is served is kept."""
        self._instances = instances
        self._keys = keys
        self._record = record
        self._coalescer = Coalescer(
            instances.predict,
            places=lambda: settings.gateway_calls_in_flight * max(1, len(instances.ready)),
            call_rows=settings.gateway_call_rows,
            queue_rows=settings.gateway_queue_rows,
        )
        self._max_rows = settings.gateway_max_rows
        self._timeout_ms = settings.gateway_request_timeout_ms
        # uvloop's own clock has the same zero, but counts whole milliseconds and stands still
        # within a turn.
        self._time = monotonic
        self._books = Books(Metrics(self._time), AccessLog(settings.gateway_log_share))
        self._openapi = openapi.document()
        self._request_ids = (f"{run}-{n:06x}" for run in [secrets.token_hex(8)] for n in count())
        handlers: dict[str, dict[bytes, Handler]] = {
            PREDICT: {b"POST": self._predict},
            "/v1/model": {b"GET": self._model},
            "/health/live": {b"GET": self._live},
            "/health/ready": {b"GET": self._ready},
            "/health/started": {b"GET": self._started},
            "/metrics": {b"GET": self._counters},
            "/actuator/prometheus": {b"GET": self._counters},
            "/openapi.json": {b"GET": self._document},
            "/docs": {b"GET": self._docs},
            **{path: {b"GET": self._docs_file} for path in docs_page.FILES},
        }
        self._routes = {path.encode(): Route(Kind(path), of) for path, of in handlers.items()}

    def __call__(self, request: Request) -> None:
        """Answer one request, now or later."""
        given = request.headers.get(b"x-request-id")
        request_id = given.decode() if given and _is_request_id(given) else next(self._request_ids)
        began = self._time()
        exchange = Exchange(request, request_id, began, self._instances, self._books)
        try:
            self._handler(request, exchange)(request, exchange)
        except Problem as problem:
            exchange.refuse(problem)
        except Exception:  # noqa: BLE001  it is logged there
            exchange.fail()

    def _handler(self, request: Request, exchange: Exchange) -> Handler:
        route = self._routes.get(request.path)
        if route is not None:
            exchange.kind = route.kind
        if request.fault is not None:
            raise request.fault
        if route is None:
            raise Problem(NOT_FOUND, "The paths are listed in /openapi.json.")
        methods = route.handlers
        handler = methods.get(b"GET" if request.method == b"HEAD" else request.method)
        if handler is not None:
            return handler
        names = [*methods, *([b"HEAD"] if b"GET" in methods else []), b"OPTIONS"]
        allowed = b", ".join(names).decode()
        if request.method == b"OPTIONS":
            return lambda _, exchange: exchange.reply(b"", f"allow: {allowed}\r\n", 204)
        raise Problem(METHOD_NOT_ALLOWED, f"Allowed: {allowed}.", headers=[("allow", allowed)])

    def _predict(self, request: Request, exchange: Exchange) -> None:
        headers = request.headers
        exchange.kind = SYNTHETIC if headers.get(b"x-iris-synthetic") == b"1" else REAL
        exchange.client = self._keys.client(headers.get(b"authorization"))
        content_type = headers.get(b"content-type", b"")
        if content_type != b"application/json":
            _check_content_type(content_type)
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise Problem(WRONG_CONTENT_TYPE, "Send the body as it is, without `Content-Encoding`.")
        deadline = exchange.began + self._timeout_s(headers.get(b"request-timeout-ms"))
        features = self._instances.model.features
        rows = rows_of(request.body, features, self._max_rows)
        asked = Prediction(exchange, rows, features, deadline)
        if exchange.kind is REAL:
            asked.record = self._record
        self._coalescer.ask(asked, exchange.began)

    def _timeout_s(self, given: bytes | None) -> float:
        """Return how long the client waits: the setting is the default, and the most."""
        if given is None:
            return self._timeout_ms / 1000
        if not _is_milliseconds(given):
            detail = "`Request-Timeout-Ms` is a whole number of milliseconds above 0."
            raise Problem(INVALID_HEADER, detail)
        return min(int(given), self._timeout_ms) / 1000

    def _model(self, request: Request, exchange: Exchange) -> None:
        exchange.client = self._keys.client(request.headers.get(b"authorization"))
        model = self._instances.model
        exchange.reply(model.raw, release=model.release)

    def _live(self, _: Request, exchange: Exchange) -> None:
        exchange.reply(msgspec.json.encode(Live()))

    def _ready(self, _: Request, exchange: Exchange) -> None:
        self._readiness(exchange, bool(self._instances.ready))

    def _started(self, _: Request, exchange: Exchange) -> None:
        self._readiness(exchange, self._instances.started)

    def _readiness(self, exchange: Exchange, ready: bool) -> None:
        state = Readiness(
            "ready" if ready else "not ready",
            self._instances.generation,
            len(self._instances.ready),
        )
        headers = JSON if ready else f"{JSON}retry-after: 1\r\n"
        exchange.reply(msgspec.json.encode(state), headers, 200 if ready else 503)

    def _counters(self, _: Request, exchange: Exchange) -> None:
        exchange.reply(metrics_page(self._books.metrics, self._coalescer, self._instances), METRICS)

    def _document(self, _: Request, exchange: Exchange) -> None:
        exchange.reply(self._openapi)

    def _docs(self, _: Request, exchange: Exchange) -> None:
        exchange.reply(docs_page.PAGE, HTML)

    def _docs_file(self, request: Request, exchange: Exchange) -> None:
        path, content_type = docs_page.FILES[request.path.decode()]
        headers = f"content-type: {content_type}\r\ncache-control: max-age=86400\r\n"
        exchange.reply(path.read_bytes(), headers)


def _check_content_type(given: bytes) -> None:
    content_type = given.decode("latin-1")
    media_type, _, parameters = content_type.lower().partition(";")
    charset = parameters.strip().removeprefix("charset=").strip('"')
    if media_type.strip() != "application/json" or charset not in ("", "utf-8"):
        got = f"got {content_type[:80]!r}" if content_type else "got none"
        raise Problem(
            WRONG_CONTENT_TYPE, f"Send the header `Content-Type: application/json`; {got}."
        )
