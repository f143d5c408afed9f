"""Why what serves was let: the promotion that its gates passed, however it came back."""

import pytest

from registry.errors import NothingToDo
from registry.promotion import Request, promote
from registry.rollback import choose, rollback
from registry.screens import why_screen
from registry.why import why
from tests.unit.registry.fakes import World


def told(world: World) -> str:
    """Return what `iris why` prints."""
    work = world.work()
    return why_screen(work.store, why(work.ledger.read()))


def test_a_promotion_is_told_with_its_reason_and_its_gates(world: World) -> None:
    """Who, why, what was watched, and the whole report."""
    promote(world.work(), Request(world.register(), reason="the first"))
    screen = told(world)
    assert "because: the first" in screen
    assert "a name that nobody vouches for" in screen
    assert "nothing was watched" in screen
    assert "quality" in screen


def test_a_release_that_came_back_is_told_with_the_promotion_that_let_it(world: World) -> None:
    """A rollback asks no gates; those that the release once passed still speak for it."""
    promote(world.work(), Request(world.register(), reason="the first"))
    promote(world.work(), Request(world.register(tilt=0.01), reason="the second"))
    rollback(world.work(), choose(world.work(), None), "wrong on virginica")
    screen = told(world)
    assert "because: wrong on virginica" in screen
    assert "it was first promoted" in screen
    assert "because: the first" in screen
    assert "the second" not in screen


def test_a_report_that_was_changed_or_is_gone_is_no_evidence(world: World) -> None:
    """The ledger names it by its digest."""
    promote(world.work(), Request(world.register(), reason="the first"))
    work = world.work()
    (name,) = work.store.records.list("gates/")
    work.store.records.replace(name, b"all is well")
    assert "is not what it was" in told(world)
    work.store.records.delete(name)
    assert "is gone" in told(world)
    assert "because: the first" in told(world)


def test_nothing_served_has_no_reason(world: World) -> None:
    """The next command is named."""
    with pytest.raises(NothingToDo, match="nothing serves"):
        told(world)
