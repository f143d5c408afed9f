"""A ledger is continued while a promoter of the older epoch sleeps: he is refused from then on."""

import shutil
import signal

import pytest

from tests.faults.arena import Arena
from tests.faults.promoters import Promoter
from tests.faults.test_sleepers import asleep, wakes_in_vain
from tests.integration.registry.commands import asked, iris

WHY = ("--reason", "a rehearsal")


@pytest.mark.parametrize("point", ["before roll out", "during roll out", "during watch"])
def test_a_tail_is_lost_while_a_promoter_sleeps(arena: Arena, point: str) -> None:
    """He has written what is lost, and goes on from it: neither ledger nor what serves takes it."""
    before, version = arena.serving(), arena.other()
    sleeper = asleep(arena.promoter(version, IRIS_STOP_AT=point))
    last = lose_what_was_stamped(arena)
    iris(arena.home, "continue-ledger", "--after", str(last), *WHY)
    settle(arena)
    wakes_in_vain(arena, sleeper)
    arena.agrees(before, version)


@pytest.mark.parametrize("point", ["after intent", "before roll out", "after roll out"])
def test_a_failover_while_a_promoter_sleeps(arena: Arena, point: str) -> None:
    """Nothing is lost, and he is refused all the same."""
    before, version = arena.serving(), arena.other()
    sleeper = asleep(arena.promoter(version, IRIS_STOP_AT=point))
    iris(arena.home, "failover", *WHY)
    settle(arena)
    wakes_in_vain(arena, sleeper)
    arena.agrees(before, version)


def test_a_continuation_that_is_killed(arena: Arena) -> None:
    """Called again it goes on, in the epoch that it has begun."""
    before = arena.serving()
    epochs = iris(arena.home, "history").stdout.count("goes on from record")
    killed = Promoter(arena.home, "failover", *WHY, IRIS_CRASH_AT="after continuation").ended()
    assert killed.code == -signal.SIGKILL
    iris(arena.home, "failover", *WHY)
    assert iris(arena.home, "history").stdout.count("goes on from record") == epochs + 1
    arena.agrees(before)


def lose_what_was_stamped(arena: Arena) -> int:
    """Lose the record that what serves is stamped with, and all after it; return the one before."""
    stamped = arena.supervisor.state()["fence"]["number"]
    records = sorted((arena.home / "store" / "ledger" / "local").iterdir())
    for path in records:
        if int(path.stem) >= stamped:
            path.unlink()
    shutil.rmtree(arena.home / "verified")
    return max(int(path.stem) for path in records if int(path.stem) < stamped)


def settle(arena: Arena) -> None:
    """Type what a person would, after a look at the status."""
    arena.supervisor.until_rollout("idle")  # what came of the sleeper's last write
    iris(arena.home, "recover", "--takeover", "it sleeps")
    if asked(arena.home, "status")["troubles"]:
        iris(arena.home, "reconcile", "--to", "serving")
