"""A ledger that can't be mended goes on in a new epoch, and nobody of the older one does harm."""

import contextlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifacts.errors import IrisError, UsageError
from artifacts.file_store import FileBlobStore
from registry import recovery
from registry.continuation import Continued, continue_ledger, fail_over
from registry.crash import CRASH_POINTS
from registry.errors import LedgerDamaged, LedgerMoved, NothingToDo
from registry.identity import this_writer
from registry.ledger import Ledger, Verified
from registry.promotion import Request, promote
from registry.reconcile import reconcile_to_ledger, reconcile_to_serving
from registry.records import EPOCH, Cause, Continuation, Takeover
from registry.recovery import recover
from registry.rollback import choose, rollback
from registry.screens import continued_screen, history_table
from registry.status import VERIFY, Registered, find_troubles
from tests.unit.registry.fakes import Crash, World
from tests.unit.registry.test_ledger import GENESIS

WHY = "no copy was kept"


@pytest.fixture(autouse=True)
def dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has begun something is dead."""
    monkeypatch.setattr(recovery, "is_dead", lambda _: True)


@pytest.fixture
def promoted(world: World) -> World:
    """Return an environment in which version 2 serves, after version 1; version 3 is registered."""
    for tilt in (0.0, 0.01):
        promote(world.work(), Request(world.register(tilt=tilt)))
    world.register(tilt=0.02)
    return world


def records(world: World) -> list[Path]:
    """Return the files of the ledger, in order."""
    return sorted((world.folder / "store" / "ledger" / "local").iterdir())


def cut(world: World, count: int) -> int:
    """Lose the last records, also to this machine, and return the number of the last one left."""
    for path in records(world)[len(records(world)) - count :]:
        path.unlink()
    elsewhere(world)
    return int(records(world)[-1].stem)


def elsewhere(world: World) -> None:
    """Go to a machine that has verified nothing yet."""
    shutil.rmtree(world.folder / "verified", ignore_errors=True)


def continued(world: World, after: int) -> Continued:
    """Continue the ledger after a record."""
    return continue_ledger(world.work(), after, WHY)


def test_a_tail_that_was_cut_off(promoted: World) -> None:
    """Status tells it, every command refuses, and the one that is named goes on."""
    last = cut(promoted, 3)
    chain, tags = promoted.work().ledger.read(), promoted.versions.tags
    registered = Registered([3, 2, 1], 2, tags["iris.ledger.local"], {}, None)
    (trouble,) = find_troubles(chain, promoted.target.state, registered)
    assert "the tail was cut off" in trouble.what
    assert trouble.action == VERIFY
    with pytest.raises(LedgerDamaged):
        recover(promoted.work())

    told = continued(promoted, last)
    assert (told.epoch, told.after, told.void, told.not_stamped) == (2, last, 0, [])
    recover(promoted.work())
    settle(promoted)
    promoted.consistent()
    promote(promoted.work(), Request(3))
    promoted.consistent()
    assert promoted.serving() == "3"
    assert [int(path.stem) for path in records(promoted)][last + 1 :][:2] == [EPOCH, EPOCH + 1]


def test_stamps_in_mlflow_alone_tell_it_too(promoted: World) -> None:
    """What serves may not answer."""
    cut(promoted, 2)
    tags = promoted.versions.tags
    head = tags["iris.ledger.local.head"]
    registered = Registered([3, 2, 1], 2, tags["iris.ledger.local"], {}, head)
    (trouble,) = find_troubles(promoted.work().ledger.read(), None, registered)
    assert "MLflow carries the stamp" in trouble.what


def _remove(path: Path) -> None:
    path.unlink()


def _alter(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"schema"', b'"x": 1, "schema"'))


def _cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:40])


@pytest.mark.parametrize("damage", [_remove, _alter, _cut_short])
def test_damage_in_the_middle(promoted: World, damage: Callable[[Path], None]) -> None:
    """The last good record is found; what lies after it stays where it is, and is void."""
    before = records(promoted)
    damage(before[5])
    elsewhere(promoted)
    last = 5 if damage is _alter else 4  # what an alteration breaks is the link to the next one
    told = continued(promoted, last)
    assert told.void == len(before) - 1 - last - (damage is _remove)
    assert "1 instance" not in continued_screen(told)
    chain = promoted.work().ledger.read()
    assert [r.number for r in chain.records] == [*range(last + 1), EPOCH]
    assert promoted.work().ledger.verify() == chain
    assert f"epoch 2 goes on from record {last}" in history_table(chain)
    recover(promoted.work())
    settle(promoted)
    promoted.consistent()


def test_a_machine_that_knows_more_than_is_left(promoted: World) -> None:
    """It lets go of what was left behind, and of nothing else."""
    reader, knows = promoted.work().ledger, promoted.folder / "verified"
    reader.read()
    shutil.copytree(knows, promoted.folder / "kept")
    last = cut(promoted, 2)
    continued(promoted, last)
    shutil.rmtree(knows)
    shutil.copytree(promoted.folder / "kept", knows)
    chain = promoted.work().ledger.read()
    assert [r.number for r in chain.records] == [*range(last + 1), EPOCH]
    assert reader.read() == chain
    (promoted.folder / "store" / "ledger" / "local" / f"{EPOCH:08d}.json").unlink()
    with pytest.raises(LedgerDamaged, match="tail was cut off"):
        promoted.work().ledger.read()


def test_a_ledger_that_is_whole_is_not_continued(promoted: World) -> None:
    """Nobody loses records by a command that was typed too soon."""
    head = promoted.work().ledger.read().head
    assert head is not None
    with pytest.raises(NothingToDo):
        continued(promoted, head.number)
    assert promoted.work().ledger.read().head == head


@pytest.mark.parametrize("step", [-1, 1])
def test_another_record_than_the_last_good_one_is_refused(promoted: World, step: int) -> None:
    """It is named, with the command."""
    last = cut(promoted, 2)
    with pytest.raises(UsageError, match=f"record {last} is the last good one") as told:
        continued(promoted, last + step)
    assert f"iris continue-ledger --after {last}" in told.value.hint


def test_without_record_0_there_is_nothing_to_go_on_from(promoted: World) -> None:
    """Whose ledger it was is not known."""
    records(promoted)[0].unlink()
    elsewhere(promoted)
    with pytest.raises(LedgerDamaged, match="record 0 is missing"):
        continued(promoted, 1)
    with pytest.raises(LedgerDamaged, match="record 0 is missing"):
        fail_over(promoted.work(), WHY)


def test_one_that_dies_before_it_has_stamped(promoted: World) -> None:
    """Called again it stamps, and begins no other epoch."""
    last, revision = cut(promoted, 2), promoted.target.state.revision
    with pytest.raises(Crash):
        continue_ledger(promoted.work(crash_at="after continuation"), last, WHY)
    assert promoted.target.state.revision == revision
    assert continued(promoted, last).epoch == 2
    fence = promoted.target.state.fence
    assert fence is not None
    assert fence.number == EPOCH
    assert promoted.versions.tags["iris.ledger.local.head"].startswith(f"{EPOCH}@")


def test_of_two_that_continue_one_wins(promoted: World) -> None:
    """Creating the epoch's first record is the lock."""
    last = cut(promoted, 2)
    late = promoted.work().ledger
    chain, create = late.examine()[0], late._blobs.create

    def overtaken(name: str, data: bytes) -> bool:
        continued(promoted, last)
        return create(name, data)

    late._blobs.create = overtaken  # type: ignore[method-assign]
    with pytest.raises(LedgerMoved):
        late.append(chain, Continuation(after=last, cause=Cause.DAMAGE, reason="late"))
    assert len(promoted.work().ledger.read().continuations) == 1


def test_a_release_that_serves_though_the_record_of_its_rollout_is_lost(promoted: World) -> None:
    """It counts as put in by hand, since nobody vouches for it; and that is said."""
    with pytest.raises(Crash):
        promote(promoted.work(crash_at="during roll out"), Request(3, watch_s=0.1))
    continued(promoted, cut(promoted, 1))
    ended, serves = recover(promoted.work())
    assert "the record of its rollout is lost" in ended
    assert serves.startswith("version 3 (")
    settle(promoted)
    assert promoted.serving() == "3"
    promoted.consistent()


def test_mlflow_that_is_down_is_told_and_stamped_by_the_next_operation(promoted: World) -> None:
    """A stamp that is void keeps nobody from promoting."""
    last = cut(promoted, 3)
    promoted.versions.down = True
    told = continued(promoted, last)
    assert told.not_stamped == ["MLflow is down"]
    promoted.versions.down = False
    recover(promoted.work())
    settle(promoted)
    promote(promoted.work(), Request(3))
    promoted.consistent()
    assert promoted.versions.tags["iris.ledger.local.head"].startswith("10000")


POINTS = [p for p in CRASH_POINTS if not p.startswith("after con") and p != "after genesis"]


@pytest.mark.parametrize("lost", [0, 1, 2, 4])
@pytest.mark.parametrize("point", POINTS)
def test_a_promoter_that_slept_while_the_ledger_was_continued(
    promoted: World, point: str, lost: int
) -> None:
    """Wherever he stood, he changes neither ledger nor what serves; recovery then mends all."""
    work = promoted.work()
    seen: list[Any] = []

    def crash_point(here: str) -> None:
        if here != point or seen:
            return
        for path in records(promoted)[len(records(promoted)) - lost :] if lost else []:
            path.unlink()
        elsewhere(promoted)
        if lost:
            continued(promoted, int(records(promoted)[-1].stem))
        else:
            fail_over(promoted.work(), WHY)
        seen.append((records(promoted), promoted.target.state))

    work.crash_point = crash_point
    with contextlib.suppress(IrisError):
        promote(work, Request(3, watch_s=1.0))
    if seen:
        assert seen == [(records(promoted), promoted.target.state)]
    recover(promoted.work())
    settle(promoted)
    promoted.consistent()


def settle(world: World) -> None:
    """Say of what serves what a person would say, where its record is lost."""
    chain, release = world.work().ledger.read(), world.target.state.release
    if release != chain.serving:
        reconcile_to_serving(world.work(), "it serves well")
    else:
        reconcile_to_ledger(world.work(), "late")


def test_a_second_store_with_a_hole(promoted: World) -> None:
    """It goes on from before the hole; the promoter of the first region is refused afterwards."""
    first, second = copied(promoted)
    hole = records(second)[7]
    hole.unlink()
    told = fail_over(second.work(), "the first region is gone")
    assert told.after == 6
    assert told.void == len(records(first)) - 8
    with pytest.raises(LedgerDamaged, match="what serves carries the stamp of record 1000000"):
        promote(first.work(), Request(3))
    with pytest.raises(LedgerDamaged):
        rollback(first.work(), choose(first.work(), None), "wrong")
    recover(second.work())
    settle(second)
    second.consistent()
    promote(second.work(), Request(3, reason="again"))
    second.consistent()


def test_records_of_the_first_region_that_arrive_late_are_void(promoted: World) -> None:
    """The replication was not cut, or what was missing is copied by hand."""
    first, second = copied(promoted)
    late = records(second)[7].read_bytes()
    records(second)[7].unlink()
    fail_over(second.work(), "the first region is gone")
    chain = second.work().ledger.read()
    records(second)[6].with_name("00000007.json").write_bytes(late)
    elsewhere(second)
    assert second.work().ledger.read() == chain
    assert first.work().ledger.read().head != chain.head


def test_going_back_to_the_first_region(promoted: World) -> None:
    """Its store is given what the second one has by then, and goes on from that."""
    first, second = copied(promoted)
    records(second)[7].unlink()
    fail_over(second.work(), "the first region is gone")
    recover(second.work())
    settle(second)
    promote(second.work(), Request(3, reason="again"))
    shutil.copytree(second.folder / "store", first.folder / "store", dirs_exist_ok=True)
    assert fail_over(first.work(), "back home").epoch == 3
    first.consistent()
    assert first.serving() == "3"
    promote(first.work(), Request(1, reason="once more"))
    first.consistent()


def test_going_back_before_anything_was_done_in_the_second_region(promoted: World) -> None:
    """Another store is another place: its epoch is a new one, and the second store's is over."""
    first, second = copied(promoted)
    fail_over(second.work(), "the first region is gone")
    shutil.copytree(second.folder / "store", first.folder / "store", dirs_exist_ok=True)
    assert fail_over(first.work(), "back home").epoch == 3
    assert fail_over(first.work(), "once more").epoch == 3


def test_an_epoch_that_was_lost_whole_is_not_begun_again(promoted: World) -> None:
    """Its numbers were given: stamps of it are left, and the next epoch is above them."""
    continued(promoted, cut(promoted, 2))
    last = cut(promoted, 1)
    assert continued(promoted, last).epoch == 3
    recover(promoted.work())
    settle(promoted)
    promoted.consistent()


def test_a_file_that_has_not_come(promoted: World) -> None:
    """What can't be served is not what serves: the ledger goes on from before it was."""
    _, second = copied(promoted)
    (second.folder / "store" / "models" / "iris-classifier" / "v2" / "model.onnx").unlink()
    told = fail_over(second.work(), "the first region is gone")
    assert told.serving is not None
    assert told.serving.version == "1"
    recover(second.work())
    reconcile_to_ledger(second.work(), "its file is lost")
    second.consistent()
    assert second.serving() == "1"


def test_a_file_of_before_that_has_not_come_is_told(promoted: World) -> None:
    """It keeps nothing that serves from serving."""
    _, second = copied(promoted)
    (second.folder / "store" / "models" / "iris-classifier" / "v1" / "model.onnx").unlink()
    told = fail_over(second.work(), "the first region is gone")
    assert [release.version for release in told.missing] == ["1"]
    assert told.serving == second.target.state.release


def copied(world: World) -> tuple[World, World]:
    """Return two environments of the same MLflow and what serves, on a store and its copy."""
    shutil.copytree(world.folder / "store", world.folder / "second" / "store")
    second = World(world.folder / "second")
    second.target, second.versions = world.target, world.versions
    return world, second


@given(
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    cuts=st.lists(st.integers(0, 4), min_size=4, max_size=4),
)
def test_every_reader_sees_the_same_chain(lengths: list[int], cuts: list[int]) -> None:
    """However often it was continued, from wherever, and whatever was verified before."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        blobs = FileBlobStore(folder)

        def ledger(copy: str) -> Ledger:
            return Ledger(blobs, "local", this_writer(), Verified(folder / f"{copy}.json"))

        chain = ledger("writer").append(ledger("writer").read(), GENESIS)
        for length, back in zip(lengths, cuts, strict=False):
            for number in range(length):
                chain = ledger("writer").append(chain, Takeover(intent=0, reason=str(number)))
                if number % 2:
                    ledger("sometimes").read()
            chain = (
                chain.before(chain.records[-back].number)
                if 0 < back < len(chain.records)
                else chain
            )
            assert chain.head is not None
            body = Continuation(after=chain.head.number, cause=Cause.DAMAGE, reason=WHY)
            chain = ledger("writer").append(chain, body)
            assert ledger("sometimes").read() == ledger("never").verify() == chain
