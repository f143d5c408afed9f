"""A place where promotions in the cluster die, sleep or fail, and where all is compared."""

import contextlib
import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from artifacts.release import registry_release
from registry.rollout.deployment import PROMOTION, RELEASE
from tests.cluster.node import space
from tests.cluster.system import System
from tests.faults.promoters import Promoter
from tests.integration.registry.commands import Done, Stream

INFERENCE = "deployment/inference-service"
KILLED = 137
# Versions take turns here: one was gone back from, and a busy machine measures costs badly.
UNGATED = ("--watch", "1s", "--reason", "a test", "--force", "a busy machine")
REVISION = "deployment.kubernetes.io/revision"


class Seen(NamedTuple):
    """What names a release: the same four before and after what has failed."""

    config: dict[str, str]
    template: dict[str, Any]
    pods: set[str]
    alias: int | None


class Job:
    """A command of `iris` in the cluster, in a pod of its own."""

    def __init__(self, system: System, name: str) -> None:
        self._system = system
        self.name = name

    def pod(self) -> dict[str, Any]:
        """Return its pod; empty while there is none."""
        found = self._system.get("pods", f"--selector=job-name={self.name}")["items"]
        return dict(found[0]) if found else {}

    def log(self) -> str:
        """Return what it has printed so far."""
        return self._system.kubectl("logs", f"job/{self.name}")

    def ended(self, seconds: float = 120) -> Done:
        """Wait for its end, and return how that was, with all that it has printed."""
        space.wait_until(lambda: self._end() is not None, f"{self.name} has ended", seconds)
        code, log = self._end(), self.log()
        assert code is not None
        return Done(code, log, log)

    def died(self) -> None:
        """Wait until it has killed itself."""
        done = self.ended()
        assert done.code == KILLED, done.stdout

    def until_said(self, words: str) -> None:
        """Wait until it has printed those words."""
        self._until_running()
        space.wait_until(lambda: words in self.log(), f"{self.name} says {words!r}", 60)

    def until_stopped(self) -> None:
        """Wait until it has stopped itself."""
        self._until_running()
        space.wait_until(self._stopped, f"{self.name} has stopped itself", 60)

    def wake(self) -> None:
        """Let it go on."""
        self._exec("kill -CONT -1")

    def delete_pod(self) -> str:
        """Delete its pod, and return all that it has printed by its end."""
        name = self.pod()["metadata"]["name"]
        with subprocess.Popen(
            [self._system.program, "logs", "--follow", name],
            env=self._system.environ,
            stdout=subprocess.PIPE,
            text=True,
        ) as log:
            self._system.kubectl("delete", "pod", name)
            return log.communicate(timeout=60)[0]

    def _until_running(self) -> None:
        space.wait_until(lambda: "startedAt" in str(self.pod()), f"{self.name} runs", 60)

    def _stopped(self) -> bool:
        assert self._end() is None, self.log()
        states = self._exec("cat /proc/[0-9]*/stat").splitlines()
        return any(line.rpartition(")")[2].split()[0] == "T" for line in states)

    def _exec(self, script: str) -> str:
        return self._system.kubectl("exec", f"job/{self.name}", "--", "sh", "-c", script)

    def _end(self) -> int | None:
        for container in self.pod().get("status", {}).get("containerStatuses", []):
            if "terminated" in container["state"]:
                return int(container["state"]["terminated"]["exitCode"])
        return None


@dataclass
class Arena:
    """The system, in which what goes wrong is made to."""

    system: System

    def status(self) -> Any:
        """Return what `iris status` says."""
        return json.loads(self.system.iris("status", "--json").splitlines()[-1])

    def promoter(self, *words: str, **environ: str) -> Promoter:
        """Start a command of the engineer's as a process, which may die or sleep."""
        return Promoter(self.system.home, *words, **{**self.system.signed_in, **environ})

    def job(self, *words: str, **environ: str) -> Job:
        """Start a command in the cluster, as `k8s/iris` does, with more in its environment."""
        made = self.system.kubectl(
            "create", "job", "iris", "--from=cronjob/promote", "--dry-run=client", "--output=json"
        )
        job = json.loads(made)
        job["metadata"] = {"generateName": "fault-"}
        spec = job["spec"]["template"]["spec"]
        # The first process of a container can't kill or stop itself. So it is not the first.
        spec["shareProcessNamespace"] = True
        container = spec["containers"][0]
        container["args"] = list(words)
        container["env"] += [{"name": name, "value": value} for name, value in environ.items()]
        name = self.system.kubectl("create", "-f-", "--output=name", stdin=json.dumps(job))
        return Job(self.system, name.strip().rpartition("/")[2])

    def serving(self) -> str:
        """Return the version that serves, by the ledger's word."""
        return str(self.status()["release"]["version"])

    def other(self) -> str:
        """Return the version that does not serve, of the two that take turns."""
        return "1" if self.serving() == "2" else "2"

    def template(self) -> dict[str, Any]:
        """Return the template of the pods, but for the record that it was written under."""
        found: dict[str, Any] = self.system.get(INFERENCE)["spec"]["template"]
        found["metadata"]["annotations"].pop(PROMOTION)
        return found

    def seen(self) -> Seen:
        """Return everything that names a release."""
        config = self.system.config()
        named = {key: config[key] for key in config if key not in ("LEDGER", "PROMOTION")}
        alias = self.status()["registered"]["alias"]
        return Seen(named, self.template(), set(self.system.served().values()), alias)

    def agrees(self, version: str) -> None:
        """Assert that ledger, cluster, every pod and the alias name one release."""
        status = self.status()
        release = status["release"]
        self.system.wait_until_serves(release["sha256"])
        found = self.seen()
        assert self.status()["troubles"] == []
        assert release["version"] == version
        assert found.config["MODEL_VERSION"] == version
        assert found.config["MODEL_SHA256"] == f"{release['blob']}@{release['sha256']}"
        assert json.loads(found.config["RELEASE"]) == release
        assert json.loads(found.template["metadata"]["annotations"][RELEASE]) == release
        assert found.pods == {release["sha256"]}
        assert found.alias == int(version)
        assert "each whole" in self.system.iris("verify-ledger")

    @contextlib.contextmanager
    def broken(self, version: str) -> Iterator[None]:
        """Let the published file of a version be another one while the block runs."""
        models, blob = self.system.store.models, blob_of(version)
        whole = models.read(blob)
        models.replace(blob, b"not " + whole)
        try:
            yield
        finally:
            models.replace(blob, whole)

    @contextlib.contextmanager
    def witnessed(self) -> Iterator["Witness"]:
        """Ask as clients of the Service, and every pod, while the block runs."""
        key = self.system.secret("iris-ml-secrets", "gateway-key")
        asked = (self.system.url("api-gateway"), 2, {"authorization": f"Bearer {key}"})
        with Stream(*asked) as stream:
            witness = Witness(self.system, stream)
            thread = threading.Thread(target=witness.look)
            thread.start()
            try:
                yield witness
            finally:
                witness.ended.set()
                thread.join()

    def undo_by_hand(self) -> str:
        """Let the youngest other release that has served serve again, as an operator does."""
        deployment = self.system.get(INFERENCE)
        recorded = {name.rpartition("/")[2] for name in self.system.store.records.list("served/")}
        others = {
            int(found["metadata"]["annotations"][REVISION]): found
            for found in self.system.get("replicasets", "--selector=app=inference-service")["items"]
            if found["metadata"]["uid"] in recorded and _release(found) != _release(deployment)
        }
        revision = max(others)
        self.system.kubectl("rollout", "undo", INFERENCE, f"--to-revision={revision}")
        release = _release(others[revision])
        self.system.wait_until_serves(release["sha256"])
        return str(release["version"])


class Witness:
    """What clients of the Service were answered, and what every pod said."""

    def __init__(self, system: System, stream: Stream) -> None:
        self._system = system
        self.stream = stream
        self.ended = threading.Event()
        self.digests: list[set[str]] = []
        """What the pods said, look by look; those that did not answer are left out."""

    def look(self) -> None:
        """Ask every pod, again and again."""
        while not self.ended.wait(0.5):
            self.digests.append(set(self._system.served().values()) - {""})

    def noticed_nothing(self, version: str, sha256: str) -> None:
        """Assert that one release served all the while, and no other."""
        assert self.stream.failures == []
        assert {v for seen in self.stream.versions for v in seen} == {version}
        assert self.digests
        assert all(found == {sha256} for found in self.digests)


def blob_of(version: str) -> str:
    """Return where the file of a registered version lies in `models`."""
    return registry_release(int(version), "").blob


def _release(owner: dict[str, Any]) -> dict[str, Any]:
    """Return the release in a Deployment's or ReplicaSet's template; empty where there is none."""
    found = owner["spec"]["template"]["metadata"].get("annotations", {}).get(RELEASE, "{}")
    return dict(json.loads(found))
