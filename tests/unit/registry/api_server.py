"""An API server in memory: the objects of one namespace, with their rules of compare-and-set."""

import json
from typing import Any

import httpx
import msgspec

from artifacts.release import Release
from registry.rollout.kubernetes import KubernetesTarget

NAMESPACE = "iris-ml"
CONFIG = f"/api/v1/namespaces/{NAMESPACE}/configmaps/model-config"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/inference-service"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
REVISION = "deployment.kubernetes.io/revision"
SETS = f"/apis/apps/v1/namespaces/{NAMESPACE}/replicasets"


class ApiServer:
    """Answers as far as the rollout back end asks; `roll` does what the controllers would do."""

    def __init__(self, replicas: int = 2) -> None:
        self.version = 1
        self.objects: dict[str, dict[str, Any]] = {}
        self.revision = 1
        self.sets: list[dict[str, Any]] = []
        self.pods: list[dict[str, Any]] = []
        self.models: dict[str, Release] = {}
        """What each pod says it serves."""
        self.logs: dict[str, str] = {}
        self.requests: list[str] = []
        self.down = False
        self.answers_to_lose = 0
        self.template_changes = 0
        spec = {"replicas": replicas, "template": {"metadata": {"annotations": {}}}}
        self._put(DEPLOYMENT, {"metadata": {"name": "inference-service"}, "spec": spec})
        self.settle(replicas)
        self._adopt()

    def target(self) -> KubernetesTarget:
        """Return the back end, in front of this server."""
        transport = httpx.MockTransport(self.answer)
        http = httpx.Client(base_url="https://cluster", transport=transport)
        return KubernetesTarget(http, "test", NAMESPACE, timeout_s=1.0)

    @property
    def config(self) -> dict[str, str]:
        """What stands in `model-config`."""
        data: dict[str, str] = self.objects.get(CONFIG, {}).get("data", {})
        return data

    @property
    def annotations(self) -> dict[str, str]:
        """The template's annotations."""
        found: dict[str, str] = self._deployment["spec"]["template"]["metadata"]["annotations"]
        return found

    def edit(self, **data: str) -> None:
        """Edit `model-config` by hand."""
        self._put(CONFIG, {**self.objects[CONFIG], "data": {**self.config, **data}})

    def settle(self, replicas: int | None = None, **status: Any) -> None:
        """Let the Deployment's status say that its rollout is over, or what is given."""
        generation = self._deployment["metadata"]["generation"]
        count = self._deployment["spec"]["replicas"] if replicas is None else replicas
        counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), count)
        self._deployment["status"] = {"observedGeneration": generation, **counts, **status}
        self._touch(self._deployment)

    def serve(self, release: Release, *names: str) -> None:
        """Replace the pods by ready ones of the present template, which serve a release."""
        self.pods = []
        for name in names:
            self.add_pod(name, release)
        self.settle()

    def add_pod(
        self, name: str, release: Release | None = None, status: dict[str, Any] | None = None
    ) -> None:
        """Add a pod of the present template: one that serves, or one that is as `status` says."""
        ready = {"type": "Ready", "status": "True"}
        running = [{"name": "inference-service", "state": {"running": {}}}]
        serving = {"podIP": "198.18.0.9", "conditions": [ready], "containerStatuses": running}
        metadata = {"name": name, "labels": self._adopt()["metadata"]["labels"]}
        self.pods.append({"metadata": metadata, "status": serving if status is None else status})
        if release is not None:
            self.models[name] = release

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        path = request.url.path
        self.requests.append(f"{request.method} {path}")
        if self.answers_to_lose:
            self.answers_to_lose -= 1
            raise httpx.RemoteProtocolError("it was cut")
        if self.down:
            raise httpx.ConnectError("nobody listens")
        match request.method:
            case "GET":
                return self._get(path, request)
            case "POST":
                return self._create(f"{path}/model-config", json.loads(request.content))
            case _:
                return self._change(path, json.loads(request.content))

    def _get(self, path: str, request: httpx.Request) -> httpx.Response:
        if path == PODS:
            inference = request.url.params["labelSelector"] == "app=inference-service"
            return httpx.Response(200, json={"items": self.pods if inference else []})
        if path == SETS:
            return httpx.Response(200, json={"items": self.sets})
        if path.startswith(PODS):
            name = path.removeprefix(f"{PODS}/").split("/")[0].split(":")[0]
            if path.endswith("/log"):
                return httpx.Response(200, text=self.logs.get(name, ""))
            return self._model(name)
        if path in self.objects:
            return httpx.Response(200, json=self.objects[path])
        return httpx.Response(404, json={"message": f"{path} not found"})

    def _model(self, name: str) -> httpx.Response:
        if name not in self.models:
            return httpx.Response(503, json={"status": "loading"})
        return httpx.Response(200, json=msgspec.to_builtins(self.models[name]))

    def _create(self, path: str, body: dict[str, Any]) -> httpx.Response:
        if path in self.objects:
            return httpx.Response(409, json={"message": "already exists"})
        self._put(path, body)
        return httpx.Response(201, json=body)

    def _change(self, path: str, body: dict[str, Any]) -> httpx.Response:
        kept = self.objects[path]
        if body["metadata"].get("resourceVersion") != kept["metadata"]["resourceVersion"]:
            return httpx.Response(409, json={"message": "the object has been modified"})
        if path == CONFIG:
            self._put(path, body)
        else:
            self._patch(body)
        return httpx.Response(200, json=self.objects[path])

    def _patch(self, body: dict[str, Any]) -> None:
        deployment = self._deployment
        annotations = deployment["metadata"].setdefault("annotations", {})
        annotations |= body["metadata"]["annotations"]
        spec = body.get("spec", {})
        deployment["spec"]["replicas"] = spec.get("replicas", deployment["spec"]["replicas"])
        before = dict(self.annotations)
        self.annotations.update(
            spec.get("template", {"metadata": {"annotations": {}}})["metadata"]["annotations"]
        )
        if self.annotations != before:
            self.template_changes += 1
            self.revision += 1
            annotations[REVISION] = str(self.revision)
            self._adopt()["metadata"]["annotations"][REVISION] = str(self.revision)
        deployment["metadata"]["generation"] += 1
        self._touch(deployment)

    def _adopt(self) -> dict[str, Any]:
        """Return the ReplicaSet of the present template; an older one of the same, or a new one."""
        for found in self.sets:
            if found["spec"]["template"]["metadata"]["annotations"] == self.annotations:
                return found
        made = {
            "metadata": {
                "name": f"rs-{self.revision}",
                "labels": {"pod-template-hash": str(self.revision)},
                "annotations": {REVISION: str(self.revision)},
            },
            "spec": {
                "replicas": 1,
                "template": {"metadata": {"annotations": dict(self.annotations)}},
            },
        }
        self.sets.append(made)
        return made

    @property
    def _deployment(self) -> dict[str, Any]:
        return self.objects[DEPLOYMENT]

    def _put(self, path: str, body: dict[str, Any]) -> None:
        body["metadata"].setdefault("generation", 1)
        if path == DEPLOYMENT:
            body["metadata"].setdefault("annotations", {REVISION: str(self.revision)})
        self.objects[path] = body
        self._touch(body)

    def _touch(self, body: dict[str, Any]) -> None:
        self.version += 1
        body["metadata"]["resourceVersion"] = str(self.version)
