"""A promotion with a watch window, before a gateway that answers as the model files say."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import numpy as np
import pytest

from artifacts.errors import StoreUnavailable
from artifacts.model import load_model
from registry import operation as operations
from registry import recovery
from registry.chain import Chain
from registry.errors import WatchFailed
from registry.promotion import Request, promote
from registry.records import Effect, Outcome, Result
from registry.recovery import recover
from registry.workspace import Workspace
from tests.unit.registry.fakes import Crash, World

SLOW_S = 0.15


def working(world: World, crash_at: str = "") -> Workspace:
    """Return what a command works on; whatever a busy machine does to the others is not slow."""
    thresholds = world.folder / "gates.toml"
    thresholds.write_text("[watch]\nslow_floor_ms = 100.0\n")
    return world.work(crash_at, iris_gates_file=str(thresholds))


class Gateway(ThreadingHTTPServer):
    """Answers with the release that is asked for, as fast as it is told for each version."""

    def __init__(self, world: World) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.world = world
        self.seconds: dict[str, float] = {}


class Handler(BaseHTTPRequestHandler):
    """Two of the gateway's paths."""

    server: Gateway
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Count nothing: no real request came."""
        self._reply(b"")

    def do_POST(self) -> None:
        """Answer with the probabilities of the release that is asked for."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        world = self.server.world
        release = world.target.state.release
        assert release is not None
        time.sleep(self.server.seconds.get(release.version, 0.0))
        model = load_model(world.versions.files[int(release.version)], release.sha256)
        rows = model.predict(np.array(body["instances"]))
        predictions = [
            {"probabilities": dict(zip(model.card.labels, row, strict=True))}
            for row in rows.tolist()
        ]
        answer = {"model": {"sha256": release.sha256}, "predictions": predictions}
        self._reply(json.dumps(answer).encode())

    def log_message(self, *_: object) -> None:
        """Be silent."""

    def _reply(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def gateway(world: World) -> Iterator[Gateway]:
    """Return a gateway before what serves, which is version 1."""
    promote(world.work(), Request(world.register()))
    with Gateway(world) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        url = f"http://127.0.0.1:{server.server_port}"
        world.target.state = msgspec.structs.replace(world.target.state, gateways=[url])
        yield server
        server.shutdown()


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that crashed is this one, which lives; say that it is dead."""
    monkeypatch.setattr(recovery, "is_dead", lambda _: True)


def last_outcome(world: World) -> Outcome:
    """Return how the last operation ended."""
    outcome = world.work().ledger.read().operations[-1].outcome
    assert outcome is not None
    return outcome


@pytest.mark.usefixtures("dead")
def test_a_repeated_window_compares_with_what_served_before_the_first(
    world: World, gateway: Gateway
) -> None:
    """By then the release before answers no more: what it did stands in the ledger."""
    request = Request(world.register(tilt=0.01), watch_s=0.1)
    gateway.seconds = {"2": SLOW_S}
    with pytest.raises(Crash):
        promote(working(world, crash_at="during watch"), request)

    recover(working(world))

    assert last_outcome(world).result is Result.COMPENSATED
    assert "took longer than" in last_outcome(world).explanation
    world.consistent()


def test_a_release_is_compared_with_the_one_before(world: World, gateway: Gateway) -> None:
    """Both answer at once: nothing is said of a comparison that was not made."""
    assert gateway.seconds == {}
    promote(working(world), Request(world.register(tilt=0.01), watch_s=0.1))
    assert "the synthetic ones decided" in last_outcome(world).watched
    assert "nothing was there to compare" not in last_outcome(world).watched


def test_a_slow_release_is_gone_again(world: World, gateway: Gateway) -> None:
    """What served before serves, and the ledger says why."""
    gateway.seconds = {"2": SLOW_S}
    with pytest.raises(WatchFailed, match="took longer than"):
        promote(working(world), Request(world.register(tilt=0.01), watch_s=0.1))
    assert last_outcome(world).result is Result.COMPENSATED
    world.consistent()


def away_in_the_window(work: Workspace, monkeypatch: pytest.MonkeyPatch, looks: int) -> None:
    """Let the ledger be out of reach for so many looks, once the window has begun."""
    read = work.ledger.read
    left = iter(range(looks))

    def read_or_not() -> Chain:
        chain = read()
        found = chain.open
        if found and Effect.WATCH in found.effects and next(left, None) is not None:
            raise StoreUnavailable("the store does not answer", hint="look at it")
        return chain

    monkeypatch.setattr(work.ledger, "read", read_or_not)
    monkeypatch.setattr(operations, "_STORE_AGAIN_S", 0.01)


@pytest.mark.usefixtures("gateway")
def test_a_store_that_is_away_for_a_moment_ends_no_window(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The release serves on meanwhile, and it is looked again."""
    work = working(world)
    away_in_the_window(work, monkeypatch, looks=3)
    promote(work, Request(world.register(tilt=0.01), watch_s=0.1))
    assert last_outcome(world).result is Result.DONE


@pytest.mark.usefixtures("gateway")
def test_a_store_that_stays_away_leaves_the_operation_open_and_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows whether it was taken over; what serves is left, and named."""
    work = working(world)
    away_in_the_window(work, monkeypatch, looks=1_000_000)
    monkeypatch.setattr(operations, "_STORE_AWAY_S", 0.1)
    with pytest.raises(StoreUnavailable) as raised:
        promote(work, Request(world.register(tilt=0.01), watch_s=0.1))
    assert "version 2" in raised.value.hint
    assert "iris recover" in raised.value.hint
    assert world.work().ledger.read().open is not None
