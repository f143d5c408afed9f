"""A promoter that sleeps between a check and a write, while others go on: its write is refused.

Its requests come through a proxy that holds the write up, on its way, until operations were taken
over and the rollout was undone by hand. Then it arrives.
"""

import contextlib
import json
import re
import signal
import subprocess
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, NamedTuple

import pytest

from tests.cluster.arena import INFERENCE, UNGATED, Arena, blob_of
from tests.cluster.holding_proxy import Gate, HoldingProxy, Sent, Write
from tests.cluster.system import System
from tests.faults.promoters import Promoter

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

CONFIG = "/api/v1/namespaces/iris-ml/configmaps/model-config"
DEPLOYMENT = "/apis/apps/v1/namespaces/iris-ml/deployments/inference-service"
LEDGER = "/iris/ledger/dev/"
ALIAS = "/api/2.0/mlflow/registered-models/alias"


class Held(NamedTuple):
    """A promoter that sleeps, and what its write waits for."""

    promoter: Promoter
    gate: Gate


def appends(sent: Sent, what: bytes) -> bool:
    """Tell whether a request appends a record to the ledger in which some words are."""
    return sent.method == "PUT" and sent.path.startswith(LEDGER) and what in sent.body


WRITES: dict[str, Write] = {
    "the intent": lambda sent: appends(sent, b'"intent"'),
    "a step": lambda sent: appends(sent, b'"roll out"'),
    "the file": lambda sent: sent.method == "PUT" and sent.path.startswith("/iris/models/"),
    "model-config": lambda sent: sent.method == "PUT" and sent.path.startswith(CONFIG),
    "the Deployment": lambda sent: sent.method == "PATCH" and sent.path.startswith(DEPLOYMENT),
    "the alias": lambda sent: sent.method == "POST" and sent.path.startswith(ALIAS),
    "the outcome": lambda sent: appends(sent, b'"outcome"'),
}


@pytest.mark.parametrize("write", ["a step", "model-config", "the Deployment", "the outcome"])
def test_a_write_that_comes_too_late(arena: Arena, write: str) -> None:
    """It is refused, its promoter exits with 1, and nothing has changed."""
    version = arena.other()
    with asleep(arena, version, write) as held:
        arena.system.iris("recover", "--takeover", "it sleeps")
        undone = arena.undo_by_hand()
        before = left(arena)
        assert wakes(held) == HTTPStatus.CONFLICT
        assert left(arena) == before
    found = arena.status()
    assert f"version {undone} " in found["troubles"][0]["what"]
    arena.system.iris("reconcile", "--to", "ledger")
    arena.agrees(found["release"]["version"])


def test_an_intent_that_comes_too_late(arena: Arena) -> None:
    """Another promoter was first: what has been written since is not what its gates saw."""
    version = arena.other()
    with asleep(arena, version, "the intent") as held:
        arena.system.iris("promote", version, *UNGATED)
        arena.undo_by_hand()
        before = left(arena)
        assert wakes(held) == HTTPStatus.CONFLICT
        assert left(arena) == before
    arena.system.iris("reconcile", "--to", "ledger")
    arena.agrees(version)


def test_a_file_that_comes_too_late(arena: Arena) -> None:
    """It is what was registered, it is written once, and nobody is asked to serve it."""
    before, version = arena.serving(), arena.other()
    models = arena.system.store.models
    whole = models.read(blob_of(version))
    models.delete(blob_of(version))
    with asleep(arena, version, "the file") as held:
        told = arena.system.iris("recover", "--takeover", "it sleeps")
        as_left = left(arena)
        assert wakes(held) == HTTPStatus.CREATED
        assert left(arena) == as_left
    assert "abandoned" in told
    assert models.read(blob_of(version)) == whole
    arena.agrees(before)


def test_an_alias_that_comes_too_late(arena: Arena) -> None:
    """MLflow can't refuse it: `iris status` finds it, and the command that it names mends it."""
    before, version = arena.serving(), arena.other()
    with asleep(arena, version, "the alias") as held:
        arena.system.iris("recover", "--takeover", "it sleeps")
        assert arena.undo_by_hand() == before
        arena.system.iris("reconcile", "--to", "serving")
        as_left = left(arena)
        assert wakes(held) == HTTPStatus.OK
        assert left(arena) == as_left
    found = arena.status()
    assert found["registered"]["alias"] == int(version)
    assert f"the alias names version {version}" in found["troubles"][0]["what"]
    assert found["next"] == "iris reconcile --to ledger"
    arena.system.iris(*found["next"].split()[1:])
    arena.agrees(before)


@contextlib.contextmanager
def asleep(arena: Arena, version: str, write: str) -> Iterator[Held]:
    """Start a promotion, and stop it when a write of it is on its way and has not arrived."""
    gate = Gate(WRITES[write])
    with contextlib.ExitStack() as stack:

        def through(port: int) -> int:
            return stack.enter_context(HoldingProxy(port, gate)).port

        environ = {
            name: re.sub(r"(?<=127\.0\.0\.1:)\d+", lambda port: str(through(int(port[0]))), value)
            for name, value in arena.system.signed_in.items()
            if name in ("AZURE_STORAGE_CONNECTION_STRING", "MLFLOW_TRACKING_URI")
        }
        api_server = through(stack.enter_context(proxied(arena.system)))
        kubeconfig = arena.system.home / "held-up"
        kubeconfig.write_text(json.dumps(kubeconfig_of(f"http://127.0.0.1:{api_server}")))
        promoter = arena.promoter(
            "promote", version, *UNGATED, **environ, KUBECONFIG=str(kubeconfig)
        )
        stack.callback(promoter.send, signal.SIGKILL)
        assert gate.reached.wait(120), promoter.ended().stdout
        promoter.send(signal.SIGSTOP)
        promoter.until_stopped()
        yield Held(promoter, gate)


@contextlib.contextmanager
def proxied(system: System) -> Iterator[int]:
    """Yield a port of 127.0.0.1 at which the API server answers without TLS and without a key."""
    with subprocess.Popen(
        [system.program, "proxy", "--port=0"],
        env=system.environ,
        stdout=subprocess.PIPE,
        text=True,
    ) as proxy:
        assert proxy.stdout is not None
        found = re.search(r"127\.0\.0\.1:(\d+)", proxy.stdout.readline())
        assert found
        try:
            yield int(found[1])
        finally:
            proxy.kill()


def kubeconfig_of(server: str) -> dict[str, Any]:
    """Return the kubeconfig that names one server and no user."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "here", "cluster": {"server": server}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "nobody"}}],
        "users": [{"name": "nobody", "user": {}}],
    }


def wakes(held: Held) -> int:
    """Let the write arrive and its promoter go on; return how the write was answered."""
    status = held.gate.open()
    held.promoter.send(signal.SIGCONT)
    done = held.promoter.ended()
    assert done.code == 1, done.stdout
    return status


def left(arena: Arena) -> Any:
    """Return what a promoter could change, but for files, which are written once, and the alias."""
    deployment = arena.system.get(INFERENCE)
    return (
        arena.system.store.ledger.list(),
        arena.system.get("configmap", "model-config"),
        deployment["metadata"]["annotations"],
        deployment["spec"],
        arena.system.served(),
    )
