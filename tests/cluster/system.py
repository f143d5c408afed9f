"""The system in a cluster, by the commands that operators and engineers type."""

import base64
import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from unittest.mock import patch

from artifacts.settings import load
from artifacts.store import Store, open_store
from registry.settings import RegistrySettings
from registry.status import Status, gather_status
from tests.cluster.node import images, layout, programs, space
from tests.integration.registry import commands
from tests.support.faulty_proxy import FaultyProxy

ROOT = Path(__file__).parents[2]
OVERLAY = ROOT / "tests" / "cluster" / "dev"
NAMESPACE = "iris-ml"
STANDALONE = "iris-ml-standalone"
APPS = ("api-gateway", "exporter", "inference-service", "mlflow")
DOORS = {"api-gateway": 30808, "azurite": 30100, "mlflow": 30505}
"""The ports of `dev/doors.yaml`, on the node's addresses."""
ENDED_S = 600
_AS_JSON = ("--dry-run=client", "--output=json")
FLOWER = [5.1, 3.5, 1.4, 0.2]


class Done(NamedTuple):
    """What a command left."""

    code: int
    out: str
    err: str


class Version(NamedTuple):
    """A registered version."""

    number: int
    sha256: str


class Answer(NamedTuple):
    """What a client got."""

    status: int
    body: Any


class System(contextlib.ExitStack):
    """The system in the cluster of a kubeconfig, and an engineer outside of it.

    His commands run in this process: MLflow, which takes seconds to import, is imported once.
    """

    def __init__(self, home: Path) -> None:
        """Take a folder for what the engineer's machine keeps."""
        super().__init__()
        self.home = home / "iris"
        self._ports: dict[str, int] = {}
        self._digests: dict[int, str] = {}
        # A node on a busy machine is slow, whatever serves there.
        self._patient = home / "gates.toml"
        self._patient.write_text("[watch]\nslow_floor_ms = 1000.0\n")
        self.kubeconfig = f"{home}/kubeconfig"
        on_node = layout.STATE / "kubernetes" / "kubectl"
        found = str(on_node) if on_node.exists() else shutil.which("kubectl")
        self.program = found or str(programs.build() / "kubectl")
        self.meet()

    def meet(self) -> None:
        """Take the kubeconfig of the cluster that is there now.

        It is a copy, in which the system's namespace is the one that is meant.
        """
        shutil.copy(os.environ.get("KUBECONFIG", layout.KUBECONFIG), self.kubeconfig)
        self.kubectl("config", "set-context", "--current", f"--namespace={NAMESPACE}")

    @property
    def environ(self) -> dict[str, str]:
        """The environment of whoever types a command: he has kubectl, and may all."""
        path = f"{Path(self.program).parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        kept = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL")}
        return kept | {"KUBECONFIG": self.kubeconfig, "PATH": path, "KUBECTL": self.program}

    def run(
        self,
        *words: str,
        code: int | None = 0,
        stdin: str | None = None,
        environ: Mapping[str, str] = MappingProxyType({}),
    ) -> Done:
        """Run a command in the checkout's folder, to its end; its code must be as expected."""
        ended = subprocess.run(
            words,
            cwd=ROOT,
            env={**self.environ, **environ},
            input=stdin or "",
            capture_output=True,
            text=True,
            timeout=ENDED_S,
            check=False,
        )
        done = Done(ended.returncode, ended.stdout, ended.stderr)
        assert code is None or done.code == code, (
            f"{shlex.join(words)} → {done.code}\n{done.out}\n{done.err}"
        )
        return done

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        """Run kubectl, in the system's namespace where no other is named, and return its output."""
        return self.run(self.program, *words, stdin=stdin).out

    def get(self, *words: str) -> Any:
        """Return objects as the API server has them."""
        return json.loads(self.kubectl("get", *words, "--output=json"))

    def make(self, target: str, code: int = 0, **variables: str) -> str:
        """Run one of the project's targets."""
        given = [f"{name}={value}" for name, value in variables.items()]
        done = self.run("make", "--no-print-directory", target, *given, code=code)
        return done.out + done.err

    def url(self, service: str) -> str:
        """Return an address of this machine that leads to a Service, and outlives its pods.

        (`kubectl port-forward`, which an engineer has, ends with the first connection that fails.)
        """
        if service not in self._ports:
            proxy = self.enter_context(FaultyProxy(DOORS[service], target=self.node))
            self._ports[service] = proxy.port
        return f"http://127.0.0.1:{self._ports[service]}"

    @property
    def signed_in(self) -> dict[str, str]:
        """The environment of the engineer, with his forwarded ports."""
        gateway = {"IRIS_GATEWAY_URL": self.url("api-gateway"), "KUBECONFIG": self.kubeconfig}
        return self._signed_in(self.url("azurite"), self.url("mlflow")) | gateway

    def on_node(self) -> dict[str, str]:
        """Return the environment of an engineer on the node, from where pods are reached, too."""
        there = {service: f"http://127.0.0.1:{port}" for service, port in DOORS.items()}
        return self._signed_in(there["azurite"], there["mlflow"])

    def _signed_in(self, azurite: str, mlflow: str) -> dict[str, str]:
        secret = self.secret("iris-ml-store", "AZURE_STORAGE_CONNECTION_STRING")
        there = f"BlobEndpoint={azurite}/iris"
        return {
            **self.get("configmap", "iris-ml-environment")["data"],
            "AZURE_STORAGE_CONNECTION_STRING": re.sub("BlobEndpoint=[^;]*", there, secret),
            "IRIS_GATEWAY_KEY": self.secret("iris-ml-secrets", "gateway-key"),
            "IRIS_GATES_FILE": str(self._patient),
            "IRIS_HOME": str(self.home),
            "IRIS_ROLLOUT_TIMEOUT_S": "150",
            "IRIS_TARGET": "kubernetes",
            "MLFLOW_TRACKING_PASSWORD": self.secret("iris-ml-secrets", "mlflow-password"),
            "MLFLOW_TRACKING_URI": mlflow,
            "MLFLOW_TRACKING_USERNAME": "iris",
        }

    @property
    def node(self) -> str:
        """The address of the node, from this machine."""
        (node,) = self.get("nodes")["items"]
        addresses = {a["type"]: a["address"] for a in node["status"]["addresses"]}
        return str(addresses["InternalIP"])

    def secret(self, name: str, key: str) -> str:
        """Return what a Secret holds."""
        return base64.b64decode(self.get("secret", name)["data"][key]).decode()

    def iris(self, *words: str, code: int = 0, **environ: str) -> str:
        """Run a command of the engineer's, and return what it prints."""
        done = commands.iris(self.home, *words, code=code, **{**self.signed_in, **environ})
        return done.stdout + done.stderr

    def status(self) -> Status:
        """Return what `iris status` says; here, since each start of `iris` imports MLflow anew."""
        with patch.dict(os.environ, self.signed_in):
            return gather_status(load(RegistrySettings))

    def promote(self, version: int) -> None:
        """Let a version serve, from outside, with a short window."""
        unhurried = ("--watch", "1s", "--force", "a busy machine measures costs badly")
        self.iris("promote", str(version), *unhurried, "--reason", "a test")

    def versions(self) -> tuple[Version, Version]:
        """Return the version that is asked for, and one that may be promoted."""
        if not self._digests:
            found = self.status().registered
            assert found is not None
            self._digests = found.fit
        asked = self.config()["MODEL_SHA256"].partition("@")[2]
        both = [Version(number, sha256) for number, sha256 in self._digests.items()]
        return (
            next(version for version in both if version.sha256 == asked),
            next(version for version in both if version.sha256 != asked),
        )

    @property
    def store(self) -> Store:
        """The store, with the rights of whoever repairs it by hand."""
        with patch.dict(os.environ, self.signed_in):
            return open_store(self.signed_in["IRIS_STORE"])

    def edit(self, **data: str) -> None:
        """Edit `model-config`, as `kubectl edit` does."""
        self.kubectl("patch", "configmap", "model-config", "--patch", json.dumps({"data": data}))

    def revision(self) -> int:
        """Return the revision that `rollout history` shows last."""
        found = self.get("deployment", "inference-service")["metadata"]["annotations"]
        return int(found["deployment.kubernetes.io/revision"])

    def rollout(self, *words: str) -> None:
        """Run `kubectl rollout` on inference, and wait until it has rolled out."""
        self.kubectl("rollout", words[0], "deployment/inference-service", *words[1:])
        self.kubectl("rollout", "status", "deployment/inference-service", "--timeout=180s")

    def pods(self, app: str = "inference-service") -> list[dict[str, Any]]:
        """Return the pods of a program that are not on their way out."""
        found = self.get("pods", f"--selector=app={app}")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def leaving(self) -> bool:
        """Tell whether pods of inference are on their way out, which may answer still."""
        found = self.get("pods", "--selector=app=inference-service")["items"]
        return any("deletionTimestamp" in pod["metadata"] for pod in found)

    def served(self) -> dict[str, str]:
        """Return the digest that each pod of inference says it serves, by the pod's name.

        A pod that does not answer serves nothing: its digest is empty.
        """
        found = {}
        for pod in self.pods():
            name = pod["metadata"]["name"]
            path = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}:5001/proxy/v1/model"
            done = self.run(self.program, "get", f"--raw={path}", code=None)
            found[name] = json.loads(done.out)["sha256"] if done.code == 0 else ""
        return found

    def serves(self, sha256: str) -> bool:
        """Tell whether the rollout has ended, and every pod serves a digest by its own word."""
        status = self.get("deployment", "inference-service")
        replicas = status["spec"]["replicas"]
        done = status["status"].get("observedGeneration") == status["metadata"]["generation"]
        counts = {status["status"].get(n) for n in ("replicas", "updatedReplicas", "readyReplicas")}
        served = self.served()
        return (
            done
            and counts == {replicas}
            and len(served) == replicas
            and (set(served.values()) == {sha256})
        )

    def wait_until_serves(self, sha256: str, seconds: float = 180) -> None:
        """Wait until every pod serves a digest."""
        space.wait_until(lambda: self.serves(sha256), f"every pod serves {sha256[:12]}", seconds)

    def predict(self, row: list[float] = FLOWER) -> Answer:
        """Ask for a prediction, as a client with a key."""
        key = self.secret("iris-ml-secrets", "gateway-key")
        request = urllib.request.Request(
            f"{self.url('api-gateway')}/v1/predict",
            json.dumps({"instances": [row]}).encode(),
            {"authorization": f"Bearer {key}", "content-type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return Answer(answer.status, json.load(answer))
        except urllib.error.HTTPError as error:
            return Answer(error.code, json.load(error))

    def config(self) -> dict[str, str]:
        """Return `model-config`; empty where there is none."""
        found = self.run(self.program, "get", "cm", "model-config", "-o", "json", code=None)
        data: dict[str, str] = json.loads(found.out)["data"] if found.code == 0 else {}
        return data

    def train(self, name: str, *words: str) -> None:
        """Train in the cluster, with other options than the schedule's."""
        job = json.loads(self.kubectl("create", "job", name, "--from=cronjob/retrain", *_AS_JSON))
        job["spec"]["template"]["spec"]["containers"][0]["args"] = ["train", *words]
        self.kubectl("create", "--filename=-", stdin=json.dumps(job))
        self.kubectl("wait", "--for=condition=Complete", f"job/{name}", "--timeout=300s")

    def load_images(self) -> None:
        """Bring in the images that the manifests name, from this machine's engine."""
        done = self.kubectl("kustomize", str(OVERLAY))
        images.load(*sorted(set(re.findall(r"image: (\S+)", done))))

    def deploy(self) -> None:
        """Bring the system in, as an operator does; what is there stays."""
        folder = layout.STATE / "var" / "lib" / "iris-volumes"
        for part, user in (("azurite", 1000), ("postgres", 999)):
            (folder / part).mkdir(parents=True, exist_ok=True)
            os.chown(folder / part, user, user)
        volumes = (OVERLAY / "volumes.yaml").read_text()
        on_node = "/var/lib/iris-volumes"
        self.kubectl("apply", "--filename=-", stdin=volumes.replace("FOLDER", on_node))
        self.run("k8s/components/standalone/secrets")
        self.make("deploy-dev", OVERLAY=str(OVERLAY))

    def remove(self) -> None:
        """Leave nothing of it in the cluster."""
        self.kubectl("delete", "namespace", NAMESPACE, STANDALONE, "--timeout=180s")
        self.kubectl("delete", "persistentvolume", "iris-azurite", "iris-postgres")
