"""The runbook, typed as it stands: what each section is about is caused, then it is followed.

A test bears the name of the section that it types. What goes to Azure is typed against stand-ins.
"""

import contextlib
import hashlib
import inspect
import json
import os
import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from artifacts.store import BlobStore, open_store
from registry.versions import Versions
from tests.cluster import stand_ins
from tests.cluster.conftest import WATCH
from tests.cluster.node import space
from tests.cluster.runbook import PAGE, Block, Shell, read
from tests.cluster.system import NAMESPACE, OVERLAY, ROOT, STANDALONE, System

pytestmark = pytest.mark.timeout(900)

BLOCKS = read(PAGE.read_text())
INFERENCE, GATEWAY = "deployment/inference-service", "deployment/api-gateway"
WORKLOADS = (INFERENCE, GATEWAY, "deployment/mlflow")
AUTOSCALERS = ("hpa/inference-service", "hpa/api-gateway")
BY_HAND = "iris-classifier/v2.0.0/model.onnx"


def named(section: str) -> str:
    """Return the name of the test that types a section."""
    return "test_" + re.sub(r"\W+", "_", section.lower())


def test_every_block_is_typed_by_the_test_of_its_section() -> None:
    """A command that nobody runs is a guess; a test without a section is of another page."""
    typing = {
        name
        for name, found in globals().items()
        if inspect.isfunction(found) and "operator" in inspect.signature(found).parameters
    }
    assert {named(block.section) for block in BLOCKS} == typing


def test_what_goes_to_azure_is_marked() -> None:
    """Of a block without the mark every command was really run."""
    for block in BLOCKS:
        azure = re.search(r"^(az|terraform) ", block.commands, re.MULTILINE)
        assert bool(azure) == block.azure, block


@pytest.mark.parametrize(
    "command",
    ["az storage blob list --acount-name irisml", "az vm list", "terraform -chdir=x destroy"],
)
def test_a_stand_in_refuses_what_it_does_not_know(tmp_path: Path, command: str) -> None:
    """Misspelt, or without what it needs, a command fails as the real one does."""
    stand_ins.put_into(tmp_path)
    words = [f"{tmp_path}/{command.split()[0]}", *command.split()[1:]]
    assert subprocess.run(words, cwd=ROOT, capture_output=True, check=False).returncode == 2


class Operator:
    """Whoever has a section of the runbook before him."""

    def __init__(self, system: System, shell: Shell, blocks: list[Block]) -> None:
        self.system = system
        self.blocks = blocks
        self._shell = shell

    def type(self, block: Block, **variables: str) -> str:
        """Type a block, signed in to Azure's stand-in where it goes there."""
        if not block.azure:
            return self._shell.type(block, **variables)
        with self.system.outside() as signed_in:
            there = {stand_ins.SIGN_IN: signed_in[stand_ins.SIGN_IN]}
            return self._shell.type(block, **there, **variables)

    def type_until(self, block: Block, words: str) -> None:
        """Type a block that goes on for ever, until it has shown the words."""
        self._shell.type_until(block, words)


@pytest.fixture(scope="module")
def shell(
    whole_system: System, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Shell]:
    """A terminal in the checkout's folder, whose overlay is the tests'; at its end a report."""
    folder = tmp_path_factory.mktemp("stand-ins")
    stand_ins.put_into(folder)
    shell = Shell({**whole_system.environ, "OVERLAY": str(OVERLAY)}, folder)
    yield shell
    typed = set(shell.typed)
    azure = sum(block.azure for block in typed)
    capture = request.config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        print(f"\nrunbook: {len(typed)} of {len(BLOCKS)} blocks typed, {azure} to stand-ins")


@pytest.fixture
def operator(request: pytest.FixtureRequest, system: System, shell: Shell) -> Iterator[Operator]:
    """An operator with the section of the test's name, who is to type all of it."""
    blocks = [block for block in BLOCKS if named(block.section) == request.node.originalname]
    before = len(shell.typed)
    kept = state(system)
    yield Operator(system, shell, blocks)
    restore(system, kept)
    assert set(shell.typed[before:]) == set(blocks), "not all of the section was typed"


def state(system: System) -> dict[str, Any]:
    """Return what deploys own: the pods' specifications, and the autoscalers'."""
    found = {name: system.get(name)["spec"]["template"]["spec"] for name in WORKLOADS}
    return found | {name: system.get(name)["spec"] for name in AUTOSCALERS}


def restore(system: System, kept: dict[str, Any]) -> None:
    """Bring back what a test has left otherwise."""
    for name, now in state(system).items():
        if now != kept[name]:
            path = "/spec/template/spec" if name in WORKLOADS else "/spec"
            patch = [{"op": "replace", "path": path, "value": kept[name]}]
            system.kubectl("patch", name, "--type=json", f"--patch={json.dumps(patch)}")
    for name in WORKLOADS:
        system.kubectl("rollout", "status", name, "--timeout=180s")


def patch(system: System, name: str, **fields: Any) -> None:
    """Change an object as somebody does who knows no better."""
    system.kubectl("patch", name, "--type=merge", f"--patch={json.dumps(fields)}")


def in_state(system: System, reason: str, app: str = "inference-service") -> str:
    """Wait for a pod that has a container which waits for this reason, and return its name."""

    def found() -> list[str]:
        return [
            pod["metadata"]["name"]
            for pod in system.pods(app)
            for kind in ("initContainerStatuses", "containerStatuses")
            for container in pod["status"].get(kind, [])
            if container["state"].get("waiting", {}).get("reason") == reason
        ]

    space.wait_until(found, f"a pod of {app} is in {reason}", 120)
    return found()[0]


def name_of_pod(system: System, app: str = "inference-service") -> str:
    """Return the name of a pod of a program."""
    name: str = system.pods(app)[0]["metadata"]["name"]
    return name


def replicas(system: System, deployment: str) -> int:
    """Return how many pods are ready."""
    found: int = system.get(deployment)["status"].get("readyReplicas", 0)
    return found


@contextlib.contextmanager
def models(system: System) -> Iterator[BlobStore]:
    """Yield the container of releases."""
    with system.outside() as signed_in, pytest.MonkeyPatch.context() as environ:
        environ.setenv(stand_ins.SIGN_IN, signed_in[stand_ins.SIGN_IN])
        yield open_store(signed_in["IRIS_STORE"]).models


def file_of(system: System, version: int) -> bytes:
    """Return a version's release file as MLflow has it."""
    with system.forwarded("mlflow", 5000) as port:
        versions = Versions(f"http://127.0.0.1:{port}")
        return versions.release_file(versions.candidate(version))


def sha256(system: System) -> str:
    """Return the digest that `model-config` names."""
    return system.config()["MODEL_SHA256"].partition("@")[2]


# Looking


def test_runbook(operator: Operator) -> None:
    """Whoever begins sees which cluster and which environment it is."""
    (which,) = operator.blocks
    assert '"IRIS_ENV":"dev"' in operator.type(which)


def test_what_is_there(operator: Operator) -> None:
    """All of it on a screen; and what happened last stands last."""
    now, lately = operator.blocks
    shown = operator.type(now)
    assert re.search(r"deployment.apps/api-gateway +2/2", shown)
    assert "serving      version 1" in shown
    assert "in the way" not in shown
    pod = name_of_pod(operator.system)
    operator.system.kubectl("delete", "pod", pod)
    assert pod in operator.type(lately)


def test_logs(operator: Operator) -> None:
    """Of every pod, whole; one request is found in them by its id."""
    whole, followed, chosen = operator.blocks
    system, request = operator.system, f"runbook-{secrets.token_hex(4)}"
    asked = ("curl", "-sS", "-H", f"x-request-id: {request}", "http://127.0.0.1:8080/v1/model")
    system.kubectl("exec", GATEWAY, "--", *asked)
    shown = operator.type(whole)
    for pod in (*system.pods("api-gateway"), *system.pods()):
        assert f"[pod/{pod['metadata']['name']}/" in shown
    operator.type_until(followed, "program")
    assert '"status":401' in operator.type(chosen, REQUEST_ID=request)


def test_health(operator: Operator) -> None:
    """Gateway and inference say that they are ready, and a pod what it serves."""
    inside, one = operator.blocks
    assert operator.type(inside).count("200 OK") == 3
    assert sha256(operator.system) in operator.type(one, POD=name_of_pod(operator.system))


def test_metrics(operator: Operator) -> None:
    """The figures of a gateway, and of an inference pod."""
    (figures,) = operator.blocks
    shown = operator.type(figures, POD=name_of_pod(operator.system))
    assert "iris_gateway_instances_ready 2" in shown
    assert re.search(r'iris_inference_status\{.*status="ready".*\} 1', shown)


# Symptoms


def test_high_cpu(operator: Operator) -> None:
    """Load drives the autoscaler to its maximum; with a higher one it adds pods."""
    look, raise_maximum, undo = operator.blocks
    system = operator.system
    at_once = {"stabilizationWindowSeconds": 0}
    quick = {"type": "Pods", "value": 4, "periodSeconds": 15}
    behavior = {"scaleUp": at_once, "scaleDown": {**at_once, "policies": [quick]}}
    metric = system.get("hpa", "api-gateway")["spec"]["metrics"][0]
    metric["resource"]["target"]["averageUtilization"] = 10
    patch(system, "hpa/api-gateway", spec={"metrics": [metric], "behavior": behavior})
    address = system.get("service", "api-gateway")["spec"]["clusterIP"]
    load = ["wrk", "-t1", "-c1", "-d600s", f"http://{address}:8080/health/live"]
    with subprocess.Popen(space.inside(load), stdout=subprocess.DEVNULL) as loading:
        try:
            limited = ("describe", "hpa", "api-gateway")
            space.wait_until(
                lambda: "TooManyReplicas" in system.kubectl(*limited), "more is wanted", 180
            )
            assert "TooManyReplicas" in operator.type(look)
            operator.type(raise_maximum)
            space.wait_until(lambda: replicas(system, GATEWAY) > 4, "there are more", 120)
        finally:
            loading.terminate()
    operator.type(undo)
    space.wait_until(lambda: replicas(system, GATEWAY) == 2, "as many as before", 180)


# What a leak does, in a quarter of a minute: 600 MiB, and a gateway that goes on serving.
LEAK = """
import runpy, threading, time
def leak():
    kept = []
    while True:
        if len(kept) < 60:
            kept.append(b"x" * 10 * 2**20)
        time.sleep(0.2)
threading.Thread(target=leak, daemon=True).start()
runpy.run_module("serving.gateway", run_name="__main__", alter_sys=True)
"""


def test_high_memory(operator: Operator) -> None:
    """A leak is ended by the kernel, and again; with a higher limit no more."""
    look, raise_limit, undo = operator.blocks
    system = operator.system
    leak = [{"name": "api-gateway", "command": ["python", "-c", LEAK]}]
    spec = {"template": {"spec": {"containers": leak}}}
    system.kubectl("patch", GATEWAY, f"--patch={json.dumps({'spec': spec})}")
    killed = r"api-gateway\S+\t[1-9]\d*\tOOMKilled"
    shown = ""

    def is_shown() -> bool:
        nonlocal shown
        shown = operator.type(look)
        return re.search(killed, shown) is not None

    space.wait_until(is_shown, "the look shows the kill", 120)
    assert '"memory":"512Mi"' in shown
    operator.type(raise_limit)

    def holds() -> bool:
        page = system.kubectl(
            "exec", GATEWAY, "--", "curl", "-sS", "http://127.0.0.1:8080/metrics"
        )
        found = re.search(r"^process_resident_memory_bytes (\S+)", page, re.MULTILINE)
        return found is not None and float(found[1]) > 600 * 2**20

    space.wait_until(holds, "all is leaked", 60)
    assert not re.search(killed, operator.type(look))
    mended = [{"name": "api-gateway", "command": None}]
    spec = {"template": {"spec": {"containers": mended}}}
    system.kubectl("patch", GATEWAY, f"--patch={json.dumps({'spec': spec})}")
    operator.type(undo)
    assert '"memory":"512Mi"' in operator.type(look)


@pytest.mark.parametrize(
    ("change", "sign"),
    [
        pytest.param("env MODEL_RELEASE-", "MODEL_VERSION is not set", id="missing variable"),
        pytest.param("env INFERENCE_PORT=many", "INFERENCE_PORT", id="start-up error"),
        pytest.param(
            "resources --limits=memory=48Mi --requests=memory=48Mi", "OOMKilled", id="limits"
        ),
    ],
)
def test_a_pod_in_crashloopbackoff(operator: Operator, change: str, sign: str) -> None:
    """The pod says why, and the undo of the change ends it; what served goes on."""
    look, undo = operator.blocks
    system = operator.system
    verb, *words = change.split()
    system.kubectl("set", verb, INFERENCE, "--containers=inference-service", *words)
    pod = in_state(system, "CrashLoopBackOff")
    shown = operator.type(look, POD=pod)
    assert sign in shown
    assert "Back-off restarting failed container" in shown
    assert replicas(system, INFERENCE) == 2
    assert "in the way" not in operator.type(undo)
    assert pod not in system.served()


@pytest.mark.parametrize("data", [None, b"not what was released"], ids=["missing", "corrupt"])
def test_inference_is_not_ready(operator: Operator, tmp_path: Path, data: bytes | None) -> None:
    """The init container says what is wrong with the blob; a copy in its place ends it."""
    look, listed, copy, again = operator.blocks
    system = operator.system
    blob, digest = system.config()["MODEL_BLOB_NAME"], sha256(system)
    file = tmp_path / "model.onnx"
    with models(system) as blobs:
        file.write_bytes(blobs.read(blob))
        blobs.delete(blob)
        if data:
            blobs.create(blob, data)
    try:
        system.kubectl("delete", "pod", name_of_pod(system))
        pod = in_state(system, "CrashLoopBackOff")
        shown = operator.type(look, POD=pod)
        assert "the file of version 1" in shown
        assert "in the way" in shown
        assert (blob in operator.type(listed)) == bool(data)
    finally:
        operator.type(copy, BLOB=blob, FILE=str(file))
    operator.type(again, POD=pod)
    assert system.serves(digest)


def test_a_rollout_is_stuck(operator: Operator) -> None:
    """An image that does not exist: the events say so, and the undo ends it."""
    look, undo = operator.blocks
    system = operator.system
    system.kubectl("set", "image", GATEWAY, "api-gateway=iris-gateway:none")
    in_state(system, "ImagePullBackOff", "api-gateway")
    shown = operator.type(look)
    assert "timed out waiting" in shown
    assert 'Failed to pull image "iris-gateway:none"' in shown
    assert replicas(system, GATEWAY) == 2
    assert "successfully rolled out" in operator.type(undo)


def test_no_node_takes_a_pod(operator: Operator) -> None:
    """A request that no node can grant: the scheduler says what is missing."""
    look, undo, another = operator.blocks
    system = operator.system
    system.kubectl("set", "resources", INFERENCE, "-c", "inference-service", "--requests=cpu=64")
    pending = ("get", "pods", "--field-selector=status.phase=Pending", "--output=name")
    space.wait_until(lambda: system.kubectl(*pending), "a pod is pending", 60)
    shown = operator.type(look)
    assert "Insufficient cpu" in shown
    assert "inference-service" in shown
    operator.type(another)
    assert "successfully rolled out" in operator.type(undo)
    assert not system.kubectl(*pending)


def test_no_inference_pod_is_left(operator: Operator) -> None:
    """Clients get a problem and no refused connection, until there is a pod again."""
    look, start = operator.blocks
    system = operator.system
    system.kubectl("scale", INFERENCE, "--replicas=0")
    space.wait_until(lambda: not system.served(), "there is none", 60)
    with system.forwarded("api-gateway", 8080) as port:
        answer = system.predict(port)
    assert (answer.status, answer.body["type"]) == (503, "docs/api.md#not-ready")
    shown = operator.type(look)
    assert "503 Service Unavailable" in shown
    assert "retry-after" in shown
    assert re.search(r"inference-service +0/0", shown)
    assert "200 OK" in operator.type(start)
