"""The supervisor's decisions, as functions of plain values.

desire         may this release be desired now?   revision, fence
next_action    what to do next?                   desired, served, running, failures
rollout_state  how far is what is desired?
pause          how long to wait before a start?
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from artifacts.errors import IrisError
from artifacts.release import Release
from serving.supervisor.state import Fence, State

# A process that lived this long begins with a clean record when it dies.
STEADY_S = 30.0
LONGEST_PAUSE_S = 30.0


class RevisionMoved(IrisError):
    """Somebody else has set something since the caller looked."""


class Fenced(IrisError):
    """The caller's ledger is another, or its record is older than the one already obeyed."""


def desire(state: State, revision: int, release: Release | None, fence: Fence) -> State:
    """Return the state in which `release` is desired under `fence`.

    Args:
        state: what is kept now.
        revision: the revision that the caller has seen.
        release: what shall be served; None for nothing.
        fence: the record of the ledger under which the caller acts.

    Raises:
        RevisionMoved: `revision` is not the state's.
        Fenced: `fence` is of another ledger, or not above the kept one, nor that very record.
    """
    if revision != state.revision:
        raise RevisionMoved(
            f"revision {revision} was named, and the state is at {state.revision}",
            hint="read the ledger and the state again, then decide again",
        )
    _check_fence(state.fence, fence)
    return msgspec.structs.replace(
        state,
        revision=state.revision + 1,
        release=release,
        fence=fence,
        served=state.served if release is not None else None,
    )


def _check_fence(kept: Fence | None, fence: Fence) -> None:
    if kept is None or fence == kept:
        return
    if fence.ledger != kept.ledger:
        raise Fenced(
            f"this supervisor obeys the ledger {kept.ledger}, not {fence.ledger}",
            hint="check IRIS_ENV and IRIS_STORE; another ledger needs another IRIS_HOME",
        )
    if fence.number <= kept.number:
        raise Fenced(
            f"record {fence.number} of the ledger comes too late: "
            f"record {kept.number} has been obeyed already",
            hint="somebody else has taken over; see iris history",
        )


@dataclass(frozen=True)
class View:
    """What is, and what shall be.

    `served` is the last release that served; `running` is that of the process that serves now.
    `failures` counts how often a release could not be started, or died young, one after another.
    """

    desired: Release | None
    served: Release | None
    running: Release | None
    failures: Mapping[Release, int]

    def failed(self, release: Release) -> bool:
        """Whether the last attempt with `release` failed."""
        return self.failures.get(release, 0) > 0


@dataclass(frozen=True)
class Rest:
    """Nothing is to be done."""


@dataclass(frozen=True)
class Serve:
    """Start a process with the release, then end the one before it."""

    release: Release


@dataclass(frozen=True)
class Drain:
    """Nothing shall be served."""


Action = Rest | Serve | Drain


def next_action(view: View) -> Action:
    """Return what to do next.

    A rollout that failed is not tried again unasked: what served before goes on. Where nothing
    runs, the last release that served comes first, since it is known to work, and is tried again
    and again, since there is nothing better.
    """
    if view.desired is None:
        return Drain() if view.running is not None else Rest()
    if view.running == view.desired:
        return Rest()
    if view.running is not None:
        return Rest() if view.failed(view.desired) else Serve(view.desired)
    for release in (view.served, view.desired):
        if release is not None and not view.failed(release):
            return Serve(release)
    return Serve(view.served) if view.served is not None else Rest()


RolloutState = Literal["idle", "progressing", "failed"]


def rollout_state(view: View, *, draining: bool) -> RolloutState:
    """Return how far the desired release is."""
    action, desired = next_action(view), view.desired
    if desired is not None and desired != view.running:
        given_up = view.failed(desired) and action != Serve(desired)
        return "failed" if given_up else "progressing"
    return "progressing" if draining or action != Rest() else "idle"


def failures_after_death(failures: int, lived_s: float) -> int:
    """Return the count of failures once a process that was ready has died."""
    return 0 if lived_s >= STEADY_S else failures + 1


def pause(failures: int) -> float:
    """Return how many seconds to wait before a start: none at first, then doubling."""
    return min(0.5 * 2.0 ** min(failures - 1, 10), LONGEST_PAUSE_S) if failures else 0.0
