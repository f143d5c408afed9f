"""Promoters that die in the cluster, at every crash point; `iris recover` mends all."""

import pytest

from registry.crash import CRASH_POINTS
from tests.cluster.arena import UNGATED, Arena
from tests.unit.registry.test_recovery import FAILING, SUCCEEDING, Left

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

TAKEN = ("recover", "--takeover", "its pod was killed")


@pytest.mark.parametrize("left", SUCCEEDING, ids=lambda left: left.point)
def test_a_promoter_that_is_killed(arena: Arena, left: Left) -> None:
    """It is ended as the page says, and everything agrees."""
    before, version = arena.serving(), arena.other()
    arena.job("promote", version, *UNGATED, IRIS_CRASH_AT=left.point).died()
    # Only what every pod serves is finished; an autoscaler may have added one meanwhile.
    arena.system.wait_until_serves(arena.system.config()["MODEL_SHA256"].partition("@")[2])
    assert promised(left) in arena.system.iris(*TAKEN)
    arena.agrees({"1": before, "2": version}[left.serving])


@pytest.mark.parametrize("left", FAILING, ids=lambda left: left.point)
def test_a_promoter_that_is_killed_while_the_release_cannot_start(arena: Arena, left: Left) -> None:
    """What served before serves in the end."""
    before, version = arena.serving(), arena.other()
    job = arena.job(
        "promote", version, *UNGATED, IRIS_STOP_AT="before roll out", IRIS_CRASH_AT=left.point
    )
    job.until_stopped()
    with arena.broken(version):
        job.wake()
        job.died()
        assert promised(left) in arena.system.iris(*TAKEN)
        arena.agrees({"1": before, "2": version}[left.serving])


def test_a_recovery_that_is_killed(arena: Arena) -> None:
    """Recovering the recovery finishes; where no reason is given, the lease is looked at."""
    version = arena.other()
    arena.job("promote", version, *UNGATED, IRIS_CRASH_AT="during watch").died()
    arena.job(*TAKEN, IRIS_CRASH_AT="after takeover").died()
    told = arena.system.iris("recover")
    assert "looking for 15 s" in told
    assert "done" in told
    arena.agrees(version)


def test_a_promoter_whose_pod_is_deleted(arena: Arena) -> None:
    """It says what serves and what is half-done, and no other begins in its place."""
    version = arena.other()
    job = arena.job("promote", version, *UNGATED, "--watch", "60s")
    job.until_said("watching version")
    told = job.delete_pod()
    assert f"interrupted; version {version}" in told
    assert "iris recover" in told
    arena.system.kubectl("wait", "--for=condition=Failed", f"job/{job.name}", "--timeout=60s")
    assert job.pod() == {}
    arena.system.iris(*TAKEN)
    arena.agrees(version)


def test_every_crash_point_is_killed_at() -> None:
    """But the one of an empty ledger, which tests/faults has."""
    tried = {left.point for left in SUCCEEDING + FAILING}
    elsewhere = {"after takeover", "after genesis", "after continuation"}
    assert {*tried, *elsewhere} == set(CRASH_POINTS)


def promised(left: Left) -> str:
    """Return how `iris recover` says what the page says."""
    return "left half-done" if left.ends_as == "nothing was open" else f": {left.ends_as}"
