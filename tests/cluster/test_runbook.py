"""The runbook, typed as it stands: what each section is about is caused, then it is followed.

A test bears the name of the section that it types. What goes to Azure is typed against stand-ins.
"""

import base64
import contextlib
import hashlib
import inspect
import json
import os
import re
import secrets
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from registry.versions import Versions
from tests.cluster import stand_ins
from tests.cluster.conftest import settle
from tests.cluster.node import images, space
from tests.cluster.runbook import PAGE, Block, Shell, read
from tests.cluster.system import NAMESPACE, OVERLAY, ROOT, STANDALONE, Done, System
from tests.integration.registry.commands import Stream

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

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
    program, *words = command.split()
    done = subprocess.run([tmp_path / program, *words], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 2


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
        there = {stand_ins.SIGN_IN: self.system.signed_in[stand_ins.SIGN_IN]}
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
    if whole_system.versions()[0].number != 1:  # the page promotes the other one
        whole_system.promote(1)
    shell = Shell({**whole_system.environ, "OVERLAY": str(OVERLAY)}, folder)
    yield shell
    typed = set(shell.typed)
    azure = sum(block.azure for block in typed)
    capture = request.config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        print(  # noqa: T201
            f"\nrunbook: {len(typed)} of {len(BLOCKS)} blocks typed, {azure} to stand-ins"
        )


@pytest.fixture
def operator(
    request: pytest.FixtureRequest, whole_system: System, shell: Shell
) -> Iterator[Operator]:
    """An operator with the section of the test's name, who is to type all of it.

    Afterwards the system is as before. `iris status`, which is slow, is only asked where pods or
    `model-config` are not.
    """
    system = whole_system
    blocks = [block for block in BLOCKS if named(block.section) == request.node.originalname]
    typed = len(shell.typed)
    kept, digest = state(system), sha256(system)
    yield Operator(system, shell, blocks)
    restore(system, kept)
    if sha256(system) != digest or not system.serves(digest):
        settle(system)
    assert set(shell.typed[typed:]) == set(blocks), "not all of the section was typed"


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
    if not system.get(INFERENCE)["spec"]["replicas"]:  # which the autoscaler leaves alone
        system.kubectl("scale", INFERENCE, "--replicas=2")
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


def file_of(system: System, version: int) -> bytes:
    """Return a version's release file as MLflow has it."""
    with pytest.MonkeyPatch.context() as environ:
        for name, value in system.signed_in.items():
            environ.setenv(name, value)
        versions = Versions(system.url("mlflow"))
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


def test_follow_the_logs(operator: Operator) -> None:
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


def test_ask_for_health(operator: Operator) -> None:
    """Gateway and inference say that they are ready, and a pod what it serves."""
    inside, one = operator.blocks
    assert operator.type(inside).count("200 OK") == 3
    assert sha256(operator.system) in operator.type(one, POD=name_of_pod(operator.system))


def test_read_the_metrics(operator: Operator) -> None:
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
    metrics = system.get("hpa", "api-gateway")["spec"]["metrics"]
    lower = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 40}}
    low = [{"type": "Resource", "resource": lower}]
    patch(system, "hpa/api-gateway", spec={"metrics": low, "behavior": behavior})
    address = system.get("service", "api-gateway")["spec"]["clusterIP"]
    load = ["wrk", "-t1", "-c2", "-d600s", f"http://{address}:8080/health/live"]
    with space.running(load):
        limited = ("describe", "hpa", "api-gateway")
        space.wait_until(
            lambda: "TooManyReplicas" in system.kubectl(*limited), "more is wanted", 180
        )
        assert "TooManyReplicas" in operator.type(look)
        operator.type(raise_maximum)
        space.wait_until(lambda: replicas(system, GATEWAY) > 4, "there are more", 120)
    patch(system, "hpa/api-gateway", spec={"metrics": metrics})
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
    spec: dict[str, Any] = {"template": {"spec": {"containers": leak}}}
    system.kubectl("patch", GATEWAY, f"--patch={json.dumps({'spec': spec})}")
    killed = r"api-gateway\S+\t[1-9]\d*\tOOMKilled"
    space.wait_until(lambda: re.search(killed, operator.type(look)), "the kill is seen", 120)
    operator.type(raise_limit)
    space.wait_until(lambda: not re.search(killed, operator.type(look)), "others serve", 120)

    def holds() -> bool:
        page = system.kubectl("exec", GATEWAY, "--", "curl", "-sS", "http://127.0.0.1:8080/metrics")
        found = re.search(r"^process_resident_memory_bytes (\S+)", page, re.MULTILINE)
        return found is not None and float(found[1]) > 600 * 2**20

    space.wait_until(holds, "all is leaked", 60)
    assert not re.search(killed, operator.type(look))
    mended = [{"name": "api-gateway", "command": None}]
    spec["template"]["spec"]["containers"] = mended
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
def test_inference_is_not_ready(operator: Operator, data: bytes | None) -> None:
    """The init container says what is wrong with the blob; the file in its place ends it."""
    look, listed, put_back, again = operator.blocks
    system = operator.system
    blob, digest = system.config()["MODEL_BLOB_NAME"], sha256(system)
    blobs = system.store.models
    blobs.delete(blob)
    if data:
        blobs.replace(blob, data)
    try:
        system.kubectl("delete", "pod", name_of_pod(system))
        pod = in_state(system, "CrashLoopBackOff")
        shown = operator.type(look, POD=pod)
        assert "the file of version 1" in shown
        assert "in the way" in shown
        assert (blob in operator.type(listed)) == bool(data)
    finally:
        operator.type(put_back, VERSION=system.config()["MODEL_VERSION"])
    operator.type(again, POD=pod)
    assert system.serves(digest)


def test_a_rollout_is_stuck(operator: Operator) -> None:
    """An image that does not exist: the events say so, and the undo ends it."""
    look, undo = operator.blocks
    system = operator.system
    system.kubectl("set", "image", GATEWAY, "api-gateway=iris-gateway:none")
    in_state(system, "ImagePullBackOff", "api-gateway")
    shown = operator.type(look)
    assert "Waiting for deployment" in shown
    assert 'Failed to pull image "iris-gateway:none"' in shown
    assert replicas(system, GATEWAY) >= 2
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
    not_ready = "docs/api.md#not-ready"
    space.wait_until(lambda: system.predict().body.get("type") == not_ready, "clients are told", 60)
    assert system.predict().status == 503
    shown = operator.type(look)
    assert "503 Service Unavailable" in shown
    assert "retry-after" in shown
    assert re.search(r"inference-service +0/0", shown)
    assert "200 OK" in operator.type(start)


# Changing


def test_deploy_a_new_image(operator: Operator, tmp_path: Path) -> None:
    """The image is another, the release the same; the undo brings the image of before."""
    deploy, look, undo = operator.blocks
    system, digest = operator.system, sha256(operator.system)
    name = "docker.io/library/iris-gateway"
    space.run(space.inside([*images.CTR, "tag", "--force", f"{name}:local", f"{name}:next"]))
    overlay = {
        "resources": [os.path.relpath(OVERLAY, tmp_path)],
        "images": [{"name": "iris-gateway", "newTag": "next"}],
    }
    (tmp_path / "kustomization.yaml").write_text(json.dumps(overlay))
    system.make("deploy-dev", OVERLAY=str(OVERLAY))
    shown = operator.type(deploy, OVERLAY=str(tmp_path))
    assert re.search(r"^\+ .*image: iris-gateway:next$", shown, re.MULTILINE)
    assert "iris-gateway:next" in operator.type(look)
    assert system.serves(digest)
    operator.type(undo)
    gone = (lambda: "iris-gateway:next" not in operator.type(look), "the last has ended", 60)
    space.wait_until(*gone)
    assert system.serves(digest)


def test_promote_a_version(operator: Operator) -> None:
    """By a Job in the cluster; status and history tell of it."""
    promote, look = operator.blocks
    system = operator.system
    operator.type(promote)
    shown = operator.type(look)
    assert "serving      version 2" in shown
    assert "better on versicolor" in shown
    system.iris("rollback", "--to", "1", "--reason", "a test has ended")


def test_update_a_model_by_hand(operator: Operator, tmp_path: Path) -> None:
    """It serves, and the status says that a hand put it in, until either way settles it."""
    upload, name, keep, undo = operator.blocks
    system, before = operator.system, sha256(operator.system)
    file = tmp_path / "model.onnx"
    file.write_bytes(file_of(system, 2))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    system.store.models.delete(BY_HAND)
    operator.type(upload, FILE=str(file))
    assert "by hand" in operator.type(name)
    assert system.serves(digest)
    system.make("deploy-dev", code=2, OVERLAY=str(OVERLAY))
    operator.type(undo)
    system.wait_until_serves(before)
    operator.type(name)
    operator.type(keep)
    assert system.status().troubles == []
    assert system.serves(digest)
    system.iris("rollback", "--to", "1", "--reason", "a test has ended")
    assert system.serves(before)


def test_scale_by_hand(operator: Operator) -> None:
    """The autoscaler keeps to the minimum, and takes back what is scaled without it."""
    scale, undo = operator.blocks
    system = operator.system
    quick = {"type": "Pods", "value": 4, "periodSeconds": 15}
    down = {"stabilizationWindowSeconds": 0, "policies": [quick]}
    patch(system, "hpa/inference-service", spec={"behavior": {"scaleDown": down}})
    operator.type(scale)
    assert replicas(system, INFERENCE) == 3
    operator.type(undo)
    space.wait_until(lambda: replicas(system, INFERENCE) == 2, "as many as before", 120)
    system.kubectl("scale", INFERENCE, "--replicas=3")
    space.wait_until(lambda: replicas(system, INFERENCE) == 3, "it is scaled", 60)
    space.wait_until(lambda: replicas(system, INFERENCE) == 2, "that is taken back", 120)


@contextlib.contextmanager
def key_vault(system: System) -> Iterator[None]:
    """Let External Secrets bring `iris-ml-secrets`, from its fake provider in Key Vault's place."""
    data = [
        {"key": key, "value": system.secret("iris-ml-secrets", key)}
        for key in ("gateway-api-keys", "gateway-key", "mlflow-database", "mlflow-password")
    ]
    store = {
        "apiVersion": "external-secrets.io/v1",
        "kind": "SecretStore",
        "metadata": {"name": "key-vault"},
        "spec": {"provider": {"fake": {"data": data}}},
    }
    external = ("externalsecret/iris-ml-secrets", "secretstore/key-vault")
    try:
        system.kubectl("apply", "--filename=-", stdin=json.dumps(store))
        system.kubectl("apply", "--filename=k8s/components/azure/externalsecret.yaml")
        system.kubectl("wait", "--for=condition=Ready", external[0], "--timeout=60s")
        yield
    finally:
        system.kubectl("delete", *external, "--cascade=orphan")
        system.kubectl("delete", "secret", "iris-ml-secrets")
        system.run("k8s/components/standalone/secrets")


def test_rotate_the_keys_of_clients(operator: Operator, tmp_path: Path) -> None:
    """The new file comes by force; each gateway takes it without a restart, and loses no request.

    A key that was taken out is refused after its grace.
    """
    put, fetch = operator.blocks
    system, key = operator.system, secrets.token_hex(32)
    before = {pod["metadata"]["name"] for pod in system.pods("api-gateway")}
    file, file_before = tmp_path / "keys", tmp_path / "keys-before"
    line = f"shop:{hashlib.sha256(key.encode()).hexdigest()}\n"
    file_before.write_text(system.secret("iris-ml-secrets", "gateway-api-keys"))
    file.write_text(f"{file_before.read_text().strip()}\n{line}")
    authorized = {"authorization": f"Bearer {system.secret('iris-ml-secrets', 'gateway-key')}"}
    asking = ("curl", "-sS", "-i", "-H", f"authorization: Bearer {key}")
    url = "http://127.0.0.1:8080/v1/model"

    def answers() -> list[str]:
        pods = sorted(before)
        return [system.kubectl("exec", pod, "--", *asking, url).split()[1] for pod in pods]

    assert answers() == ["401", "401"]
    with key_vault(system), Stream(system.url("api-gateway"), 2, authorized) as stream:
        operator.type(put, FILE=str(file))
        shown = operator.type(fetch)
        assert "SecretSynced" in shown
        space.wait_until(lambda: answers() == ["200", "200"], "both let the key in", 150)
        assert "shop" in operator.type(fetch)
        operator.type(put, FILE=str(file_before))
        operator.type(fetch)
        space.wait_until(lambda: answers() == ["401", "401"], "both refuse the key", 240)
        assert "shop" not in operator.type(fetch)
    assert stream.failures == []
    pods = system.pods("api-gateway")
    assert {pod["metadata"]["name"] for pod in pods} == before
    assert not any(pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods)


def test_change_mlflow_s_passwords(operator: Operator) -> None:
    """MLflow signs in by the new role, and by the former one again; no promotion meanwhile fails.

    A role that was ended signs in no more. Then MLflow is signed in to by another password.
    """
    make, put, sign_in, fetch, end = operator.blocks
    system, role, password = operator.system, "mlflow_2", secrets.token_hex(16)
    kept = system.get("secret", STANDALONE, f"--namespace={STANDALONE}")
    former = base64.b64decode(kept["data"]["postgres-password"]).decode()
    administrator = {"ADMINISTRATOR": "ops@example.com", "TOKEN": "a token"}

    def in_postgres(user: str, secret: str, statement: str) -> Done:
        url = f"postgresql://{user}:{secret}@127.0.0.1/mlflow"
        words = ("exec", "postgres-0", f"--namespace={STANDALONE}", "--", "psql", url)
        return system.run(system.program, *words, "--command", statement, code=None)

    with key_vault(system), ThreadPoolExecutor() as engineer:
        operator.type(make, ROLE=role, PASSWORD=password, **administrator)
        for user, secret in ((role, password), ("mlflow", former)):
            database = f"postgres.{STANDALONE}.svc:5432"
            operator.type(put, ROLE=user, PASSWORD=secret, DATABASE=database)
            promoted = engineer.submit(system.promote, system.versions()[1].number)
            assert "registered" in operator.type(fetch)
            promoted.result()
            shown = system.kubectl(
                "exec", "deployment/mlflow", "--", "printenv", "MLFLOW_BACKEND_STORE_URI"
            )
            assert f"//{user}:{secret}@" in shown
            assert system.status().troubles == []
        assert in_postgres(role, password, "SELECT").code == 0
        operator.type(end, FORMER=role, **administrator)
        assert "not permitted to log in" in in_postgres(role, password, "SELECT").err
        assert in_postgres("mlflow", former, f"DROP ROLE {role}").code == 0, "it owned nothing"
        former = system.secret("iris-ml-secrets", "mlflow-password")
        for password in (secrets.token_hex(16), former):
            operator.type(sign_in, PASSWORD=password)
            assert "(the alias names 1)" in operator.type(fetch)
            assert system.secret("iris-ml-secrets", "mlflow-password") == password


def test_restart_everything(operator: Operator) -> None:
    """Every pod is another, and serves what it did."""
    (restart,) = operator.blocks
    system, digest = operator.system, sha256(operator.system)
    apps = ("api-gateway", "inference-service", "mlflow")
    before = {pod["metadata"]["name"] for app in apps for pod in system.pods(app)}
    assert operator.type(restart).count("successfully rolled out") == 3
    assert not before & {pod["metadata"]["name"] for app in apps for pod in system.pods(app)}
    assert system.serves(digest)


def test_go_back(operator: Operator) -> None:
    """With the ledger in step; or by hand, which is seen and is settled."""
    rollback, undo, to_revision, settle_it = operator.blocks
    system, before = operator.system, sha256(operator.system)
    system.promote(2)
    newer = sha256(system)
    assert "serving      version 1" in operator.type(rollback)
    assert system.serves(before)
    revision = system.get(INFERENCE)["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
    operator.type(undo)
    assert system.serves(newer)
    operator.type(settle_it)
    assert system.status().troubles == []
    assert "in the way" in operator.type(to_revision, REVISION=revision)
    assert system.serves(before)
    system.iris("reconcile", "--to", "serving", "--reason", "a test has ended")


def test_after_a_disaster(operator: Operator) -> None:
    """The namespace is gone, and a deploy lets the same release serve."""
    cluster, made, deploy, blob = operator.blocks
    system, digest = operator.system, sha256(operator.system)
    system.kubectl("delete", "namespace", NAMESPACE, "--timeout=180s")
    operator.type(made)
    shown = operator.type(deploy)
    assert "serving      version 1" in shown
    assert "in the way" not in shown
    system.wait_until_serves(digest)
    operator.type(cluster)
    operator.type(blob, BLOB=system.config()["MODEL_BLOB_NAME"])
