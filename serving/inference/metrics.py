"""What an inference process counts, and its page of metrics; `docs/observability.md` explains it.

BentoML's own metrics are off: they have a label for each path that anybody asks for, and cost a
call 50 µs.
"""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.exposition import Histogram, build_info, counter, gauge, histogram, page
from serving.inference.instance import STATUSES, Instance
from serving.inference.served_model import Calls
from serving.process_figures import process_figures

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
ROUTES = frozenset(
    ("/predict", "/v1/model", "/metrics", "/health/live", "/health/ready", "/livez", "/readyz")
)
OTHER = "other"


class Requests:
    """The requests of one process."""

    def __init__(self) -> None:
        self.durations: dict[tuple[str, int], Histogram] = {}
        """In seconds, by route and status."""

    def count(self, path: str, status: int, seconds: float) -> None:
        """Count a request; all paths at which there is nothing are one route."""
        key = (path if path in ROUTES else OTHER, status)
        of = self.durations.get(key)
        if of is None:
            of = self.durations[key] = Histogram(SECONDS)
        of.observe(seconds)


REQUESTS = Requests()
"""This process's own."""


class CountRequests:
    """ASGI middleware: every request is counted, whatever becomes of it."""

    def __init__(self, app: ASGIApp, requests: Requests) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on, and count it when it is over; 500, where no response was begun."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began = 500, time.perf_counter()

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        finally:
            self._requests.count(scope["path"], status, time.perf_counter() - began)


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
