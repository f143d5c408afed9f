"""Promotion: all of it, or nothing changed."""

from pathlib import Path

import pytest

from artifacts.digests import sha256_hex
from artifacts.errors import StoreUnavailable
from registry.errors import (
    GatesFailed,
    GatesInconclusive,
    LedgerDamaged,
    LedgerForeign,
    LedgerMoved,
    NotCompensated,
    OperationOpen,
    RegistryUnavailable,
    RolloutFailed,
    TakenOverByHand,
    VersionUnfit,
)
from registry.promotion import Request, promote
from registry.records import Effect, Result
from registry.rollback import choose
from registry.rollout import TargetState
from tests.unit.registry.fakes import Crash, FakeTarget, World


def test_a_good_version_serves_and_is_the_champion(world: World) -> None:
    """The release, the alias and the ledger all name it, and the evidence is kept."""
    world.register()

    promotion = promote(world.work(), Request(1, reason="the first"))

    assert world.serving() == "1"
    world.consistent()
    (operation,) = world.work().ledger.read().operations
    assert operation.number == promotion.operation
    assert operation.intent.reason == "the first"
    assert "1 instance serves it, by its own word" in world.told.words
    assert operation.effects == (Effect.PUBLISH, Effect.ROLL_OUT, Effect.MOVE_ALIAS)
    report = world.work().store.records.read(f"gates/{operation.intent.evidence}.json")
    assert sha256_hex(report) == operation.intent.evidence


def test_the_file_is_published_before_it_is_rolled_out(world: World) -> None:
    """Instances find the file when they are told of it."""
    world.register()
    promote(world.work(), Request(1))
    release = world.target.state.release
    assert release is not None
    assert sha256_hex(world.work().store.models.read(release.blob)) == release.sha256


def test_what_serves_already_is_done_and_nothing_is_written(world: World) -> None:
    """Promoting twice is promoting once."""
    world.register()
    promote(world.work(), Request(1))
    before = world.work().ledger.read().head

    assert promote(world.work(), Request(1)).operation is None

    assert world.work().ledger.read().head == before


def everything(world: World) -> list[str]:
    """Return the names of all that is stored, and MLflow's tags and files."""
    store = world.work().store
    parts = (store.models, store.ledger, store.records, store.replay)
    stored = [part.address(name) for part in parts for name in part.list()]
    versions = world.versions
    return [*stored, f"{versions.tags}", f"{versions.version_tags}", f"{versions.attached}"]


def test_a_dry_run_writes_nothing(world: World) -> None:
    """It says what would be done, and leaves no trace: neither a report nor that it was judged."""
    promote(world.work(), Request(world.register()))
    number, before = world.register(tilt=0.01), everything(world)
    planned = promote(world.work(), Request(number, dry_run=True))
    assert planned.plan
    assert everything(world) == before


def test_a_version_that_does_not_exist_is_refused(world: World) -> None:
    """Nothing begins."""
    with pytest.raises(VersionUnfit):
        promote(world.work(), Request(7))
    assert world.work().ledger.read().records == ()


def test_a_file_that_changed_after_registration_is_refused(world: World) -> None:
    """The digest of the tag decides, and the gates say so."""
    world.register()
    world.versions.files[1] += b"x"
    with pytest.raises(GatesFailed, match="SHA-256"):
        promote(world.work(), Request(1))
    assert world.serving() is None


def test_a_worse_version_is_refused(world: World) -> None:
    """What is wrong more often than the champion by more than the margin does not serve."""
    world.register()
    promote(world.work(), Request(1))
    world.register(tilt=50.0)

    with pytest.raises(GatesFailed, match="quality"):
        promote(world.work(), Request(2))

    assert world.serving() == "1"
    world.consistent()


def test_training_rows_that_are_not_known_are_inconclusive(world: World) -> None:
    """Rows that it may have been trained on prove nothing; a person may accept that."""
    world.register()
    promote(world.work(), Request(1))
    world.register(tilt=0.01, data_sha256=None, split_salt=None)
    with pytest.raises(GatesInconclusive) as caught:
        promote(world.work(), Request(2, reason="it is better"))
    assert caught.value.hint == (
        "to go on all the same: iris promote 2 --reason 'it is better' --accept-inconclusive \"…\""
    )

    promote(world.work(), Request(2, accept_inconclusive="it is Ann's"))

    assert world.work().ledger.read().operations[-1].intent.accepted == "it is Ann's"
    world.consistent()


def test_another_contract_is_refused(world: World) -> None:
    """Clients' requests would mean something else."""
    world.register()
    promote(world.work(), Request(1))
    world.register(labels=["versicolor", "setosa", "virginica"])
    with pytest.raises(GatesFailed, match="clients would break"):
        promote(world.work(), Request(2))


def test_a_release_that_cannot_serve_leaves_everything_as_it_was(world: World) -> None:
    """What served before serves again, the alias has not moved, and the ledger says why."""
    world.register()
    promote(world.work(), Request(1))
    world.register(tilt=0.01)
    world.target.broken = {"2"}

    with pytest.raises(RolloutFailed, match="it does not start; version 1"):
        promote(world.work(), Request(2))

    assert world.serving() == "1"
    world.consistent()
    outcome = world.work().ledger.read().operations[-1].outcome
    assert outcome is not None
    assert outcome.result is Result.COMPENSATED
    assert "it does not start" in outcome.explanation


def test_the_first_release_that_cannot_serve_leaves_nothing_served(world: World) -> None:
    """There is nothing to go back to but nothing."""
    world.register()
    world.target.broken = {"1"}
    with pytest.raises(RolloutFailed, match="nothing serves, as before"):
        promote(world.work(), Request(1))
    world.consistent()


def test_a_failed_promotion_that_cannot_be_undone_stays_open(world: World) -> None:
    """Nobody may build on what is not known to serve."""
    world.register()
    promote(world.work(), Request(1))
    world.register(tilt=0.01)
    world.target.broken = {"1", "2"}
    with pytest.raises(NotCompensated):
        promote(world.work(), Request(2))
    with pytest.raises(OperationOpen, match="under way"):
        promote(world.work(), Request(1))


def test_a_second_promoter_is_refused_and_told_who_is_at_work(world: World) -> None:
    """The intent is the lock."""
    world.register()
    with pytest.raises(Crash):
        promote(world.work(crash_at="after intent"), Request(1))
    with pytest.raises(OperationOpen, match="process"):
        promote(world.work(), Request(1))


def test_of_two_promoters_that_saw_the_same_ledger_one_wins(world: World) -> None:
    """The report is void where the number it was made for is taken."""
    world.register()
    world.register(tilt=0.01)

    def judged(_: object) -> None:
        promote(world.work(), Request(2))

    with pytest.raises(LedgerMoved):
        promote(world.work(), Request(1), judged)
    assert world.serving() == "2"
    world.consistent()


def test_a_hand_made_change_meanwhile_is_left_alone(world: World) -> None:
    """What was put in by hand during the rollout is not overwritten."""
    world.register()
    world.register(tilt=0.01)
    promote(world.work(), Request(1))
    world.target.before_write = world.by_hand

    with pytest.raises(TakenOverByHand):
        promote(world.work(), Request(2))

    assert world.serving() == "by-hand"
    outcome = world.work().ledger.read().operations[-1].outcome
    assert outcome is not None
    assert outcome.result is Result.TAKEN_OVER_BY_HAND


def test_a_hand_made_change_before_is_left_alone(world: World) -> None:
    """What the ledger does not know is not overwritten unasked."""
    world.register()
    world.register(tilt=0.01)
    promote(world.work(), Request(1))
    world.by_hand()
    with pytest.raises(TakenOverByHand):
        promote(world.work(), Request(2))


def test_an_unrelated_write_meanwhile_is_no_obstacle(world: World) -> None:
    """A revision that only moved is read again."""
    world.register()
    world.target.before_write = lambda: world.target.put(world.target.state.release)
    promote(world.work(), Request(1))
    world.consistent()


def test_a_promoter_that_was_taken_over_does_nothing_more(world: World) -> None:
    """Its next write fails, because the ledger has moved on."""
    world.register()
    world.register(tilt=0.01)
    promote(world.work(), Request(1))

    def take_over() -> None:
        from registry.rollback import rollback

        release = world.work().ledger.read().releases()[0]
        rollback(world.work(), release, "enough")

    world.target.before_write = take_over
    with pytest.raises(LedgerMoved):
        promote(world.work(), Request(2))
    assert world.serving() == "1"
    world.consistent()


def test_the_bytes_that_the_gates_saw_are_the_bytes_that_are_published(world: World) -> None:
    """Another file in MLflow after the gates changes nothing: the intent names the digest."""
    world.register()

    def swap(_: object) -> None:
        world.versions.files[1] = b"another"

    promote(world.work(), Request(1), swap)
    release = world.target.state.release
    assert release is not None
    assert sha256_hex(world.work().store.models.read(release.blob)) == world.versions.digests[1]


def test_a_blob_of_other_content_under_the_name_is_never_overwritten(world: World) -> None:
    """What is written once stays; the promotion is abandoned before anything changed."""
    from artifacts.errors import BlobConflict

    world.register()

    def publish_another(_: object) -> None:
        world.work().store.models.create("iris-classifier/v1/model.onnx", b"other")

    with pytest.raises(BlobConflict, match="move it away and promote again"):
        promote(world.work(), Request(1), publish_another)
    assert world.serving() is None
    world.consistent()


def test_with_mlflow_down_at_the_alias_the_operation_stays_open(world: World) -> None:
    """The alias moves last; what is left to do is named."""
    world.register()

    work = world.work()
    point = work.crash_point

    def down(here: str) -> None:
        point(here)
        world.versions.down |= here == "before move alias"

    work.crash_point = down
    with pytest.raises(RegistryUnavailable, match="serves, but the alias was not moved"):
        promote(work, Request(1))
    assert world.work().ledger.read().open is not None


def test_a_version_that_was_rolled_back_from_needs_a_reason(world: World) -> None:
    """Nobody promotes it again by mistake."""
    from registry.rollback import rollback

    for tilt in (0.0, 0.01):
        number = world.register(tilt=tilt)
        promote(world.work(), Request(number))
    rollback(world.work(), world.work().ledger.read().releases()[1], "wrong")

    with pytest.raises(VersionUnfit, match="rolled back from"):
        promote(world.work(), Request(2))
    promote(world.work(), Request(2, reason="it was the data"))
    world.consistent()


def test_another_targets_ledger_is_refused(world: World) -> None:
    """Ids tell targets apart, not addresses."""
    world.register()
    promote(world.work(), Request(1))
    release = world.target.state.release
    world.target = FakeTarget("machine-2")
    world.target.put(release)
    world.register(tilt=0.01)
    with pytest.raises(LedgerForeign):
        promote(world.work(), Request(2))


def test_another_registrys_ledger_is_refused(world: World) -> None:
    """Version 2 of another MLflow is another model."""
    world.register()
    world.register(tilt=0.01)
    promote(world.work(), Request(1))
    world.versions.tags.clear()
    with pytest.raises(LedgerForeign):
        promote(world.work(), Request(2))


def test_a_death_right_after_record_0_is_no_obstacle(world: World) -> None:
    """A ledger that has begun, and no more, is taken up by whoever comes next."""
    world.register()
    with pytest.raises(Crash):
        promote(world.work(crash_at="after genesis"), Request(1))
    promote(world.work(), Request(1))
    world.consistent()


def test_a_stamp_that_mlflow_missed_is_no_obstacle(world: World) -> None:
    """The ledger's id is there before the first operation; nothing waits for the head's stamp."""
    world.register()
    world.register(tilt=0.01)
    work = world.work()

    def begins(name: str, words: str) -> None:
        world.versions.down |= words == "recorded: done"

    work.step = begins
    promote(work, Request(1))
    world.versions.down = False
    promote(world.work(), Request(2))
    world.consistent()


def test_an_mlflow_of_another_ledger_is_left_alone(world: World, tmp_path: Path) -> None:
    """Two stores on one MLflow: the second takes neither the alias nor the tag."""
    promote(world.work(), Request(world.register()))
    other = World(tmp_path / "other")
    other.versions = world.versions
    before = dict(world.versions.tags), dict(world.versions.aliases)
    with pytest.raises(LedgerForeign, match="MLflow names"):
        promote(other.work(), Request(1))
    assert (world.versions.tags, world.versions.aliases) == before
    assert other.work().ledger.read().records == ()


def test_two_environments_share_a_store_and_mlflow(world: World) -> None:
    """Each has its own ledger, alias and target; the release is the same blob."""
    promote(world.work(), Request(world.register()))
    home, world.target = world.target, FakeTarget("machine-2")
    promote(world.work(iris_env="dev"), Request(1))
    promote(world.work(iris_env="dev"), Request(world.register(tilt=0.01)))
    assert world.versions.aliases == {"champion": 1, "champion-dev": 2}
    world.target = home
    world.consistent()


def test_one_target_obeys_one_environment(world: World) -> None:
    """Another environment's command on the same home is refused."""
    promote(world.work(), Request(world.register()))
    with pytest.raises(LedgerForeign):
        promote(world.work(iris_env="dev"), Request(1))
    world.consistent()


def test_an_alias_that_was_moved_by_hand_is_moved_back_when_asked(world: World) -> None:
    """Promoting what serves makes ledger, alias and instances agree again."""
    for tilt in (0.0, 0.01):
        promote(world.work(), Request(world.register(tilt=tilt)))
    world.versions.aliases["champion"] = 1
    promote(world.work(), Request(2))
    world.consistent()
    assert choose(world.work(), None) == world.work().ledger.read().releases()[1]


def test_what_does_not_serve_any_more_is_not_called_serving(world: World) -> None:
    """That it was promoted once is no proof that it serves now."""
    promote(world.work(), Request(world.register()))
    world.target.broken = {"1"}
    world.target.put(world.target.state.release)
    with pytest.raises(RolloutFailed):
        promote(world.work(), Request(1))


def test_a_promoter_that_was_slower_is_not_told_of_damage(world: World) -> None:
    """A stamp of a record that was written after the ledger was read is no rewritten ledger."""
    promote(world.work(), Request(world.register()))
    for tilt in (0.01, 0.02):
        world.register(tilt=tilt)
    slow = world.work()
    target = slow.target

    def read() -> TargetState:
        del target.read  # the class's own again
        promote(world.work(), Request(2))
        return target.read()

    target.read = read  # type: ignore[method-assign]
    with pytest.raises((LedgerMoved, TakenOverByHand)):
        promote(slow, Request(3))
    world.consistent()


def test_a_stamp_that_somebody_edited_is_told(world: World) -> None:
    """No traceback for what anybody can type into MLflow."""
    promote(world.work(), Request(world.register()))
    world.versions.tags["iris.ledger.local.head"] = "hello"
    with pytest.raises(LedgerDamaged, match="hello"):
        promote(world.work(), Request(world.register(tilt=0.01)))


def test_data_that_was_changed_proves_nothing(world: World) -> None:
    """The rows are looked up by digest, and are only taken where they have it."""
    world.register()
    records = world.work().store.records
    records.replace(f"data/{world.data}.csv", b"not,a\ntable")
    with pytest.raises(GatesInconclusive, match="no data"):
        promote(world.work(), Request(1))


def test_a_version_that_is_deleted_before_the_alias_is_undone(world: World) -> None:
    """The alias can never name it, so what served before serves again."""
    promote(world.work(), Request(world.register()))
    world.register(tilt=0.01)
    work = world.work()

    def begins(name: str, words: str) -> None:
        if words.startswith("moving the alias"):
            world.versions.files.pop(2, None)

    work.step = begins
    with pytest.raises(VersionUnfit, match="deleted; version 1"):
        promote(work, Request(2))
    assert world.serving() == "1"
    world.consistent()


def test_a_store_that_takes_no_more_writes_says_how_to_go_on(world: World) -> None:
    """A full disk in the middle: what was begun stays open, and the next command is named."""
    world.register()
    work = world.work()

    def full(name: str, data: bytes) -> bool:
        raise StoreUnavailable(f"cannot write {name}: No space left on device", hint="make room")

    def begins(name: str, words: str) -> None:
        if words.startswith("moving the alias"):
            work.store.ledger.create = full  # type: ignore[method-assign]

    work.step = begins
    with pytest.raises(StoreUnavailable, match="iris recover"):
        promote(work, Request(1))
    assert world.work().ledger.read().open is not None
