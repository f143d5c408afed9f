"""What serves, seen from the registry: the interface that each back end fills.

`LocalTarget` is the supervisor of one machine; a cluster's Deployment comes behind the same
interface. A back end keeps, beside the release that is desired, the stamp of the record under which
it was last written; the stamp only rises. Every write names the revision that was read before the
ledger was read, so a promoter that was overtaken fails here whatever it believes.
"""

import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

import msgspec

from artifacts.release import Release
from registry.errors import RolloutFailed, TargetMoved, TargetUnavailable
from registry.records import Stamp


class Fence(msgspec.Struct, frozen=True):
    """The record under which the target was last written, and the ledger that it is of."""

    ledger: str
    number: int
    digest: str

    @property
    def stamp(self) -> Stamp:
        """The record's stamp."""
        return Stamp(self.number, self.digest)


class Instance(msgspec.Struct, frozen=True):
    """One instance, and the release that it says it serves (None while it does not answer)."""

    url: str
    release: Release | None
    ready: bool


class Rollout(msgspec.Struct, frozen=True):
    """How far the target is in bringing the desired release in: idle, progressing or failed."""

    state: str
    reason: str = ""


class TargetState(msgspec.Struct, frozen=True):
    """What a target says of itself at one moment."""

    target: str
    revision: int | str
    """What a write names; it changes with every write."""
    release: Release | None
    """The release that is desired; `instances` tell what is."""
    fence: Fence | None
    instances: list[Instance]
    rollout: Rollout
    gateways: list[str] = []
    """Where clients come in; none where nobody is served."""


class Patience(NamedTuple):
    """How long a target may take, and the pause between two questions, in seconds."""

    timeout_s: float
    pause_s: float
    away_s: float = 0.0
    """How long it may not answer, while it is waited for."""


class Target(Protocol):
    """What serves."""

    def read(self) -> TargetState:
        """Return its state.

        Raises:
            TargetUnavailable: it did not answer.
        """

    def write(self, release: Release | None, fence: Fence, revision: int | str) -> TargetState:
        """Desire a release (None: nothing) under a record's stamp.

        Raises:
            TargetMoved: it is no longer at `revision`, or carries a younger stamp.
            TargetUnavailable: it did not answer; whether it took the write is not known.
        """

    def wait_until_serving(
        self, release: Release | None, told: Callable[[str], None]
    ) -> TargetState:
        """Wait until every instance serves a release, each by its own word.

        Args:
            release: what shall serve; None for nothing.
            told: is called with what is awaited, whenever that changes.

        Raises:
            RolloutFailed: the release cannot serve, or not in time.
            TargetMoved: it has been asked for something else since.
            TargetUnavailable: it stopped answering.
        """


def awaited(state: TargetState, release: Release | None) -> str | None:
    """Say what is missing until every instance serves `release`; None when nothing is.

    Raises:
        RolloutFailed: the target has given the release up.
    """
    if state.rollout.state == "failed" and state.release == release:
        raise RolloutFailed(f"{release} cannot serve: {state.rollout.reason}")
    if state.release != release:
        return "the target to take the release"
    if release is None:
        return f"{_instances(len(state.instances))} to stop" if state.instances else None
    if not state.instances:
        return "the first instance to start"
    proven = [i for i in state.instances if i.ready and _is(i.release, release)]
    if len(proven) < len(state.instances):
        missing = len(state.instances) - len(proven)
        return f"{missing} of {_instances(len(state.instances))}"
    return "the rollout to end" if state.rollout.state == "progressing" else None


def is_served(state: TargetState, release: Release | None) -> bool:
    """Tell whether a release is served: by one instance at least, and by each that is ready."""
    ready = [i for i in state.instances if i.ready]
    return bool(ready) and release is not None and all(_is(i.release, release) for i in ready)


def wait_until_serving(
    read: Callable[[], TargetState],
    release: Release | None,
    told: Callable[[str], None],
    what: str,
    patience: Patience,
) -> TargetState:
    """Ask a target again and again, until every instance serves the release.

    Args:
        read: asks the target.
        release: what shall serve; None for nothing.
        told: is called with what is awaited, whenever that changes.
        what: the target, as messages call it.
        patience: how long that may take.

    Raises:
        TargetError: see `Target.wait_until_serving`.
    """
    deadline = time.monotonic() + patience.timeout_s
    last = ""
    answered = time.monotonic()
    while True:
        try:
            state = read()
        except TargetUnavailable as error:
            if time.monotonic() > answered + patience.away_s:
                raise
            if error.message != last:
                told(f"looking again: {error.message}")
                last = error.message
            time.sleep(patience.pause_s)
            continue
        answered = time.monotonic()
        if state.release != release:
            raise TargetMoved(
                f"{what} was asked for {state.release or 'nothing'} instead of "
                f"{release or 'nothing'} meanwhile",
                hint="look at iris status and iris history",
            )
        missing = awaited(state, release)
        if missing is None:
            return state
        missing += f" ({state.rollout.reason})" if state.rollout.reason else ""
        if missing != last:
            told(f"waiting for {missing}")
            last = missing
        if time.monotonic() > deadline:
            raise RolloutFailed(
                f"{release or 'stopping'} took longer than {patience.timeout_s:.0f} s, "
                f"still waiting for {missing}",
                hint="raise IRIS_ROLLOUT_TIMEOUT_S if it is only slow",
            )
        time.sleep(patience.pause_s)


def _instances(count: int) -> str:
    return "1 instance" if count == 1 else f"{count} instances"


def _is(found: Release | None, asked: Release) -> bool:
    """Compare what an instance says with what was asked for, which may name no digest."""
    if found is None or asked.sha256 is not None:
        return found == asked
    return (found.version, found.blob) == (asked.version, asked.blob)
