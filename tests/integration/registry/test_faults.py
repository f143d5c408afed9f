"""Bad input and faults of the store, on files and on Azurite: told in words, and nothing is lost.

What serves and MLflow are in memory here; the store is real.
"""

import datetime as dt
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from azure.storage.blob import ContainerClient

from artifacts import azure_store
from artifacts.digests import sha256_hex
from artifacts.errors import BlobConflict, IrisError, StoreError
from artifacts.store import open_store
from registry import recovery
from registry.continuation import continue_ledger, fail_over
from registry.errors import LedgerDamaged, LedgerForeign, LedgerMoved, RegistryUnavailable
from registry.promotion import Request, promote
from registry.reconcile import reconcile_to_serving
from registry.records import decode, encode
from registry.recovery import recover
from registry.restore import restore_file
from registry.rollback import choose, rollback
from registry.workspace import Workspace
from tests.support.azurite import Account, Azurite
from tests.support.faulty_proxy import FaultyProxy
from tests.unit.registry.fakes import FakeTarget, World


class StoredWorld(World):
    """An environment whose store is the one at an address."""

    def __init__(self, folder: Path, store: str, forget: Callable[[str], object]) -> None:
        self.uri = store
        self.forget = forget
        """Deletes a record of the ledger."""
        super().__init__(folder)

    def work(self, crash_at: str = "", **settings: Any) -> Workspace:
        return super().work(crash_at, **{"iris_store": self.uri, **settings})

    def promoted(self, count: int) -> None:
        """Promote so many versions, and register one more."""
        for number in range(count):
            promote(self.work(), Request(self.register(tilt=number / 100)))
        self.register(tilt=count / 100)


@pytest.fixture(autouse=True)
def dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has begun something is dead, and Azure's library tries once."""
    monkeypatch.setattr(recovery, "is_dead", lambda _: True)
    monkeypatch.setitem(azure_store._OPTIONS, "retry_total", 0)


def on_files(folder: Path) -> StoredWorld:
    """Return an environment on files."""
    ledger = folder / "store" / "ledger"
    return StoredWorld(folder, str(folder / "store"), lambda name: (ledger / name).unlink())


def on_azurite(folder: Path, account: Account) -> StoredWorld:
    """Return an environment on Azurite."""
    open_store(account.uri).prepare()
    ledger = ContainerClient.from_connection_string(account.connection_string, "ledger")
    return StoredWorld(folder, account.uri, ledger.delete_blob)


@pytest.fixture(params=["files", "azurite"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> StoredWorld:
    """An environment on each store."""
    if request.param == "files":
        return on_files(tmp_path)
    return on_azurite(tmp_path, request.getfixturevalue("account"))


@pytest.fixture
def proxy(account: Account, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    """A proxy before the account, and the environment set to it."""
    open_store(account.uri).prepare()
    with FaultyProxy(account.port) as proxy:
        through = account.through(proxy.port).connection_string
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", through)
        yield proxy


@contextmanager
def full_disk() -> Iterator[None]:
    """No file takes a byte any more, which the system tells like a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


Fault = Callable[[], AbstractContextManager[None]]


def breaks_down(world: StoredWorld, fault: Fault, step: str) -> None:
    """Promote version 2 with a fault from a step on, mend it, recover, and promote again."""
    broken: list[AbstractContextManager[None]] = []
    work = world.work()

    def begins(name: str, words: str) -> None:
        if words.startswith(step) and not broken:
            broken.append(fault())
            broken[0].__enter__()

    work.step = begins
    try:
        with pytest.raises(StoreError):
            promote(work, Request(2))
    finally:
        broken[0].__exit__(None, None, None)
    recover(world.work())
    world.consistent()
    promote(world.work(), Request(2))
    assert world.serving() == "2"
    world.consistent()


STEPS = ["publishing", "rolling out", "moving the alias"]


@pytest.mark.parametrize("step", STEPS)
def test_a_disk_that_is_full(tmp_path: Path, step: str) -> None:
    """From whichever step on: it is told, and `iris recover` ends it when there is room again."""
    world = on_files(tmp_path)
    world.promoted(1)
    breaks_down(world, full_disk, step)


@pytest.mark.parametrize("step", STEPS)
def test_a_store_that_breaks_off_every_write(
    tmp_path: Path, account: Account, proxy: FaultyProxy, step: str
) -> None:
    """The same where the account is reached no more."""
    world = on_azurite(tmp_path, account)
    world.promoted(1)

    @contextmanager
    def cut() -> Iterator[None]:
        proxy.cut_after = 0
        yield
        proxy.cut_after = None

    breaks_down(world, cut, step)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (500, "InternalError"),
        (503, "ServerBusy"),
        (409, "ContainerBeingDeleted"),
        (412, "ConditionNotMet"),
    ],
)
def test_a_store_that_refuses_every_write(
    tmp_path: Path, account: Account, proxy: FaultyProxy, status: int, code: str
) -> None:
    """Whatever it answers: no refusal is taken for somebody else's record."""
    world = on_azurite(tmp_path, account)
    world.promoted(1)

    @contextmanager
    def refuse() -> Iterator[None]:
        proxy.answer_puts = (status, code)
        yield
        proxy.answer_puts = None

    breaks_down(world, refuse, "rolling out")


def test_a_store_that_is_slow(tmp_path: Path, account: Account, proxy: FaultyProxy) -> None:
    """It takes longer, and that is all."""
    world = on_azurite(tmp_path, account)
    world.promoted(1)
    proxy.delay_s = 0.05
    promote(world.work(), Request(2))
    proxy.delay_s = 0.0
    world.consistent()
    assert world.serving() == "2"


def test_every_answer_to_a_write_is_lost(
    tmp_path: Path, account: Account, proxy: FaultyProxy
) -> None:
    """Each write is found to be done when it is read back."""
    world = on_azurite(tmp_path, account)
    world.promoted(1)
    proxy.answers_to_lose = 1000
    promote(world.work(), Request(2))
    assert proxy.answers_to_lose < 1000
    proxy.answers_to_lose = 0
    world.consistent()
    assert world.serving() == "2"


def test_a_hole_in_the_ledger(world: StoredWorld) -> None:
    """It stops everything, is named, and is never filled."""
    world.promoted(1)
    world.forget("local/00000003.json")
    for command in commands(world):
        with pytest.raises(LedgerDamaged, match=r"record 3 is missing|tail was cut off"):
            command()
    assert "local/00000003.json" not in world.work().store.ledger.list()


def test_a_tail_that_was_lost_is_gone_on_from(world: StoredWorld) -> None:
    """As after an emulator that forgot what it wrote last: found by stamps, ended by a person."""
    world.promoted(2)
    names = world.work().store.ledger.list()
    for name in names[-3:]:
        world.forget(name)
    for copy in world.folder.glob("verified/*"):
        copy.unlink()
    with pytest.raises(LedgerDamaged, match="tail was cut off"):
        recover(world.work())
    last = len(names) - 4
    continue_ledger(world.work(), last, "an emulator forgot it")
    recover(world.work())
    reconcile_to_serving(world.work(), "it serves well")
    world.consistent()
    promote(world.work(), Request(3))
    world.consistent()
    assert world.serving() == "3"


def test_a_file_that_was_lost_or_overwritten_comes_back(world: StoredWorld) -> None:
    """From MLflow, by the digest in the ledger."""
    world.promoted(1)
    models, release = world.work().store.models, world.target.state.release
    assert release is not None
    models.replace(release.blob, b"another")
    assert restore_file(world.work(), "1", None).replaced == sha256_hex(b"another")
    models.delete(release.blob)
    assert restore_file(world.work(), "1", None).done
    assert sha256_hex(models.read(release.blob)) == release.sha256


def test_a_failover_to_the_copy_of_an_account(
    tmp_path: Path, azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy has a hole; the first account's promoter is refused when it comes back."""
    accounts = [azurite.new_account(), azurite.new_account()]

    def reach(account: Account) -> None:
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", account.connection_string)

    reach(accounts[0])
    first = on_azurite(tmp_path, accounts[0])
    first.promoted(2)
    store = first.work().store
    parts = {"ledger": store.ledger, "models": store.models, "records": store.records}
    blobs = {part: {n: blobs.read(n) for n in blobs.list()} for part, blobs in parts.items()}
    hole = sorted(blobs["ledger"])[-3]
    del blobs["ledger"][hole]

    reach(accounts[1])
    second = on_azurite(tmp_path / "second", accounts[1])
    for part, named in blobs.items():
        for name, data in named.items():
            getattr(second.work().store, part).create(name, data)
    second.target, second.versions = first.target, first.versions
    assert fail_over(second.work(), "the first is gone").after == int(Path(hole).stem) - 1
    recover(second.work())
    reconcile_to_serving(second.work(), "it serves well")
    second.consistent()
    promote(second.work(), Request(3))
    second.consistent()

    reach(accounts[0])
    with pytest.raises(LedgerDamaged, match="what serves carries the stamp of record 100"):
        promote(first.work(), Request(2, reason="again"))
    assert second.serving() == "3"


def test_two_ledgers_that_were_mixed(world: StoredWorld, tmp_path: Path) -> None:
    """A record of another ledger under a number of this one is found."""
    world.promoted(1)
    other = on_files(tmp_path / "other")
    other.promoted(1)
    name = world.work().store.ledger.list()[-1]
    world.work().store.ledger.replace(name, other.work().store.ledger.read(name))
    for command in commands(world):
        with pytest.raises(LedgerDamaged):
            command()


def test_a_ledger_of_another_target(world: StoredWorld) -> None:
    """Nothing is written to either."""
    world.promoted(1)
    release, head = world.target.state.release, world.work().ledger.read().head
    world.target = FakeTarget("machine-2")
    world.target.put(release)
    with pytest.raises(LedgerForeign):
        promote(world.work(), Request(2))
    assert world.work().ledger.read().head == head


def test_a_blob_that_is_swapped_after_its_gates(world: StoredWorld) -> None:
    """The digest in the intent decides: nothing else is served, and nothing is overwritten."""
    world.promoted(1)
    blob = "iris-classifier/v2/model.onnx"

    def swap(_: object) -> None:
        world.work().store.models.create(blob, b"other")

    with pytest.raises(BlobConflict):
        promote(world.work(), Request(2), swap)
    assert world.work().store.models.read(blob) == b"other"
    assert world.serving() == "1"
    world.consistent()


def test_a_champion_that_changes_after_the_gates(world: StoredWorld) -> None:
    """The report is void."""
    world.promoted(1)
    world.register(tilt=0.05)

    def overtake(_: object) -> None:
        promote(world.work(), Request(3))

    with pytest.raises(LedgerMoved, match="was first"):
        promote(world.work(), Request(2), overtake)
    assert world.serving() == "3"
    world.consistent()


def test_a_clock_that_jumped_backwards(world: StoredWorld) -> None:
    """A record of tomorrow is no obstacle: the numbers tell the order, never the clock."""
    world.promoted(1)
    ledger, chain = world.work().store.ledger, world.work().ledger.read()
    last = chain.records[-1]
    tomorrow = msgspec.structs.replace(last, at=last.at + dt.timedelta(days=1))
    ledger.replace(f"local/{last.number:08d}.json", encode(tomorrow))
    for copy in world.folder.glob("verified/*"):
        copy.unlink()
    world.versions.tags.pop("iris.ledger.local.head")
    promote(world.work(), Request(2))
    assert decode(ledger.read(f"local/{last.number + 1:08d}.json")).at < tomorrow.at
    world.consistent()


@pytest.mark.parametrize("number", [0, -1, 9])
def test_a_version_that_there_is_not(world: StoredWorld, number: int) -> None:
    """Refused before anything is written."""
    world.promoted(1)
    head = world.work().ledger.read().head
    with pytest.raises(IrisError, match=f"no version {number}"):
        promote(world.work(), Request(number))
    assert world.work().ledger.read().head == head


def test_mlflow_that_is_down_before(world: StoredWorld) -> None:
    """Refused before anything is written."""
    world.promoted(1)
    head = world.work().ledger.read().head
    world.versions.down = True
    with pytest.raises(RegistryUnavailable):
        promote(world.work(), Request(2))
    assert world.work().ledger.read().head == head


@pytest.mark.parametrize("step", STEPS)
def test_mlflow_that_goes_down_meanwhile(world: StoredWorld, step: str) -> None:
    """The release serves, and the alias is moved by `iris recover` when MLflow answers again."""
    world.promoted(1)
    work = world.work()

    def begins(name: str, words: str) -> None:
        world.versions.down |= words.startswith(step)

    work.step = begins
    with pytest.raises(RegistryUnavailable, match="serves, but the alias was not moved"):
        promote(work, Request(2))
    world.versions.down = False
    recover(world.work())
    assert world.serving() == "2"
    world.consistent()


def commands(world: StoredWorld) -> list[Callable[[], object]]:
    """Return each command that changes something."""
    return [
        lambda: promote(world.work(), Request(2)),
        lambda: recover(world.work()),
        lambda: rollback(world.work(), choose(world.work(), None), "wrong"),
    ]
