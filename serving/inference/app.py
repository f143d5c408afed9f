"""The routes beside the prediction: health, model, metrics. And headers that name the release."""

import os

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.exposition import CONTENT_TYPE
from serving.inference.instance import Instance
from serving.inference.metrics import Requests, metrics_page


def status_app(instance: Instance, requests: Requests) -> Starlette:
    """Return the application that answers for `instance`, which has got `requests`."""

    async def live(_: Request) -> JSONResponse:
        return JSONResponse({"status": "live"})

    async def ready(_: Request) -> JSONResponse:
        # With the process's id, so that who started it knows that it is this one that answers.
        body: dict[str, str | int] = {"status": instance.status, "pid": os.getpid()}
        if instance.reason:
            body["reason"] = instance.reason
        return JSONResponse(body, 200 if instance.status == "ready" else 503)

    async def model(_: Request) -> JSONResponse:
        if not instance.loaded:
            return JSONResponse({"status": instance.status, "reason": instance.reason}, 503)
        return JSONResponse(instance.served.describe())

    async def metrics(_: Request) -> Response:
        return Response(metrics_page(requests, instance), headers={"content-type": CONTENT_TYPE})

    return Starlette(
        routes=[
            Route("/health/live", live),
            Route("/health/ready", ready),
            Route("/v1/model", model),
            Route("/metrics", metrics),
        ]
    )


class ReleaseHeaders:
    """ASGI middleware: every response says which release the process serves."""

    def __init__(self, app: ASGIApp, instance: Instance) -> None:
        self._app = app
        self._instance = instance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on, and name the release in the headers of its response."""
        if scope["type"] != "http" or not self._instance.loaded:
            await self._app(scope, receive, send)
            return
        served = self._instance.served

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Model-Version"] = served.release.version
                headers["X-Model-Sha256"] = served.model.sha256
            await send(message)

        await self._app(scope, receive, send_named)


class AdminPort:
    """ASGI: what arrives on one of the server's ports gets the routes beside the prediction alone.

    So a network policy can keep the other port for the gateway.
    """

    def __init__(self, app: ASGIApp, admin: ASGIApp, port: int) -> None:
        self._app = app
        self._admin = admin
        self._port = port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on to the one or the other."""
        arrived = scope["type"] == "http" and scope["server"][1] == self._port
        await (self._admin if arrived else self._app)(scope, receive, send)
