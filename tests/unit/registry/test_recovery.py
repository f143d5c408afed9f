"""Recovery: whatever died, wherever, everything agrees again afterwards."""

import contextlib
import re
from typing import NamedTuple

import pytest

from artifacts.errors import IrisError
from registry import recovery
from registry.crash import CRASH_POINTS
from registry.errors import LedgerForeign, LedgerMoved, OperationOpen, RegistryUnavailable
from registry.promotion import Request, promote
from registry.records import Result, Takeover
from registry.recovery import recover
from registry.rollback import choose, rollback
from tests.unit.project.pyproject import ROOT
from tests.unit.registry.fakes import Crash, World


class Left(NamedTuple):
    """What a crash leaves, as the page says."""

    point: str
    ends_as: str
    serving: str


def promised(page: str) -> list[Left]:
    """Return the rows of a table of crash points."""
    rows = re.findall(r"^\| `([a-z ]+)` \| [^|]+ \| ([a-z ]+) \| (\d) \|$", page, re.MULTILINE)
    return [Left(*row) for row in rows]


SUCCEEDING, FAILING = map(
    promised,
    (ROOT / "docs" / "promotion.md").read_text().split("And where version 2 cannot serve"),
)
POINTS = [left.point for left in SUCCEEDING]
POINTS_BEYOND_THE_WINDOW = [
    "after watch",
    "before move alias",
    "after move alias",
    "before outcome",
]
ROLLBACK_POINTS = ["after intent", "before roll out", "before move alias", "before outcome"]


def test_the_page_names_every_crash_point() -> None:
    """Whoever finds a promoter dead finds on the page what it has left."""
    # They have no row, but a sentence.
    elsewhere = {"after genesis", "after takeover", "after continuation"}
    assert {left.point for left in SUCCEEDING + FAILING} | elsewhere == set(CRASH_POINTS)


@pytest.fixture(autouse=True)
def dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that crashed is this one, which lives; say that it is dead."""
    monkeypatch.setattr(recovery, "is_dead", lambda _: True)


@pytest.mark.parametrize(
    "left", SUCCEEDING + FAILING, ids=lambda left: f"{left.point}, {left.ends_as}"
)
def test_a_promotion_that_died_is_ended_as_the_page_says(world: World, left: Left) -> None:
    """It is finished where every instance has proven the release, else nothing has happened."""
    world.register()
    promote(world.work(), Request(1))
    world.register(tilt=0.01)
    world.target.broken = {"2"} if left in FAILING else set()
    with pytest.raises(Crash):
        promote(world.work(crash_at=left.point), Request(2, watch_s=0.1))
    was_open = world.work().ledger.read().open is not None

    recover(world.work())

    outcome = world.work().ledger.read().operations[-1].outcome
    assert outcome is not None
    assert left.ends_as == (outcome.result if was_open else "nothing was open")
    assert world.serving() == left.serving
    world.consistent()


@pytest.mark.parametrize("point", POINTS_BEYOND_THE_WINDOW)
def test_what_the_window_saw_outlives_its_promoter(world: World, point: str) -> None:
    """The outcome says it, whoever records that."""
    world.register()
    with pytest.raises(Crash):
        promote(world.work(crash_at=point), Request(1, watch_s=0.1))
    recover(world.work())
    outcome = world.work().ledger.read().operations[-1].outcome
    assert outcome is not None
    assert outcome.watched == "nothing was watched: nobody is served here"


@pytest.mark.parametrize("point", ["after genesis", *POINTS[1:]])
def test_the_first_promotion_that_died_is_finished_or_undone(world: World, point: str) -> None:
    """It can be promoted afterwards as if nothing had been."""
    world.register()
    with pytest.raises(Crash):
        promote(world.work(crash_at=point), Request(1, watch_s=0.1))
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


@pytest.mark.parametrize("point", [left.point for left in FAILING])
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


@pytest.mark.parametrize(
    "point", ["after takeover", *(left.point for left in FAILING), "before move alias"]
)
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
    """While the lease is held, only a reason takes over."""
    monkeypatch.setattr(recovery, "is_dead", lambda _: False)
    world.register()
    with pytest.raises(Crash):
        promote(world.work(crash_at="before roll out"), Request(1))
    with world.work().lease.held(1):
        with pytest.raises(OperationOpen, match="under way"):
            recover(world.work())
        recover(world.work(), takeover="he went home")
    world.consistent()


def test_a_promoter_whose_lease_has_run_out_is_taken_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may be on another machine, and shows no sign of life, is not waited for."""
    monkeypatch.setattr(recovery, "is_dead", lambda _: False)
    world.register()
    with pytest.raises(Crash):
        promote(world.work(crash_at="before roll out"), Request(1))
    recover(world.work())
    world.consistent()
    (taken,) = world.work().ledger.read().operations[0].takeovers
    assert isinstance(taken.body, Takeover)
    assert "no sign of life" in taken.body.reason


def test_the_lease_of_another_operation_is_no_sign_of_life(world: World) -> None:
    """It is replaced by whoever works on the environment, so it says for which operation."""
    lease = world.work().lease
    with lease.held(7):
        assert not lease.has_run_out(7)
        assert lease.has_run_out(8)


def test_a_hand_made_change_is_recorded_and_left(world: World) -> None:
    """What was put in by hand after the crash stays."""
    for tilt in (0.0, 0.01):
        world.register(tilt=tilt)
    promote(world.work(), Request(1))
    with pytest.raises(Crash):
        promote(world.work(crash_at="during roll out"), Request(2))
    world.by_hand()

    assert recover(world.work())[-1].startswith("what was put in by hand serves; iris history ")

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
        done, _ = recover(world.work())
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
    done, _ = recover(world.work())
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
    ended, told = recover(world.work())
    assert ended.startswith("promotion to version 1 ")
    assert told.startswith("version 1 ")
    assert told.endswith(" serves; iris history 1 tells all")
    head = world.work().ledger.read().head
    assert recover(world.work()) == []
    assert world.work().ledger.read().head == head
