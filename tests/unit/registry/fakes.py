"""MLflow and what serves, in memory: the far sides of the registry, with their rules."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np

from artifacts.digests import sha256_hex
from artifacts.release import Release
from registry.errors import RegistryUnavailable, RolloutFailed, TargetMoved, VersionUnfit
from registry.events import Recording
from registry.identity import this_writer
from registry.lease import Lease
from registry.rollout import Fence, Instance, Rollout, Target, TargetState, awaited
from registry.settings import RegistrySettings
from registry.versions import Candidate, Versions
from registry.workspace import Workspace, registry_number
from tests.support.model_files import FEATURES, LABELS, model_file, probabilities
from training.evaluation import SPLIT_SALT, Table


class Crash(BaseException):
    """The process dies here, as by SIGKILL: no handler of ours catches it."""


class FakeTarget(Target):
    """A supervisor in memory: compare-and-set on a revision, and a fence that only rises."""

    def __init__(self, name: str = "machine-1") -> None:
        self.state = TargetState(name, 1, None, None, [], Rollout("idle"))
        self.broken: set[str] = set()
        """Versions that cannot serve."""
        self._starting = False
        self.before_write: Callable[[], None] = lambda: None
        """Runs once, before the next write: what somebody else does meanwhile."""

    def read(self) -> TargetState:
        return self.state

    def write(self, release: Release | None, fence: Fence, revision: int | str) -> TargetState:
        meanwhile, self.before_write = self.before_write, lambda: None
        meanwhile()
        kept = self.state.fence
        if revision != self.state.revision or (kept and fence.number < kept.number):
            raise TargetMoved("moved")
        self.put(release, fence)
        return self.state

    def put(self, release: Release | None, fence: Fence | None = None) -> None:
        """Desire a release, as `write` does after its checks, or as a hand does."""
        before, broken = self.state, release is not None and release.version in self.broken
        self._starting = False
        serving = before.instances if broken else [Instance("i", release, ready=True)]
        self.state = TargetState(
            before.target,
            int(before.revision) + 1,
            release,
            fence or before.fence,
            serving if release else [],
            Rollout("failed", "it does not start") if broken else Rollout("idle"),
            before.gateways,
        )

    def report(self, instances: list[Instance]) -> None:
        """Let instances say what they say."""
        self.state = msgspec.structs.replace(self.state, instances=instances)

    def restart(self) -> None:
        """Begin anew, as after a death: what is desired comes up while it is waited for."""
        rollout = Rollout("progressing")
        self.state = msgspec.structs.replace(self.state, instances=[], rollout=rollout)
        self._starting = True

    def wait_until_serving(
        self, release: Release | None, told: Callable[[str], None]
    ) -> TargetState:
        if self.state.release != release:
            raise TargetMoved("moved")
        if self._starting:
            self.put(release)
        missing = awaited(self.state, release)
        if missing is not None:
            raise RolloutFailed(f"waited for {missing}")
        return self.state


class FakeVersions:
    """MLflow's registered versions in memory."""

    def __init__(self) -> None:
        self.files: dict[int, bytes] = {}
        self.digests: dict[int, str] = {}
        self.aliases: dict[str, int] = {}
        self.tags: dict[str, str] = {}
        self.attached: dict[int, dict[str, bytes]] = {}
        """Files by version and name."""
        self.version_tags: dict[int, dict[str, str]] = {}
        self.down = False

    def register(self, file: bytes) -> int:
        number = len(self.files) + 1
        self.files[number], self.digests[number] = file, sha256_hex(file)
        return number

    def candidate(self, number: int) -> Candidate:
        self._check()
        if number not in self.files:
            raise VersionUnfit(f"there is no version {number}")
        tags = self.version_tags.get(number, {})
        return Candidate(number, self.digests[number], "run", dict(tags))

    def candidates(self) -> list[Candidate]:
        return [self.candidate(number) for number in self.numbers()]

    def release_file(self, candidate: Candidate) -> bytes:
        self._check()
        return self.files[candidate.number]

    def attach(
        self, candidate: Candidate, folder: str, files: dict[str, bytes], tags: dict[str, str]
    ) -> None:
        self._check()
        named = {f"{folder}/{name}": data for name, data in files.items()}
        self.attached.setdefault(candidate.number, {}).update(named)
        self.version_tags.setdefault(candidate.number, {}).update(tags)

    def numbers(self) -> list[int]:
        self._check()
        return sorted(self.files, reverse=True)

    def alias(self, name: str) -> int | None:
        self._check()
        return self.aliases.get(name)

    def move_alias(self, name: str, number: int | None) -> None:
        self._check()
        if number is None:
            self.aliases.pop(name, None)
        elif number not in self.files:
            raise VersionUnfit(f"version {number} was deleted")
        else:
            self.aliases[name] = number

    def tag(self, key: str) -> str | None:
        self._check()
        return self.tags.get(key)

    def set_tag(self, key: str, value: str) -> None:
        self._check()
        self.tags[key] = value

    def _check(self) -> None:
        if self.down:
            raise RegistryUnavailable("MLflow is down")


class World:
    """One environment: a store on files, MLflow and what serves in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.target = FakeTarget()
        self.versions = FakeVersions()
        self.told = Recording()
        self.data = sha256_hex(_flowers())
        self.work().store.records.create(f"data/{self.data}.csv", _flowers())

    def work(self, crash_at: str = "", **settings: Any) -> Workspace:
        """Return what a command works on, as a process that is started now would see it."""
        whole = RegistrySettings(iris_home=str(self.folder), **settings)
        work = Workspace(whole, lambda: self.target, self.told)
        work.versions = cast("Versions", self.versions)

        def crash_point(here: str) -> None:
            if here == crash_at:
                raise Crash(here)

        work.crash_point = crash_point
        work.lease = Lease(work.store.records, whole.iris_env, this_writer(), length_s=0.3)
        return work

    def register(self, tilt: float = 0.0, **says: Any) -> int:
        """Register a model; one with another small `tilt` is as good, one of 50 is useless."""
        known = {"data_sha256": self.data, "split_salt": SPLIT_SALT}
        return self.versions.register(model_file(tilt, **{**known, **says}))

    def by_hand(self) -> None:
        """Put a release in by hand, past the ledger."""
        self.target.put(Release("by-hand", "by-hand.onnx", None))

    def serving(self) -> str | None:
        """Return the version that is asked for of what serves."""
        release = self.target.state.release
        return release.version if release else None

    def consistent(self) -> None:
        """Assert that ledger, alias and instances say the same, and nothing is open."""
        chain = self.work().ledger.read()
        assert chain.open is None
        assert chain.serving == self.target.state.release
        assert self.target.state.rollout.state == "idle"
        assert [i.release for i in self.target.state.instances] == (
            [chain.serving] if chain.serving else []
        )
        number = registry_number(chain.serving) if chain.serving else None
        assert self.versions.aliases.get("champion") == number


@cache
def _flowers() -> bytes:
    """Return a table of rows over the ranges, labelled as the model of tilt 0 sees them."""
    steps = np.linspace(0.5, 7.5, 6)
    rows = np.array([[a, b, c, d] for a in steps for b in steps for c in steps for d in steps])
    labels = [LABELS[i] for i in probabilities(rows).argmax(axis=1)]
    return Table(rows, labels, list(FEATURES)).to_csv()
