"""The objects of a cluster, as far as they are read here, and what they say of the rollout.

Pure functions of what the API server answered. Who owns which field, and why a ReplicaSet serves
one release for ever: `docs/kubernetes.md`.
"""

import os
from typing import NamedTuple

import msgspec

from artifacts.errors import SettingsError
from artifacts.release import Release, asked_for, release_text
from registry.errors import TargetUnavailable
from registry.records import Stamp
from registry.rollout import Fence, Rollout

RELEASE = "iris-ml/release"
PROMOTION = "iris-ml/promotion"
CHANGE_CAUSE = "kubernetes.io/change-cause"
_REVISION = "deployment.kubernetes.io/revision"
_TEMPLATE = "pod-template-hash"


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """What every object has."""

    name: str = ""
    resource_version: str = ""
    generation: int = 0
    annotations: dict[str, str] = {}
    labels: dict[str, str] = {}
    deletion_timestamp: str | None = None


class ConfigMap(msgspec.Struct, frozen=True):
    """`model-config`; an empty one where there is none."""

    metadata: Metadata = Metadata()
    data: dict[str, str] = {}


class Template(msgspec.Struct, frozen=True):
    """The pods' template."""

    metadata: Metadata = Metadata()


class Spec(msgspec.Struct, frozen=True):
    """What a Deployment or a ReplicaSet is to be."""

    replicas: int
    template: Template


class Condition(msgspec.Struct, frozen=True):
    """A condition of a Deployment or a pod."""

    type: str
    status: str
    reason: str = ""
    message: str = ""


class Status(msgspec.Struct, frozen=True, rename="camel"):
    """What a Deployment is."""

    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    available_replicas: int = 0
    conditions: list[Condition] = []


class Deployment(msgspec.Struct, frozen=True):
    """`inference-service`."""

    metadata: Metadata
    spec: Spec
    status: Status = Status()


class ReplicaSet(msgspec.Struct, frozen=True):
    """One template's pods."""

    metadata: Metadata
    spec: Spec


class Waiting(msgspec.Struct, frozen=True):
    """Why a container does not run."""

    reason: str = ""
    message: str = ""


class Terminated(msgspec.Struct, frozen=True, rename="camel"):
    """How a container ended."""

    reason: str = ""
    exit_code: int = 0


class ContainerState(msgspec.Struct, frozen=True):
    """One of three; running where neither is given."""

    waiting: Waiting | None = None
    terminated: Terminated | None = None


class Container(msgspec.Struct, frozen=True, rename="camel"):
    """What a container of a pod does."""

    name: str
    restart_count: int = 0
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()


class PodStatus(msgspec.Struct, frozen=True, rename="camel"):
    """What a pod does."""

    pod_ip: str = msgspec.field(default="", name="podIP")
    conditions: list[Condition] = []
    init_container_statuses: list[Container] = []
    container_statuses: list[Container] = []


class Pod(msgspec.Struct, frozen=True):
    """A pod."""

    metadata: Metadata
    status: PodStatus = PodStatus()

    @property
    def ready(self) -> bool:
        """Whether requests are sent to it."""
        return any(c.type == "Ready" and c.status == "True" for c in self.status.conditions)

    @property
    def running(self) -> bool:
        """Whether its program may answer."""
        states = [c.state for c in self.status.container_statuses]
        return bool(states) and not any(s.waiting or s.terminated for s in states)


class Trouble(NamedTuple):
    """What keeps a pod from serving."""

    reason: str
    container: str = ""
    """The container that died, whose log tells why; empty where none did."""
    passing: bool = False
    """Whether it may go by itself: the container said that it is worth another start."""


def desired(config: ConfigMap, deployment: Deployment) -> Release | None:
    """Return the release that the cluster is asked for, though nothing may have restarted by it.

    Raises:
        TargetUnavailable: what stands there names no release.
    """
    try:
        return asked_for(
            config.data, deployment.spec.template.metadata.annotations.get(RELEASE, "")
        )
    except SettingsError as error:
        raise TargetUnavailable(
            f"model-config, or the template of {deployment.metadata.name}, names no release: "
            f"{error}",
            hint="mend it with kubectl edit configmap model-config",
        ) from error


def fence(config: ConfigMap) -> Fence | None:
    """Return the record under which `model-config` was last written.

    Raises:
        TargetUnavailable: what stands there is no stamp.
    """
    ledger, stamp = config.data.get("LEDGER"), config.data.get("PROMOTION")
    if ledger is None and stamp is None:
        return None
    try:
        found = Stamp.parse(stamp or "")
    except ValueError as error:
        raise TargetUnavailable(
            f"PROMOTION={stamp!r} in model-config is no record's stamp",
            hint="iris history tells the last record; put its number@digest back",
        ) from error
    return Fence(ledger or "", found.number, found.digest)


def newest(deployment: Deployment, sets: list[ReplicaSet], pods: list[Pod]) -> list[Pod]:
    """Return the pods of the template that the Deployment has now."""
    revision = deployment.metadata.annotations.get(_REVISION, "")
    hashes = {
        s.metadata.labels.get(_TEMPLATE)
        for s in sets
        if s.metadata.annotations.get(_REVISION) == revision
    }
    return [pod for pod in pods if pod.metadata.labels.get(_TEMPLATE) in hashes]


def place(
    release: Release | None, stamp: Stamp, sets: list[ReplicaSet], serving: list[Pod]
) -> dict[str, str]:
    """Return what the pods' template is to say of a release: its annotations.

    Where pods serve it by their own word, it is what their template says of it: so nothing starts
    anew, and what failed can be gone back from on nodes that take no further pod.

    Args:
        release: what is to serve.
        stamp: the record under which that is written.
        sets: every ReplicaSet.
        serving: the pods that say that they serve it.
    """
    text = release_text(release)
    hashes = {pod.metadata.labels.get(_TEMPLATE) for pod in serving}
    for found in sets:
        said = found.spec.template.metadata.annotations
        if found.metadata.labels.get(_TEMPLATE) in hashes and said.get(RELEASE) == text:
            return {key: said[key] for key in (PROMOTION, RELEASE)}
    return {PROMOTION: str(stamp), RELEASE: text}


def progress(deployment: Deployment, trouble: str, *, fatal: bool) -> Rollout:
    """Say how far a Deployment is.

    Args:
        deployment: as it is.
        trouble: what keeps a new pod from serving; empty for nothing.
        fatal: whether it will not end by itself.
    """
    status, wanted = deployment.status, deployment.spec.replicas
    if status.observed_generation < deployment.metadata.generation:
        return Rollout("progressing")
    if fatal:
        return Rollout("failed", trouble)
    late = [c for c in status.conditions if c.reason == "ProgressDeadlineExceeded"]
    if late:
        return Rollout("failed", trouble or late[0].message)
    counts = (status.replicas, status.updated_replicas, status.available_replicas)
    return Rollout("idle" if counts == (wanted,) * 3 else "progressing", trouble)


def trouble(pod: Pod) -> Trouble | None:
    """Say what keeps a pod from serving; None where nothing is known to.

    One that is ready serves, whatever it died of before.
    """
    if pod.ready:
        return None
    for condition in pod.status.conditions:
        if condition.type == "PodScheduled" and condition.status == "False":
            return Trouble(f"no node takes it: {condition.message}")
    for container in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        ended = container.state.terminated or container.last_state.terminated
        waiting = container.state.waiting
        if ended and container.restart_count and (waiting or ended.exit_code):
            passing = ended.exit_code == os.EX_TEMPFAIL
            return Trouble(f"{container.name} ended with {ended.reason}", container.name, passing)
        if waiting and waiting.reason not in ("", "PodInitializing", "ContainerCreating"):
            return Trouble(f"{container.name}: {waiting.reason}: {waiting.message}")
    return None
