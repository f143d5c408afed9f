"""A promoter that sleeps at a crash point, is taken over, and wakes up: its effects are refused."""

import signal
from typing import Any

import pytest

from tests.faults.arena import BROKEN, Arena
from tests.faults.points import UNDER_WAY, UNDOING
from tests.faults.promoters import Promoter
from tests.integration.registry.commands import asked, iris

RIVAL = "4"


@pytest.mark.parametrize("point", UNDER_WAY)
def test_a_promoter_that_was_taken_over(arena: Arena, point: str) -> None:
    """It exits with 1 and has changed nothing: neither the ledger, nor what serves, nor MLflow."""
    before, version = arena.serving(), arena.other()
    sleeper = asleep(arena.promoter(version, IRIS_STOP_AT=point))
    iris(arena.home, "recover", "--takeover", "it sleeps")
    wakes_in_vain(arena, sleeper)
    arena.agrees(before, version)


@pytest.mark.parametrize("point", UNDOING)
def test_one_that_was_taken_over_while_it_undoes(arena: Arena, point: str) -> None:
    """What it would undo is undone already."""
    before = arena.serving()
    sleeper = asleep(arena.promoter(BROKEN, IRIS_STOP_AT=point))
    iris(arena.home, "recover", "--takeover", "it sleeps")
    wakes_in_vain(arena, sleeper)
    arena.agrees(before)


@pytest.mark.parametrize("point", ["after takeover", "before roll out", "during roll out"])
def test_a_recovery_that_was_taken_over(arena: Arena, point: str) -> None:
    """Of two recoveries the younger one acts."""
    before, version = arena.serving(), arena.other()
    promoter = arena.promoter(version, IRIS_CRASH_AT="during watch")
    assert promoter.ended().code == -signal.SIGKILL
    sleeper = asleep(Promoter(arena.home, "recover", IRIS_STOP_AT=point))
    iris(arena.home, "recover", "--takeover", "it sleeps")
    wakes_in_vain(arena, sleeper)
    arena.agrees(before, version)


def test_one_that_was_overtaken_before_its_intent(arena: Arena) -> None:
    """Its report is void, and it is told who was first."""
    before, version = arena.serving(), arena.other()
    sleeper = asleep(arena.promoter(version, IRIS_STOP_AT="before intent"))
    iris(arena.home, "promote", RIVAL)
    assert "was first" in wakes_in_vain(arena, sleeper)
    arena.agrees(before, RIVAL)
    iris(arena.home, "promote", before)
    arena.agrees(before, RIVAL)


def test_one_that_gives_no_sign_of_life(arena: Arena) -> None:
    """Recovery needs no reason then, though the process is there: its lease has run out."""
    before, version = arena.serving(), arena.other()
    sleeper = asleep(arena.promoter(version, IRIS_STOP_AT="before roll out"))
    assert "looking for" in iris(arena.home, "recover").stdout
    wakes_in_vain(arena, sleeper)
    arena.agrees(before, version)


def test_an_alias_that_is_written_late(arena: Arena) -> None:
    """MLflow cannot refuse it: `iris status` shows it, and the command that it names mends it."""
    before, version = arena.serving(), arena.other()
    sleeper = asleep(arena.promoter(version, IRIS_STOP_AT="before move alias"))
    iris(arena.home, "recover", "--takeover", "it sleeps")
    iris(arena.home, "promote", before)
    wakes_in_vain(arena, sleeper)

    status = asked(arena.home, "status")
    assert status["registered"]["alias"] == int(version)
    assert status["next"] == "iris reconcile --to ledger"
    assert f"the alias names version {version}" in status["troubles"][0]["what"]
    iris(arena.home, *status["next"].split()[1:])
    arena.agrees(before, version)


def asleep(promoter: Promoter) -> Promoter:
    """Wait until it has stopped itself."""
    promoter.until_stopped()
    return promoter


def wakes_in_vain(arena: Arena, sleeper: Promoter) -> str:
    """Let a promoter go on, see that nothing changes by that, and return what it has printed."""
    before = left(arena)
    sleeper.send(signal.SIGCONT)
    done = sleeper.ended()
    assert done.code == 1, done.stdout
    assert left(arena) == before
    return done.stdout


def left(arena: Arena) -> Any:
    """Return what a promoter could change: the ledger, and what is asked of the supervisor."""
    state = arena.supervisor.state()
    records = sorted(path.name for path in (arena.home / "store" / "ledger").rglob("*.json"))
    return records, state["revision"], state["release"], state["fence"]
