"""Reconcile: what a hand has changed is kept or undone, as a person says; never unasked."""

import contextlib

import pytest

from artifacts.digests import sha256_hex
from artifacts.release import Release
from registry.errors import LedgerMoved, NothingToDo, OperationOpen, TakenOverByHand, VersionUnfit
from registry.promotion import Request, promote
from registry.reconcile import reconcile_to_ledger, reconcile_to_serving
from registry.records import AliasSettled, Kind
from registry.recovery import recover
from registry.rollback import choose, rollback
from registry.rollout import Instance
from tests.support.model_files import model_file
from tests.unit.registry.fakes import Crash, World

HAND = model_file(tilt=0.5)
BY_HAND = Release("by-hand", "by-hand.onnx", sha256_hex(HAND))


@pytest.fixture
def promoted(world: World) -> World:
    """Return an environment in which version 2 serves, after version 1."""
    for tilt in (0.0, 0.01):
        promote(world.work(), Request(world.register(tilt=tilt)))
    return world


def put_in(world: World, version: str = "by-hand") -> Release:
    """Put a release in by hand, without a digest; its instance reports the one that it found."""
    asked = Release(version, "by-hand.onnx", None)
    world.work().store.models.create(asked.blob, HAND)
    world.target.put(asked)
    found = Release(version, asked.blob, BY_HAND.sha256)
    world.target.report([Instance("i", found, ready=True)])
    return found


def test_what_serves_is_recorded_and_the_alias_names_no_other(promoted: World) -> None:
    """It is no registered version, so no alias can name it; and it is a release from then on."""
    put_in(promoted)

    reconcile_to_serving(promoted.work(), "tried out, and good")

    chain = promoted.work().ledger.read()
    assert chain.serving == promoted.target.state.release == BY_HAND
    assert chain.operations[-1].intent.operation is Kind.ADOPTION
    assert chain.operations[-1].intent.reason == "tried out, and good"
    assert "champion" not in promoted.versions.aliases
    assert chain.releases()[0] == BY_HAND


def test_a_rollback_after_it_serves_what_served_before(promoted: World) -> None:
    """And it can be gone back to in turn."""
    put_in(promoted)
    reconcile_to_serving(promoted.work(), "")
    rollback(promoted.work(), choose(promoted.work(), None), "")
    assert promoted.serving() == "2"
    promoted.consistent()
    rollback(promoted.work(), choose(promoted.work(), "by-hand"), "")
    assert promoted.target.state.release == BY_HAND
    assert "champion" not in promoted.versions.aliases


def test_what_the_ledger_says_is_brought_back(promoted: World) -> None:
    """The hand-made change is undone, because somebody said so."""
    put_in(promoted)
    reconcile_to_ledger(promoted.work(), "a mistake")
    assert promoted.serving() == "2"
    promoted.consistent()


@pytest.mark.parametrize("run", [reconcile_to_ledger, reconcile_to_serving])
def test_an_alias_that_was_moved_by_hand_names_again_what_serves(
    promoted: World, run: object
) -> None:
    """It is recorded, though nothing that serves has changed."""
    promoted.versions.aliases["champion"] = 1
    assert callable(run)
    assert run(promoted.work(), "") == ["the alias champion names version 2"]
    promoted.consistent()
    assert isinstance(promoted.work().ledger.read().records[-1].body, AliasSettled)
    assert run(promoted.work(), "") == []


def test_nothing_is_recorded_while_an_operation_is_open(promoted: World) -> None:
    """What serves may be the promoter's doing."""
    promoted.register(tilt=0.02)
    with pytest.raises(Crash):
        promote(promoted.work(crash_at="during roll out"), Request(3))
    for run in (reconcile_to_ledger, reconcile_to_serving):
        with pytest.raises(OperationOpen):
            run(promoted.work(), "")


def test_what_has_begun_meanwhile_is_not_superseded(promoted: World) -> None:
    """Whoever brings back what the ledger says ends nobody's operation."""
    put_in(promoted)
    work = promoted.work()

    def meanwhile(here: str) -> None:
        if here == "before intent":
            with pytest.raises(Crash):
                reconcile_to_serving(promoted.work(crash_at="after intent"), "")

    work.crash_point = meanwhile
    with pytest.raises(LedgerMoved):
        reconcile_to_ledger(work, "a mistake")
    last = promoted.work().ledger.read().operations[-1]
    assert (last.intent.operation, last.superseded) == (Kind.ADOPTION, False)
    assert promoted.serving() == "by-hand"


def test_what_not_every_instance_serves_is_not_recorded(promoted: World) -> None:
    """Only what is proven is."""
    found = put_in(promoted)
    promoted.target.report([Instance("i", found, ready=True), Instance("j", None, ready=False)])
    with pytest.raises(TakenOverByHand, match="not every instance"):
        reconcile_to_serving(promoted.work(), "")


def test_a_release_that_poses_as_a_registered_version_is_not_recorded(promoted: World) -> None:
    """The alias would name a file that does not serve."""
    put_in(promoted, version="1")
    with pytest.raises(VersionUnfit, match="calls itself version 1"):
        reconcile_to_serving(promoted.work(), "")


def test_where_the_ledger_has_nothing_the_way_is_named(world: World) -> None:
    """There is nothing to bring back."""
    put_in(world)
    with pytest.raises(NothingToDo, match="nothing serves"):
        reconcile_to_ledger(world.work(), "")
    reconcile_to_serving(world.work(), "")
    assert world.work().ledger.read().serving == BY_HAND


@pytest.mark.parametrize("point", ["after intent", "during roll out", "before move alias"])
def test_an_adoption_that_died_is_recovered(promoted: World, point: str) -> None:
    """It is finished, or what was put in by hand is as it was."""
    put_in(promoted)
    with contextlib.suppress(Crash):
        reconcile_to_serving(promoted.work(crash_at=point), "")
    recover(promoted.work(), takeover="it died")
    chain = promoted.work().ledger.read()
    assert chain.open is None
    assert promoted.serving() == "by-hand"
    done = chain.operations[-1].succeeded
    assert chain.serving == (BY_HAND if done else chain.releases()[0])
    assert done is (point != "after intent")
