"""What an inference process counts, and its page of metrics; `docs/observability.md` explains it.

BentoML's own metrics are off: they have a label for each path that anybody asks for, and cost a
call 50 µs.
"""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.exposition import Histogram, build_info, counter, gauge, histogram, page
from serving.inference.instance import STATUSES, Instance
from serving.inference.served_model import Calls
from serving.logs import request_fields
from serving.process_figures import process_figures

log = logging.getLogger(__name__)

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
ROUTES = frozenset(
    ("/predict", "/v1/model", "/metrics", "/health/live", "/health/ready", "/livez", "/readyz")
)
PROBED = frozenset(("/health/live", "/health/ready", "/livez", "/readyz"))
"""Asked several times a second, and no failure where the answer is no."""
OTHER = "other"


class Requests:
    """The requests of one process."""

    def __init__(self) -> None:
        self.durations: dict[tuple[str, int], Histogram] = {}
        """In seconds, by route and status."""

    def count(self, path: str, status: int, seconds: float) -> str:
        """Count a request, and return its route: all paths at which there is nothing are one."""
        route = path if path in ROUTES else OTHER
        key = (route, status)
        of = self.durations.get(key)
        if of is None:
            of = self.durations[key] = Histogram(SECONDS)
        of.observe(seconds)
        return route


REQUESTS = Requests()
"""This process's own."""


class TellRequests:
    """ASGI middleware: every request is counted, whatever becomes of it, and some are logged.

    That is those that fail, and those that the gateway says it logs too.
    """

    def __init__(self, app: ASGIApp, requests: Requests, instance: Instance) -> None:
        self._app = app
        self._requests = requests
        self._instance = instance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on, and tell of it when it is over; 500, where no response was begun."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began = 500, time.perf_counter()
        headers = dict(scope["headers"])
        token = request_fields.set(_origin(headers))

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        finally:
            seconds = time.perf_counter() - began
            route = self._requests.count(scope["path"], status, seconds)
            failed = status >= 400 and route not in PROBED
            if failed or b"x-iris-logged" in headers:
                self._log(route, status, seconds)
            request_fields.reset(token)

    def _log(self, route: str, status: int, seconds: float) -> None:
        fields = {"route": route, "status": status, "duration_ms": round(seconds * 1000, 3)}
        if self._instance.loaded:
            served = self._instance.served
            fields |= {"version": served.release.version, "sha256": served.model.sha256}
        level = logging.INFO if status < 400 else logging.WARNING
        log.log(level if status < 500 else logging.ERROR, "request", extra=fields)


def _origin(headers: dict[bytes, bytes]) -> dict[str, str]:
    """Return what lines of the log say of a request: its id, and its trace where it has one."""
    fields = {}
    if given := headers.get(b"x-request-id"):
        fields["request_id"] = given.decode("latin-1")
    if trace := headers.get(b"traceparent"):
        fields["trace_id"] = trace.decode("latin-1")[3:35]
    return fields


def metrics_page(requests: Requests, instance: Instance) -> bytes:
    """Return all that is counted, and what is now."""
    durations = [
        ({"route": route, "status": str(status)}, took)
        for (route, status), took in requests.durations.items()
    ]
    served = [instance.served] if instance.loaded else []
    calls = served[0].calls if served else Calls()
    return page(
        counter(
            "iris_inference_requests_total",
            "Answered requests.",
            ((labels, sum(took.counts)) for labels, took in durations),
        ),
        histogram("iris_inference_request_duration_seconds", "Of a request.", durations),
        histogram(
            "iris_inference_model_duration_seconds", "Of the model's calls.", [({}, calls.seconds)]
        ),
        histogram("iris_inference_model_rows", "Rows of the model's calls.", [({}, calls.rows)]),
        counter(
            "iris_inference_late_rows_total",
            "Rows that nobody waited for any more, so the model was not asked.",
            [({}, calls.late_rows)],
        ),
        gauge(
            "iris_inference_status",
            "1 for the status that the process is in, with the error where it failed.",
            (
                ({"status": status, "error": instance.error}, int(status == instance.status))
                for status in STATUSES
            ),
        ),
        gauge(
            "iris_inference_model_info",
            "The release that is served; always 1.",
            (
                (
                    {
                        "name": of.model.card.name,
                        "version": of.release.version,
                        "sha256": of.model.sha256,
                        "estimator": of.model.card.estimator,
                    },
                    1,
                )
                for of in served
            ),
        ),
        build_info("inference"),
        process_figures(),
    )
