"""The rollout back end of a cluster: `model-config`, the Deployment, and its pods.

Requests are few and plain, so they are made by hand; `lightkube` knows how to sign in, in the
cluster and by kubeconfig. Sources: the API's conventions on resource versions and on field
managers, https://kubernetes.io/docs/reference/using-api/.
"""

import contextlib
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any, TypeVar

import httpx
import msgspec
from lightkube import KubeConfig
from lightkube.config.client_adapter import Client
from lightkube.core.exceptions import ConfigError

from artifacts.release import Release, release_text
from registry.errors import TargetMoved, TargetUnavailable
from registry.rollout import Fence, Instance, Patience, TargetState, wait_until_serving
from registry.rollout.deployment import (
    CHANGE_CAUSE,
    PROMOTION,
    ConfigMap,
    Deployment,
    Metadata,
    Pod,
    ReplicaSet,
    Trouble,
    desired,
    fence,
    newest,
    place,
    progress,
    trouble,
)
from registry.settings import RegistrySettings

CONFIG = "model-config"
INFERENCE = "inference-service"
GATEWAY = "api-gateway"
GATEWAY_PORT = 8080
ADMIN_PORT = 5001
MANAGER = "iris-promoter"

_LOG_LINES = 20
_POLL_S = 0.5
_AWAY_S = 60.0
"""How long an API server may be away while pods come up: one that is restarted is for 20 s."""

T = TypeVar("T")


class _Items(msgspec.Struct, frozen=True):
    items: list[msgspec.Raw]


class _Model(msgspec.Struct, frozen=True):
    """What `GET /v1/model` of an instance says of its release."""

    version: str
    blob: str
    sha256: str


class KubernetesTarget:
    """`inference-service` in one namespace of one cluster."""

    def __init__(self, http: httpx.Client, cluster: str, namespace: str, timeout_s: float) -> None:
        self._http = http
        self._name = f"{cluster}/{namespace}"
        self._namespace = namespace
        self._timeout_s = timeout_s

    def read(self) -> TargetState:
        """Return what the cluster says, and what each pod says by its own word."""
        config, deployment = self._config(), self._deployment()
        pods = [p for p in self._list("pods", INFERENCE, Pod) if not _is_leaving(p.metadata)]
        sets = self._list("replicasets", INFERENCE, ReplicaSet)
        reason, fatal = self._first_trouble(newest(deployment, sets, pods))
        return TargetState(
            target=self._name,
            revision=f"{config.metadata.resource_version}/{deployment.metadata.resource_version}",
            release=desired(config, deployment),
            fence=fence(config),
            instances=[self._instance(pod) for pod in pods] if deployment.spec.replicas else [],
            rollout=progress(deployment, reason, fatal=fatal),
            gateways=[
                f"http://{pod.status.pod_ip}:{GATEWAY_PORT}"
                for pod in self._list("pods", GATEWAY, Pod)
                if pod.ready and not _is_leaving(pod.metadata)
            ],
        )

    def write(self, release: Release | None, under: Fence, revision: int | str) -> TargetState:
        """Write `model-config`, then the Deployment, each by compare-and-set.

        The Deployment is touched in any case, so that whatever was read before is void. Its
        template changes with the release alone: each change of it is a rollout.
        """
        config, deployment = self._config(), self._deployment()
        found = f"{config.metadata.resource_version}/{deployment.metadata.resource_version}"
        kept = fence(config)
        if found != str(revision) or (kept and under.number < kept.number):
            raise self._moved()
        self._write_config(config, release, under)
        self._write_deployment(deployment, release, under, desired(config, deployment))
        return self.read()

    def wait_until_serving(
        self, release: Release | None, told: Callable[[str], None]
    ) -> TargetState:
        """Ask again and again, until every pod serves the release or the time is over."""
        what = f"{INFERENCE} in {self._name}"
        patience = Patience(self._timeout_s, _POLL_S, _AWAY_S)
        return wait_until_serving(self.read, release, told, what, patience)

    def _write_config(self, config: ConfigMap, release: Release | None, under: Fence) -> None:
        data = release.environ() if release else {}
        data |= {"LEDGER": under.ledger, "PROMOTION": str(under.stamp)}
        metadata = {"name": CONFIG, "namespace": self._namespace}
        body = {"metadata": metadata, "data": data | {"RELEASE": release_text(release)}}
        path = f"/api/v1/namespaces/{self._namespace}/configmaps"
        if config.metadata.resource_version:
            metadata["resourceVersion"] = config.metadata.resource_version
            self._written("PUT", f"{path}/{CONFIG}", body, "application/json")
        else:
            self._written("POST", path, body, "application/json")

    def _write_deployment(
        self, deployment: Deployment, release: Release | None, under: Fence, before: Release | None
    ) -> None:
        metadata: dict[str, Any] = {"resourceVersion": deployment.metadata.resource_version}
        metadata["annotations"] = {PROMOTION: str(under.stamp)}
        body: dict[str, Any] = {"metadata": metadata}
        if release != before:
            cause = f"iris: {release or 'nothing'}, record {under.number} of the ledger"
            metadata["annotations"][CHANGE_CAUSE] = cause
            body["spec"] = {"template": {"metadata": {"annotations": self._place(release, under)}}}
            # No pod serves "nothing", and an autoscaler leaves a Deployment of no replicas alone.
            if release is None:
                body["spec"]["replicas"] = 0
            elif not deployment.spec.replicas:
                body["spec"]["replicas"] = 1
        self._written("PATCH", self._deployment_path, body, "application/merge-patch+json")

    def _place(self, release: Release | None, under: Fence) -> dict[str, str]:
        serving = [
            pod
            for pod in self._list("pods", INFERENCE, Pod)
            if release and pod.ready and not _is_leaving(pod.metadata)
            if self._instance(pod).release == release
        ]
        return place(
            release, under.stamp, self._list("replicasets", INFERENCE, ReplicaSet), serving
        )

    def _written(self, method: str, path: str, body: object, kind: str) -> None:
        answer = self._send(
            method,
            path,
            params={"fieldManager": MANAGER},
            headers={"content-type": kind},
            content=msgspec.json.encode(body),
        )
        if answer.status_code == HTTPStatus.CONFLICT:
            raise self._moved()
        self._checked(answer)

    def _first_trouble(self, pods: list[Pod]) -> tuple[str, bool]:
        """Return what keeps a pod from serving, and whether it will not end by itself."""
        for pod in pods:
            found = trouble(pod)
            if found is not None:
                reason = self._from_log(pod, found) if found.container else found.reason
                fatal = bool(found.container) and not found.passing
                return f"pod {pod.metadata.name}: {reason}", fatal
        return "", False

    def _from_log(self, pod: Pod, found: Trouble) -> str:
        """Return the reason with the last line that the container logged before it died."""
        path = f"{self._pods_path}/{pod.metadata.name}/log"
        for previous in ("true", "false"):
            params = {"container": found.container, "previous": previous, "tailLines": _LOG_LINES}
            answer = self._send("GET", path, params=params)
            lines = answer.text.strip().splitlines()
            if answer.is_success and lines:
                return f"{found.reason}: {_event(lines[-1])}"
        return found.reason

    def _instance(self, pod: Pod) -> Instance:
        """Ask a pod what it serves, through the API server, which reaches it from anywhere."""
        name, release = pod.metadata.name, None
        if pod.running:
            path = f"{self._pods_path}/{name}:{ADMIN_PORT}/proxy/v1/model"
            with contextlib.suppress(TargetUnavailable, msgspec.MsgspecError):
                answer = self._send("GET", path)
                if answer.is_success:
                    model = msgspec.json.decode(answer.content, type=_Model)
                    release = Release(model.version, model.blob, model.sha256)
        return Instance(name, release, pod.ready)

    def _config(self) -> ConfigMap:
        path = f"/api/v1/namespaces/{self._namespace}/configmaps/{CONFIG}"
        answer = self._send("GET", path)
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return ConfigMap()
        return self._decoded(self._checked(answer), ConfigMap)

    def _deployment(self) -> Deployment:
        return self._decoded(self._checked(self._send("GET", self._deployment_path)), Deployment)

    def _list(self, kind: str, app: str, of: type[T]) -> list[T]:
        group = "/apis/apps/v1" if kind == "replicasets" else "/api/v1"
        path = f"{group}/namespaces/{self._namespace}/{kind}"
        answer = self._checked(self._send("GET", path, params={"labelSelector": f"app={app}"}))
        return [msgspec.json.decode(item, type=of) for item in self._decoded(answer, _Items).items]

    @property
    def _deployment_path(self) -> str:
        return f"/apis/apps/v1/namespaces/{self._namespace}/deployments/{INFERENCE}"

    @property
    def _pods_path(self) -> str:
        return f"/api/v1/namespaces/{self._namespace}/pods"

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **request)
        except (httpx.HTTPError, ConfigError) as error:
            raise TargetUnavailable(
                f"the API server of {self._name} does not answer ({error})",
                hint="check KUBECONFIG, and that kubectl get pods answers",
            ) from error

    def _checked(self, answer: httpx.Response) -> httpx.Response:
        if answer.is_success:
            return answer
        raise TargetUnavailable(
            f"the API server of {self._name} answers {answer.status_code} to "
            f"{answer.request.method} {answer.request.url.path}: {_message(answer)}",
            hint="kubectl auth can-i --list tells what you may"
            if answer.status_code == HTTPStatus.FORBIDDEN
            else "is it deployed? make deploy-dev",
        )

    def _decoded(self, answer: httpx.Response, of: type[T]) -> T:
        try:
            return msgspec.json.decode(answer.content, type=of)
        except msgspec.MsgspecError as error:
            raise TargetUnavailable(
                f"{answer.request.url} is not answered as Kubernetes does ({error})"
            ) from error

    def _moved(self) -> TargetMoved:
        return TargetMoved(
            f"{CONFIG} or {INFERENCE} in {self._name} was written by somebody else meanwhile",
            hint="look at iris status and iris history",
        )


@contextlib.contextmanager
def open_kubernetes_target(settings: RegistrySettings) -> Iterator[KubernetesTarget]:
    """Yield the cluster's, signed in to as the pod's service account or by kubeconfig.

    Raises:
        TargetUnavailable: there is neither, or the cluster has no name.
    """
    if not settings.iris_cluster:
        raise TargetUnavailable(
            "IRIS_CLUSTER is not set, and the ledger belongs to a cluster by its name",
            hint="set it to the name that the environment's cluster was given",
        )
    try:
        config = KubeConfig.from_env().get()  # type: ignore[no-untyped-call]  # lightkube's
        assert config is not None
        http = Client(config, httpx.Timeout(10), trust_env=False)
    except (ConfigError, OSError) as error:
        raise TargetUnavailable(
            f"there is no cluster to sign in to: {error}",
            hint="set KUBECONFIG, or run it in the cluster: make promote-prod",
        ) from error
    namespace = settings.kubernetes_namespace
    timeout_s = settings.iris_rollout_timeout_s
    with http:
        yield KubernetesTarget(http, settings.iris_cluster, namespace, timeout_s)


def _is_leaving(metadata: Metadata) -> bool:
    return metadata.deletion_timestamp is not None


def _event(line: str) -> str:
    """Return what a line of a log says: ours are JSON, a library's need not be."""
    try:
        fields = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.MsgspecError:
        return line[:500]
    said = [fields.get("event"), fields.get("error"), fields.get("hint")]
    return " → ".join(str(words) for words in said if words) or line[:500]


def _message(answer: httpx.Response) -> str:
    try:
        return str(msgspec.json.decode(answer.content, type=dict[str, Any])["message"])
    except (msgspec.MsgspecError, KeyError):
        return answer.text[:200]
