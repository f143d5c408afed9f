"""Recovery: whatever died, wherever, everything agrees again afterwards."""

import contextlib

import pytest

from artifacts.errors import IrisError
from registry import recovery
from registry.errors import OperationOpen
from registry.promotion import Request, promote
from registry.records import Result
from registry.recovery import recover
from registry.rollback import choose, rollback
from tests.unit.registry.fakes import Crash, World

PROMOTION_POINTS = {
    "before intent": "1",
    "after intent": "1",
    "before publish": "1",
    "before roll out": "1",
    "during roll out": "2",
    "before move alias": "2",
    "before outcome": "2",
}
ROLLBACK_POINTS = ["after intent", "before roll out", "before move alias", "before outcome"]


@pytest.fixture(autouse=True)
def dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that crashed is this one, which lives; say that it is dead."""
    monkeypatch.setattr(recovery, "is_dead", lambda _: True)


@pytest.mark.parametrize(("point", "serving"), PROMOTION_POINTS.items())
def test_a_promotion_that_died_is_finished_or_undone(
    world: World, point: str, serving: str
) -> None:
    """It is finished where every instance has proven the release, else nothing has happened."""
    world.register()
    promote(world.work(), Request(1))
    world.register(tilt=0.01)
    with pytest.raises(Crash):
        promote(world.work(crash_at=point), Request(2))

    recover(world.work())

    assert world.serving() == serving
    world.consistent()


@pytest.mark.parametrize("point", [p for p in PROMOTION_POINTS if p != "before intent"])
def test_the_first_promotion_that_died_is_finished_or_undone(world: World, point: str) -> None:
    """It can be promoted afterwards as if nothing had been."""
    world.register()
    with pytest.raises(Crash):
        promote(world.work(crash_at=point), Request(1))
    recover(world.work())
    world.consistent()
    promote(world.work(), Request(1))
    world.consistent()


@pytest.mark.parametrize("point", ROLLBACK_POINTS)
def test_a_rollback_that_died_is_gone_on_with(world: World, point: str) -> None:
    """Going back to the bad release would be no recovery."""
    for tilt in (0.0, 0.01):
        promote(world.work(), Request(world.register(tilt=tilt)))
    release = choose(world.work().ledger.read(), None)
    with pytest.raises(Crash):
        rollback(world.work(crash_at=point), release, "wrong")

    recover(world.work())

    assert world.serving() == "1"
    world.consistent()


@pytest.mark.parametrize("point", ["before compensate", "before outcome"])
def test_an_undoing_that_died_is_gone_on_with(world: World, point: str) -> None:
    """A failed promotion is undone in the end, however often the promoter dies."""
    world.register()
    promote(world.work(), Request(1))
    world.register(tilt=0.01)
    world.target.broken = {"2"}
    with pytest.raises(Crash):
        promote(world.work(crash_at=point), Request(2))
    recover(world.work())
    assert world.serving() == "1"
    world.consistent()


@pytest.mark.parametrize("point", ["before compensate", "before move alias", "before outcome"])
@pytest.mark.parametrize("broken", [True, False])
def test_a_recovery_that_died_is_recovered(world: World, point: str, broken: bool) -> None:
    """It may be repeated, and die, at any point."""
    world.register()
    promote(world.work(), Request(1))
    world.register(tilt=0.01)
    world.target.broken = {"2"} if broken else set()
    with contextlib.suppress(Crash):
        promote(world.work(crash_at="during roll out"), Request(2))
    with contextlib.suppress(Crash):
        recover(world.work(crash_at=point))
    recover(world.work())
    world.consistent()


def test_a_promoter_that_may_live_is_not_disturbed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a reason takes over from whoever may still be at work."""
    monkeypatch.setattr(recovery, "is_dead", lambda _: False)
    world.register()
    with pytest.raises(Crash):
        promote(world.work(crash_at="before roll out"), Request(1))
    with pytest.raises(OperationOpen):
        recover(world.work())
    recover(world.work(), takeover="he went home")
    world.consistent()


def test_a_hand_made_change_is_recorded_and_left(world: World) -> None:
    """What was put in by hand after the crash stays."""
    for tilt in (0.0, 0.01):
        world.register(tilt=tilt)
    promote(world.work(), Request(1))
    with pytest.raises(Crash):
        promote(world.work(crash_at="during roll out"), Request(2))
    world.by_hand()

    recover(world.work())

    assert world.serving() == "by-hand"
    outcome = world.work().ledger.read().operations[-1].outcome
    assert outcome is not None
    assert outcome.result is Result.TAKEN_OVER_BY_HAND


def test_a_pending_alias_is_moved(world: World) -> None:
    """A rollback with MLflow down leaves the alias; recovery moves it, once."""
    for tilt in (0.0, 0.01):
        promote(world.work(), Request(world.register(tilt=tilt)))
    world.versions.down = True
    rollback(world.work(), choose(world.work().ledger.read(), None), "wrong")
    assert world.versions.aliases["champion"] == 2

    world.versions.down = False
    assert recover(world.work()) == ["the alias champion names version 1"]
    assert recover(world.work()) == []
    world.consistent()


def test_with_mlflow_still_down_nothing_is_lost(world: World) -> None:
    """A promotion that lacks only the alias waits for MLflow."""
    world.register()
    with pytest.raises(Crash):
        promote(world.work(crash_at="before move alias"), Request(1))
    world.versions.down = True
    with pytest.raises(IrisError):
        recover(world.work())
    world.versions.down = False
    recover(world.work())
    world.consistent()
