"""Rollback: it always starts."""

import pytest

from artifacts.errors import DigestMismatch
from registry.errors import NothingToDo
from registry.promotion import Request, promote
from registry.rollback import choose, rollback
from tests.unit.registry.fakes import Crash, World


def promoted(world: World, count: int) -> None:
    """Promote `count` versions, one after the other."""
    for number in range(count):
        promote(world.work(), Request(world.register(tilt=number / 100)))


def go_back(world: World, version: str | None = None) -> None:
    """Roll back, as the command does."""
    rollback(world.work(), choose(world.work().ledger.read(), version), "wrong")


def test_the_release_before_serves_again(world: World) -> None:
    """Without a target it is the one before."""
    promoted(world, 2)
    go_back(world)
    assert world.serving() == "1"
    world.consistent()


def test_a_second_rollback_goes_further_back(world: World) -> None:
    """What was rolled back from is no target: two rollbacks are not a step there and back."""
    promoted(world, 3)
    go_back(world)
    go_back(world)
    assert world.serving() == "1"
    world.consistent()


def test_any_release_that_served_can_be_named(world: World) -> None:
    """Every past release can be served again."""
    promoted(world, 3)
    go_back(world, "1")
    go_back(world, "3")
    assert world.serving() == "3"
    world.consistent()


def test_a_release_that_never_served_is_no_target(world: World) -> None:
    """The message names those that did."""
    promoted(world, 2)
    with pytest.raises(NothingToDo) as error:
        choose(world.work().ledger.read(), "9")
    assert "2, 1" in str(error.value)


def test_with_nothing_before_there_is_nothing_to_do(world: World) -> None:
    """The first release has none before it."""
    promoted(world, 1)
    with pytest.raises(NothingToDo):
        choose(world.work().ledger.read(), None)


@pytest.mark.parametrize("point", ["after intent", "before roll out", "during roll out"])
def test_it_ends_an_open_promotion(world: World, point: str) -> None:
    """It waits for nobody, and goes back to what served before that began."""
    promoted(world, 2)
    with pytest.raises(Crash):
        promote(world.work(crash_at=point), Request(world.register(tilt=0.02)))

    go_back(world)

    assert world.serving() == "2"
    chain = world.work().ledger.read()
    assert chain.operations[-2].superseded
    world.consistent()


def test_one_that_died_is_begun_again_with_the_same_target(world: World) -> None:
    """Typing it again does not go further back."""
    promoted(world, 3)
    release = choose(world.work().ledger.read(), None)
    with pytest.raises(Crash):
        rollback(world.work(crash_at="during roll out"), release, "wrong")
    go_back(world)
    assert world.serving() == "2"
    world.consistent()


def test_a_hand_made_change_is_no_obstacle(world: World) -> None:
    """Whoever asks for a release by name gets it."""
    promoted(world, 2)
    world.by_hand()
    go_back(world, "2")
    assert world.serving() == "2"
    world.consistent()


def test_a_file_that_was_swapped_is_refused_before_anything_changes(world: World) -> None:
    """Integrity is the one gate that it asks."""
    promoted(world, 2)
    world.work().store.models.replace("iris-classifier/v1/model.onnx", b"another")
    with pytest.raises(DigestMismatch):
        go_back(world)
    assert world.serving() == "2"
    world.consistent()
