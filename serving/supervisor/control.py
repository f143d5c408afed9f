"""The control interface: what is desired and what is, over HTTP, for whoever holds the token."""

import re
import secrets

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from artifacts.release import Release
from serving.supervisor.rules import Fenced, RevisionMoved
from serving.supervisor.state import Fence, StateLost
from serving.supervisor.supervisor import Supervisor

LIVE = "/health/live"


class Desired(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a PUT: what shall be served, and the record of the ledger that says so."""

    release: Release | None
    fence: Fence


def control_app(supervisor: Supervisor, token: str) -> Starlette:
    """Return the application that reads and sets what `supervisor` does."""

    async def live(_: Request) -> JSONResponse:
        return JSONResponse({"status": "live"})

    async def get_state(_: Request) -> JSONResponse:
        return JSONResponse(await supervisor.describe())

    async def put_release(request: Request) -> JSONResponse:
        revision = re.fullmatch(r'"(\d{1,18})"', request.headers.get("if-match", ""))
        if revision is None:
            return _problem(400, 'If-Match must name the revision that was read, as in "7"')
        try:
            desired = msgspec.json.decode(await request.body(), type=Desired)
            supervisor.desire(int(revision[1]), desired.release, desired.fence)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return _problem(400, str(error))
        except RevisionMoved:
            return JSONResponse(await supervisor.describe(), 412)
        except Fenced as error:
            return _problem(409, error.in_one_line())
        except StateLost as error:
            return _problem(507, error.in_one_line())
        return JSONResponse(await supervisor.describe())

    return Starlette(
        routes=[
            Route(LIVE, live, methods=["GET"]),
            Route("/v1/state", get_state, methods=["GET"]),
            Route("/v1/release", put_release, methods=["PUT"]),
        ],
        middleware=[Middleware(BearerToken, token=token)],
    )


class BearerToken:
    """ASGI middleware: nothing is told or done without the token, but that this program lives."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on, or answer 401."""
        app = self._app
        if scope["type"] == "http" and scope["path"] != LIVE:
            given = Request(scope).headers.get("authorization", "")
            if not secrets.compare_digest(given.encode(), self._expected.encode()):
                app = _problem(401, "the token is missing or wrong; it is in supervisor.token")
        await app(scope, receive, send)


def _problem(status: int, detail: str) -> JSONResponse:
    body = {"status": status, "detail": detail}
    return JSONResponse(body, status, media_type="application/problem+json")
