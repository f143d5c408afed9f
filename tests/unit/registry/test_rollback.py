"""Rollback: it always starts."""

import pytest

from artifacts.digests import sha256_hex
from artifacts.errors import DigestMismatch
from artifacts.release import Release
from registry.errors import NothingToDo, TakenOverByHand, VersionUnfit
from registry.promotion import Request, promote
from registry.reconcile import reconcile_to_serving
from registry.records import Effect, Step
from registry.recovery import recover
from registry.rollback import choose, rollback
from tests.support.model_files import model_file
from tests.unit.registry.fakes import Crash, World


def promoted(world: World, count: int) -> None:
    """Promote `count` versions, one after the other."""
    for number in range(count):
        promote(world.work(), Request(world.register(tilt=number / 100)))


def go_back(world: World, version: str | None = None) -> None:
    """Roll back, as the command does."""
    rollback(world.work(), choose(world.work(), version), "wrong")


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


def test_a_release_that_was_passed_over_is_still_one_before(world: World) -> None:
    """From 3 by name to 1, then back once more: 2 ended well, and nobody rolled back from it."""
    promoted(world, 3)
    go_back(world, "1")
    go_back(world)
    assert world.serving() == "2"
    with pytest.raises(NothingToDo):
        choose(world.work(), None)
    world.consistent()


def test_where_none_is_left_one_can_be_named(world: World) -> None:
    """The command is told, and the releases in the order that status has: the youngest first."""
    promoted(world, 3)
    go_back(world)
    go_back(world)
    with pytest.raises(NothingToDo) as error:
        choose(world.work(), None)
    assert error.value.hint.startswith("one by name: iris rollback --to 3; ")
    assert "released so far: 3, 2, 1;" in error.value.hint


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
        choose(world.work(), "9")
    assert "2, 1" in str(error.value)


def test_with_nothing_before_there_is_nothing_to_do(world: World) -> None:
    """The first release has none before it."""
    promoted(world, 1)
    with pytest.raises(NothingToDo) as error:
        choose(world.work(), None)
    assert error.value.hint == "released so far: 1; see iris history"


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
    release = choose(world.work(), None)
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


def test_after_a_hand_made_change_it_is_the_last_that_ended_well(world: World) -> None:
    """What serves is what was put in by hand; the release before that is the ledger's last."""
    promoted(world, 2)
    world.by_hand()
    go_back(world)
    assert world.serving() == "2"
    world.consistent()


@pytest.mark.parametrize("records", [1, 3])
def test_a_promoter_at_work_does_not_keep_it_from_starting(world: World, records: int) -> None:
    """Its record may come just before the intent of the rollback, which then comes after it."""
    promoted(world, 1)
    with pytest.raises(Crash):
        promote(world.work(crash_at="before publish"), Request(world.register(tilt=0.01)))
    work, promoter = world.work(), world.work().ledger
    left = iter(range(records))

    def meanwhile(here: str) -> None:
        if here == "before intent" and next(left, None) is not None:
            chain = promoter.read()
            assert chain.open is not None
            promoter.append(chain, Step(intent=chain.open.number, effect=Effect.ROLL_OUT))

    work.crash_point = meanwhile
    rollback(work, choose(work, None), "wrong")
    assert world.serving() == "1"
    world.consistent()


@pytest.mark.parametrize("point", ["after intent", "during roll out", "before outcome"])
@pytest.mark.parametrize("down", [True, False])
def test_during_the_first_promotion_it_goes_back_to_nothing(
    world: World, point: str, down: bool
) -> None:
    """There is no release before, and no operation may be left that nothing can end."""
    world.register()
    with pytest.raises(Crash):
        promote(world.work(crash_at=point), Request(1))
    world.versions.down = down
    go_back(world)
    assert world.serving() is None
    world.versions.down = False
    recover(world.work())
    world.consistent()


def test_what_it_kept_from_serving_needs_a_reason_afterwards(world: World) -> None:
    """Whoever rolls back from an open promotion has rolled back from its release."""
    promoted(world, 1)
    with pytest.raises(Crash):
        promote(world.work(crash_at="before roll out"), Request(world.register(tilt=0.01)))
    go_back(world)
    with pytest.raises(VersionUnfit, match="rolled back from"):
        promote(world.work(), Request(2))


@pytest.mark.parametrize("point", ["", "after takeover", "during compensate"])
def test_the_first_of_all_that_it_undid_needs_a_reason_afterwards(world: World, point: str) -> None:
    """Nor does it matter who ended what the rollback began."""
    world.register()
    with pytest.raises(Crash):
        promote(world.work(crash_at="before roll out"), Request(1))
    if point:
        with pytest.raises(Crash):
            rollback(world.work(crash_at=point), choose(world.work(), None), "wrong")
        recover(world.work())
    else:
        go_back(world)
    with pytest.raises(VersionUnfit, match="rolled back from"):
        promote(world.work(), Request(1))
    promote(world.work(), Request(1, reason="it was the network"))
    assert not world.work().ledger.read().rejected
    world.consistent()


def test_a_first_promotion_that_recovery_undid_needs_none(world: World) -> None:
    """Nobody has said that it was wrong: its promoter died."""
    world.register()
    with pytest.raises(Crash):
        promote(world.work(crash_at="before roll out"), Request(1))
    recover(world.work())
    assert world.serving() is None
    promote(world.work(), Request(1))
    assert world.serving() == "1"


def test_the_alias_of_another_mlflow_is_left_alone(world: World) -> None:
    """A shell with another MLFLOW_TRACKING_URI: it goes back, and the alias waits."""
    promoted(world, 2)
    world.versions.tags.clear()
    go_back(world)
    assert world.serving() == "1"
    assert world.versions.aliases["champion"] == 2
    assert world.work().ledger.read().pending is not None


def test_it_needs_no_version_in_mlflow(world: World) -> None:
    """A version that was deleted there lies in the store still."""
    promoted(world, 2)
    del world.versions.files[1]
    go_back(world)
    assert world.serving() == "1"
    assert world.work().ledger.read().pending is None


def test_a_hand_made_change_meanwhile_is_left_alone(world: World) -> None:
    """What was there when it began was asked to be replaced; what came after was not."""
    promoted(world, 2)
    world.target.before_write = world.by_hand
    with pytest.raises(TakenOverByHand):
        go_back(world)
    assert world.serving() == "by-hand"
    assert world.work().ledger.read().open is None


def test_with_mlflow_down_it_does_not_wait_for_it_twice(world: World) -> None:
    """What MLflow did not do for the alias it is not asked for the stamp."""
    promoted(world, 2)
    world.versions.down = True
    asked: list[None] = []
    check = world.versions._check

    def count() -> None:
        asked.append(None)
        check()

    world.versions._check = count  # type: ignore[method-assign]
    go_back(world)
    assert len(asked) == 1


def test_a_second_rollback_remembers_what_the_first_left(world: World) -> None:
    """It ends the first, which died; the release that both go back from stays rolled back from."""
    for tilt in (0.0, 0.01):
        promote(world.work(), Request(world.register(tilt=tilt)))
    with pytest.raises(Crash):
        rollback(world.work(crash_at="before outcome"), choose(world.work(), None), "wrong")
    rollback(world.work(), choose(world.work(), None), "still wrong")
    assert world.serving() == "1"
    assert world.versions.digests[2] in world.work().ledger.read().rejected
    with pytest.raises(NothingToDo):
        choose(world.work(), None)


@pytest.mark.parametrize("point", ["after intent", "during roll out", "before outcome"])
def test_during_a_first_adoption_there_is_nothing_to_go_back_to(world: World, point: str) -> None:
    """It has changed nothing of what serves; what a hand put in stays, and recovery ends it."""
    file = model_file()
    found = Release("by-hand", "by-hand.onnx", sha256_hex(file))
    world.work().store.models.create(found.blob, file)
    world.target.put(found)
    with pytest.raises(Crash):
        reconcile_to_serving(world.work(crash_at=point), "")
    head = world.work().ledger.read().head
    with pytest.raises(NothingToDo, match="iris recover ends it"):
        go_back(world)
    with pytest.raises(NothingToDo):
        rollback(world.work(), None, "chosen while a promotion was open")
    assert world.work().ledger.read().head == head
    assert world.target.state.release == found
