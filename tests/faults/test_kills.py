"""SIGKILL at every crash point and at random moments, under requests; `iris recover` mends all.

`KILLS` says at how many random moments (`make test-faults KILLS=200`).
"""

import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from registry.crash import CRASH_POINTS
from tests.faults.arena import BROKEN, Arena
from tests.faults.points import ENDING, FINISHING, PROMOTING, UNDOING
from tests.faults.promoters import Moments, Promoter
from tests.integration.registry.commands import asked, iris
from tests.integration.serving.processes import Supervisor

KILLS = int(os.environ.get("KILLS", "20"))


@pytest.mark.parametrize("point", PROMOTING)
def test_a_promotion_that_is_killed(arena: Arena, point: str) -> None:
    """Wherever it dies, one recovery makes everything agree, and no client notices."""
    before, version = arena.serving(), arena.other()
    died(arena.promoter(version, IRIS_CRASH_AT=point))
    iris(arena.home, "recover")
    arena.agrees(before, version)


def test_the_next_promotion_is_told_what_to_do(arena: Arena) -> None:
    """What is half-done is nobody's to pass by."""
    before, version = arena.serving(), arena.other()
    died(arena.promoter(version, IRIS_CRASH_AT="during roll out"))
    assert "iris recover" in iris(arena.home, "promote", "4", code=1).stderr
    iris(arena.home, "recover")
    arena.agrees(before, version)


@pytest.mark.parametrize("point", UNDOING + ENDING)
def test_a_failed_promotion_that_is_killed_while_it_is_undone(arena: Arena, point: str) -> None:
    """What served before serves in the end."""
    before = arena.serving()
    died(arena.promoter(BROKEN, IRIS_CRASH_AT=point))
    iris(arena.home, "recover")
    arena.agrees(before)


@pytest.mark.parametrize("point", ["after takeover", *FINISHING])
def test_a_recovery_that_is_killed_while_it_finishes(arena: Arena, point: str) -> None:
    """Recovering the recovery finishes what it would have finished."""
    before, version = arena.serving(), arena.other()
    died(arena.promoter(version, IRIS_CRASH_AT="during watch"))
    died(Promoter(arena.home, "recover", IRIS_CRASH_AT=point))
    iris(arena.home, "recover")
    arena.agrees(before, version)
    assert arena.serving() == version


@pytest.mark.parametrize("point", ["after takeover", *UNDOING, *ENDING])
def test_a_recovery_that_is_killed_while_it_undoes(arena: Arena, point: str) -> None:
    """Recovering the recovery brings back what served before."""
    before = arena.serving()
    died(arena.promoter(BROKEN, IRIS_CRASH_AT="before compensate"))
    died(Promoter(arena.home, "recover", IRIS_CRASH_AT=point))
    iris(arena.home, "recover")
    arena.agrees(before)


def test_the_very_first_command_that_is_killed(home: Path) -> None:
    """It leaves a ledger that has begun, which whoever comes next takes up."""
    with Supervisor(home, "--without-gateway") as supervisor:
        supervisor.until_listening()
        died(Promoter(home, "promote", "1", "--watch", "0s", IRIS_CRASH_AT="after genesis"))
        assert "nothing was left half-done" in iris(home, "recover").stdout
        iris(home, "promote", "1")
        assert asked(home, "status")["troubles"] == []


def test_every_crash_point_is_killed_at() -> None:
    """A point that is added is tried here too."""
    elsewhere = {"after genesis", "after takeover", "after continuation"}
    assert {*PROMOTING, *UNDOING, *elsewhere} == set(CRASH_POINTS)


@pytest.mark.timeout(120 + 60 * KILLS)
def test_random_moments(arena: Arena, capsys: pytest.CaptureFixture[str]) -> None:
    """At whatever moment it dies, in each of its steps, one recovery makes everything agree."""
    moments = usual_moments(arena)
    counts = Counter(dict.fromkeys(moments.usual, 0))
    outcomes: Counter[str] = Counter()
    seed = random.SystemRandom().randrange(2**32)
    chance = random.Random(seed)
    while counts.total() < KILLS or min(counts.values()) * 20 < KILLS:
        assert counts.total() < 3 * KILLS, f"some step is never met: {counts}"
        before, version = arena.serving(), arena.other()
        promoter = arena.promoter(version)
        kill_in(promoter, min(counts, key=lambda step: counts[step]), moments, chance)
        if promoter.ended().code == -signal.SIGKILL:
            counts[Moments.reached(promoter)] += 1
        iris(arena.home, "recover")
        arena.agrees(before, version)
        outcomes["went on" if arena.serving() == version else "went back"] += 1
    with capsys.disabled():
        told = f"killed in each step (seed {seed}): {dict(counts)}; {dict(outcomes)}"
        sys.stdout.write(f"\n{told}\n")


def usual_moments(arena: Arena) -> Moments:
    """Promote once undisturbed, and measure that."""
    before, version = arena.serving(), arena.other()
    promoter = arena.promoter(version)
    assert promoter.ended().code == 0
    arena.agrees(before, version)
    return Moments(promoter)


def kill_in(promoter: Promoter, step: str, moments: Moments, chance: random.Random) -> None:
    """Kill a promoter at a random moment of a step."""
    promoter.until_said(moments.STEPS[step])
    time.sleep(chance.uniform(0.0, moments.usual[step]))
    promoter.send(signal.SIGKILL)


def died(promoter: Promoter) -> None:
    """Wait until a promoter has killed itself."""
    done = promoter.ended()
    assert done.code == -signal.SIGKILL, done.stdout
