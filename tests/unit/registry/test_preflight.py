"""Preflight: a deploy neither stops a promotion nor changes what serves."""

import pytest

from registry.errors import OperationOpen, TakenOverByHand
from registry.preflight import preflight
from registry.promotion import Request, promote
from tests.unit.registry.fakes import Crash, FakeTarget, World


def test_nothing_is_in_the_way_before_a_first_promotion(world: World) -> None:
    """Nothing serves, and nothing goes on serving."""
    assert preflight(world.work()) is None


def test_what_serves_goes_on_serving(world: World) -> None:
    """It is told."""
    promotion = promote(world.work(), Request(world.register()))
    assert preflight(world.work()) == promotion.release


def test_a_promotion_under_way_comes_first(world: World) -> None:
    """Its pods would be replaced while they are being proven."""
    with pytest.raises(Crash):
        promote(world.work(crash_at="during roll out"), Request(world.register()))
    with pytest.raises(OperationOpen):
        preflight(world.work())


def test_what_was_put_in_by_hand_is_settled_first(world: World) -> None:
    """New pods would take what the configuration says, whatever serves now."""
    promote(world.work(), Request(world.register()))
    world.by_hand()
    with pytest.raises(TakenOverByHand) as refused:
        preflight(world.work())
    assert "iris reconcile --to ledger" in refused.value.hint


def test_where_all_was_deleted_the_ledger_says_what_is_to_serve(world: World) -> None:
    """The target has no trace of a release, and the deploy brings back the last."""
    promotion = promote(world.work(), Request(world.register()))
    world.target = FakeTarget()
    assert preflight(world.work()) == promotion.release
