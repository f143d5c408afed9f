"""A promotion with a watch window, before a gateway that answers as the model files say."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import numpy as np
import pytest

from artifacts.errors import IrisError, StoreUnavailable
from artifacts.model import load_model
from registry import operation as operations
from registry import recovery
from registry.errors import TargetUnavailable, WatchFailed
from registry.promotion import Request, promote
from registry.records import Effect, Outcome, Result
from registry.recovery import recover
from registry.rollout import Instance, TargetState
from registry.workspace import Workspace
from tests.support.ports import free_port
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
        self.looks = 0
        """How often it is asked yet whether it is ready, until it knows an instance."""


class Handler(BaseHTTPRequestHandler):
    """Three of the gateway's paths."""

    server: Gateway
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Count nothing, since no real request came; and say whether it knows an instance."""
        if self.path == "/health/ready" and self.server.looks:
            self.server.looks -= 1
            self._reply(b"", 503)
        else:
            self._reply(b"")

    def do_POST(self) -> None:
        """Answer with the probabilities of the release that is asked for."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        world = self.server.world
        if self.server.looks:
            self._reply(b'{"detail": "no instance is ready"}', 503)
            return
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

    def _reply(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
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


@pytest.mark.usefixtures("dead", "gateway")
def test_what_was_being_watched_is_waited_for_and_watched_anew(world: World) -> None:
    """Every instance had proven it: that one is not ready at the moment is no reason to go back."""
    version = world.register(tilt=0.01)
    with pytest.raises(Crash):
        promote(working(world, crash_at="during watch"), Request(version, watch_s=0.1))
    world.target.restart()
    recover(working(world))
    assert last_outcome(world).result is Result.DONE
    assert world.serving() == str(version)


def test_gateways_are_given_the_time_to_find_a_first_instance(
    world: World, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they answer until then is no fault of the release."""
    monkeypatch.setattr(operations, "_AGAIN_S", 0.01)
    gateway.looks = 3
    promote(working(world), Request(world.register(tilt=0.01), watch_s=0.1))
    assert last_outcome(world).result is Result.DONE
    assert ", 0 failed" in last_outcome(world).watched


def test_a_gateway_that_finds_no_instance_ends_the_promotion(
    world: World, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its clients would be served by nobody."""
    monkeypatch.setattr(operations, "_FOUND_S", 0.0)
    gateway.looks = 1_000_000
    with pytest.raises(WatchFailed, match="status 503: no instance is ready; version 1"):
        promote(working(world), Request(world.register(tilt=0.01), watch_s=0.1))
    assert last_outcome(world).result is Result.COMPENSATED


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


def away(  # noqa: PLR0917  a look, and when and how it fails
    monkeypatch: pytest.MonkeyPatch,
    work: Workspace,
    part: object,
    error: IrisError,
    begun: Effect,
    looks: int,
) -> None:
    """Let a part be out of reach for so many looks, once a step has begun."""
    look = part.read  # type: ignore[attr-defined]
    ledger = work.ledger.read
    left = iter(range(looks))

    def look_or_not(*words: str) -> object:
        found = ledger().open
        if found and begun in found.effects and next(left, None) is not None:
            raise error
        return look(*words)

    monkeypatch.setattr(part, "read", look_or_not)
    monkeypatch.setattr(operations, "_AGAIN_S", 0.01)


def test_an_instance_that_an_autoscaler_adds_ends_no_window(
    world: World, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It serves the same release, once it is ready."""
    look = world.target.read

    def scaled() -> TargetState:
        state = look()
        watching = Effect.WATCH in world.work().ledger.read().operations[-1].effects
        starting = [Instance("new", None, ready=False)] if watching else []
        return msgspec.structs.replace(state, instances=[*state.instances, *starting])

    monkeypatch.setattr(world.target, "read", scaled)
    promote(working(world), Request(world.register(tilt=0.01), watch_s=0.1))
    assert last_outcome(world).result is Result.DONE
    assert gateway.seconds == {}


@pytest.mark.usefixtures("gateway")
def test_what_could_not_be_watched_is_not_begun(world: World) -> None:
    """From here no gateway is reached: that is told before anything was changed."""
    url = f"http://127.0.0.1:{free_port()}"
    world.target.state = msgspec.structs.replace(world.target.state, gateways=[url])
    records = len(world.work().ledger.read().records)
    version = world.register(tilt=0.01)
    with pytest.raises(TargetUnavailable, match=f"asks {url}, and none answers from here"):
        promote(working(world), Request(version, watch_s=0.1))
    assert len(world.work().ledger.read().records) == records
    promote(working(world), Request(version))


STORE_AWAY = StoreUnavailable("the store does not answer", hint="look at it")
TARGET_AWAY = TargetUnavailable("the supervisor does not answer", hint="look at it")


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize("part", ["ledger", "file", "target"])
def test_what_is_away_for_a_moment_ends_no_window(
    world: World, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """The release serves on meanwhile, and it is looked again."""
    work = working(world)
    parts = {"ledger": work.ledger, "file": work.store.models, "target": world.target}
    error = TARGET_AWAY if part == "target" else STORE_AWAY
    away(monkeypatch, work, parts[part], error, Effect.WATCH, looks=3)
    promote(work, Request(world.register(tilt=0.01), watch_s=0.1))
    assert last_outcome(world).result is Result.DONE
    assert error.message in " ".join(world.told.words)


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize("part", ["ledger", "file"])
def test_a_store_that_stays_away_leaves_the_operation_open_and_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """Nobody knows whether it was taken over; what serves is left."""
    work = working(world)
    parts = {"ledger": work.ledger, "file": work.store.models}
    away(monkeypatch, work, parts[part], STORE_AWAY, Effect.WATCH, looks=1_000_000)
    monkeypatch.setattr(operations, "_AWAY_S", 0.1)
    with pytest.raises(StoreUnavailable) as raised:
        promote(work, Request(world.register(tilt=0.01), watch_s=0.1))
    assert raised.value.hint == "look at it; then end what was begun: iris recover"
    assert world.work().ledger.read().open is not None


@pytest.mark.usefixtures("gateway")
def test_a_file_of_the_former_release_that_is_away_is_no_reason_to_keep_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then there is nothing to compare with, and the outcome says so."""
    work = working(world)
    away(monkeypatch, work, work.store.models, STORE_AWAY, Effect.PUBLISH, looks=1)
    monkeypatch.setattr(operations, "_AWAY_S", 0.0)
    promote(work, Request(world.register(tilt=0.01), watch_s=0.1))
    assert last_outcome(world).result is Result.DONE
    assert "nothing was there to compare" in last_outcome(world).watched
