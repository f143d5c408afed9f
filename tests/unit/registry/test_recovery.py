"""Recovery: whatever died, wherever, everything agrees again afterwards."""

import contextlib

import pytest

from artifacts.errors import IrisError
from registry import recovery
from registry.errors import LedgerForeign, LedgerMoved, OperationOpen, RegistryUnavailable
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
    release = choose(world.work(), None)
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
    rollback(world.work(), choose(world.work(), None), "wrong")
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


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("point", ["before move alias", "before outcome"])
def test_what_had_proven_itself_is_proven_again_and_finished(
    world: World, point: str, first: bool
) -> None:
    """The alias may name it by then, so a target that has yet to come up is waited for."""
    if not first:
        promote(world.work(), Request(world.register(tilt=0.01)))
    number = world.register()
    with pytest.raises(Crash):
        promote(world.work(crash_at=point), Request(number))
    world.target.restart()
    recover(world.work())
    assert world.serving() == str(number)
    world.consistent()


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("down", [True, False])
def test_where_it_cannot_be_proven_again_the_alias_goes_back_too(
    world: World, first: bool, down: bool
) -> None:
    """MLflow never claims what does not serve; where it is down, `iris recover` sees to it."""
    if not first:
        promote(world.work(), Request(world.register(tilt=0.01)))
    number = world.register()
    with pytest.raises(Crash):
        promote(world.work(crash_at="before outcome"), Request(number))
    assert world.versions.aliases["champion"] == number
    world.target.broken = {str(number)}
    world.versions.down = down
    with pytest.raises(RegistryUnavailable) if down else contextlib.nullcontext():
        (done,) = recover(world.work())
        assert "compensated (version" in done
    world.versions.down = False
    recover(world.work())
    world.consistent()


def test_a_rollback_that_died_leaves_what_a_hand_put_in_since(world: World) -> None:
    """Whoever recovers it has not asked for that to be replaced."""
    for tilt in (0.0, 0.01):
        promote(world.work(), Request(world.register(tilt=tilt)))
    with pytest.raises(Crash):
        rollback(world.work(crash_at="before roll out"), choose(world.work(), None), "wrong")
    world.by_hand()
    (done,) = recover(world.work())
    assert "taken over by hand" in done
    assert world.serving() == "by-hand"
    assert world.work().ledger.read().open is None


def test_an_alias_of_another_mlflow_is_left_alone(world: World) -> None:
    """A shell with another MLFLOW_TRACKING_URI moves nothing there."""
    world.register()
    with pytest.raises(Crash):
        promote(world.work(crash_at="before move alias"), Request(1))
    ours = dict(world.versions.tags)
    world.versions.tags["iris.ledger.local"] = "another"
    with pytest.raises(LedgerForeign):
        recover(world.work())
    assert world.versions.aliases == {}
    world.versions.tags = ours
    recover(world.work())
    world.consistent()


def test_a_pending_alias_is_left_to_whoever_has_begun_meanwhile(world: World) -> None:
    """The record before the move fails, so the alias of a newer operation is not moved back."""
    for tilt in (0.0, 0.01, 0.02):
        promote(world.work(), Request(world.register(tilt=tilt)))
    world.versions.down = True
    rollback(world.work(), choose(world.work(), None), "wrong")
    world.versions.down = False
    work = world.work()
    tag = world.versions.tag

    def meanwhile(key: str) -> str | None:
        world.versions.tag = tag  # type: ignore[method-assign]
        promote(world.work(), Request(1))
        return tag(key)

    world.versions.tag = meanwhile  # type: ignore[method-assign]
    with pytest.raises(LedgerMoved):
        recover(work)
    world.consistent()


def test_a_second_recovery_finds_nothing(world: World) -> None:
    """It may be typed as often as one likes."""
    world.register()
    with pytest.raises(Crash):
        promote(world.work(crash_at="during roll out"), Request(1))
    assert recover(world.work()) != []
    head = world.work().ledger.read().head
    assert recover(world.work()) == []
    assert world.work().ledger.read().head == head
