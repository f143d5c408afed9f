"""A place where promotions are killed: something serves, under requests, and all is compared."""

from dataclasses import dataclass, field
from pathlib import Path

from registry.versions import Versions
from tests.faults.promoters import Promoter
from tests.integration.registry.commands import Stream, asked, iris
from tests.integration.serving.processes import Supervisor

BROKEN = "3"
"""The version that no instance can serve."""


@dataclass
class Arena:
    """`iris serve`, with requests all the time."""

    home: Path
    supervisor: Supervisor
    stream: Stream
    _looked_at: list[int] = field(default_factory=list)

    def promoter(self, version: str, **environ: str) -> Promoter:
        """Start a promotion that is watched for a second."""
        return Promoter(self.home, "promote", version, "--watch", "1s", **environ)

    def serving(self) -> str:
        """Return the version that serves, by the supervisor's word."""
        return str(self.supervisor.state()["release"]["version"])

    def other(self) -> str:
        """Return the version that does not serve, of the two that take turns."""
        return "1" if self.serving() == "2" else "2"

    def break_version(self, version: str) -> None:
        """Put a folder where the supervisor puts the file of that version: it can't be fetched."""
        sha256 = Versions(f"sqlite:///{self.home / 'mlflow.db'}").candidate(int(version)).sha256
        (self.home / "models" / f"{sha256}.onnx").mkdir(parents=True)

    def agrees(self, *versions: str) -> None:
        """Assert that ledger, target, instances and alias name one release, and nobody noticed.

        Args:
            versions: those which requests may have been answered by since this was called last.
        """
        status, state = asked(self.home, "status"), self.supervisor.state()
        release = status["release"]
        assert status["troubles"] == []
        assert state["release"] == release
        assert state["rollout"]["state"] == "idle"
        assert [(i["release"], i["ready"]) for i in state["instances"]] == [(release, True)]
        assert status["registered"]["alias"] == int(release["version"])
        assert "each whole" in iris(self.home, "verify-ledger").stdout
        assert self.stream.failures == []
        assert self._answered() <= set(versions)
        assert release["version"] in versions

    def _answered(self) -> set[str]:
        """Return the versions of the answers since this was called last."""
        before = self._looked_at or [0] * len(self.stream.versions)
        self._looked_at = [len(seen) for seen in self.stream.versions]
        pairs = zip(self.stream.versions, before, self._looked_at, strict=True)
        return {version for seen, start, end in pairs for version in seen[start:end]}
