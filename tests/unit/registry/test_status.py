"""What is in the way: each way to disagree has a line that says what to do."""

import contextlib
from collections.abc import Callable

import pytest
from msgspec import structs

from artifacts.release import Release
from registry import status, versions
from registry.chain import Chain
from registry.promotion import Request, promote
from registry.records import Intent
from registry.rollback import choose, rollback
from registry.rollout import Instance
from registry.screens import status_screen
from registry.settings import RegistrySettings
from registry.status import Registered, Status, file_troubles, find_troubles, gather_status
from tests.unit.registry.fakes import Crash, FakeTarget, World


def troubles(world: World) -> list[tuple[str, str]]:
    """Return what `iris status` finds in the way, and what it says to do."""
    alias = world.versions.aliases.get("champion")
    ledger = world.versions.tags.get("iris.ledger.local")
    registered = Registered(sorted(world.versions.files, reverse=True), alias, ledger)
    chain = world.work().ledger.read()
    return [(t.what, t.action) for t in find_troubles(chain, world.target.state, registered)]


def said(world: World, number: int, verdict: str) -> None:
    """Let the gates have said something of a version."""
    world.versions.version_tags[number] = {"iris.gates.local": f"{verdict} {'0' * 64}"}


def go_back(world: World) -> None:
    """Roll back from what serves."""
    rollback(world.work(), choose(world.work(), None), "wrong")


def go_back_and_train(world: World) -> None:
    """Roll back, and register another version."""
    go_back(world)
    world.register(tilt=0.02)


def train_twice(world: World) -> None:
    """Register two versions, of which the gates refuse the younger."""
    world.register()
    said(world, world.register(tilt=0.02), "fail")


@pytest.fixture
def promoted(world: World) -> World:
    """Return an environment in which version 2 serves, after version 1."""
    for tilt in (0.0, 0.01):
        promote(world.work(), Request(world.register(tilt=tilt)))
    assert troubles(world) == []
    return world


def test_an_open_operation(promoted: World) -> None:
    """Who is at work is told, and nothing else is blamed on a hand."""
    with contextlib.suppress(Crash):
        promote(promoted.work(crash_at="during roll out"), Request(promoted.register(tilt=0.02)))
    ((what, action),) = troubles(promoted)
    assert "under way" in what
    assert action.startswith("wait for it")


@pytest.fixture
def half_done(promoted: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Return an environment whose promoter of version 3 has died after every instance served it."""
    with contextlib.suppress(Crash):
        promote(
            promoted.work(crash_at="before watch"), Request(promoted.register(tilt=0.02), watch_s=1)
        )
    monkeypatch.setattr(status, "is_dead", lambda _: True)
    return promoted


def test_a_promoter_that_has_died(half_done: World, shown: Callable[[], Status]) -> None:
    """It is not said to be at work; both ways on are named, and one command is next."""
    found = shown()
    (trouble,) = found.troubles
    assert "was left half-done" in trouble.what
    assert "has ended" in trouble.what
    assert "under way" not in trouble.what
    assert "iris recover" in trouble.action
    assert "iris rollback" in trouble.action
    assert found.next == "iris recover"


def lines(status: Status, *labels: str) -> list[str]:
    """Return the lines of the screen that begin with one of the labels."""
    return [line for line in status_screen(status).splitlines() if line.startswith(labels)]


def test_while_an_operation_is_open_the_instances_say_what_serves(
    half_done: World, shown: Callable[[], Status]
) -> None:
    """The ledger names the release before until the outcome: that is what was released."""
    serving, released = lines(shown(), "serving", "released")
    assert serving.startswith("serving      version 3 (sha256 ")
    assert serving.endswith(", not recorded yet")
    assert released.startswith("released     version 2 (sha256 ")


def test_with_nothing_serving_nothing_is_said_to_serve(
    promoted: World, shown: Callable[[], Status], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the ledger names is released, and serves when `iris serve` is typed."""
    assert len(lines(shown(), "serving", "released")) == 1
    monkeypatch.setattr(status, "target_state", lambda _: None)
    found = shown()
    assert lines(found, "serving") == ["serving      nothing"]
    assert lines(found, "released")[0].startswith("released     version 2 (sha256 ")
    assert found.next == "iris serve"


def test_what_was_put_in_by_hand(promoted: World) -> None:
    """Both ways are named: to keep it, and to bring the other back."""
    promoted.by_hand()
    ((what, action),) = troubles(promoted)
    assert "put in by hand, and the ledger says version 2" in what
    assert "iris reconcile --to serving" in action
    assert "iris reconcile --to ledger" in action


def test_an_instance_that_serves_another_release(promoted: World) -> None:
    """It is not the one that is asked for, and nothing is on its way."""
    other = Release("1", "iris-classifier/v1/model.onnx", promoted.versions.digests[1])
    instances = [Instance("i", other, ready=True)]
    promoted.target.state = structs.replace(promoted.target.state, instances=instances)
    ((what, action),) = troubles(promoted)
    assert what.startswith("i serves version 1 (sha256 ")
    assert action == "restart it"


def test_a_file_that_is_gone_or_another(promoted: World) -> None:
    """The next instance to start would not come up."""
    store = promoted.work().store
    release = promoted.work().ledger.read().serving
    assert release is not None
    assert file_troubles(store.models, release) == []
    store.models.replace(release.blob, b"another")
    assert "is another one now" in file_troubles(store.models, release)[0].what
    (promoted.folder / "store" / "models" / release.blob).unlink()
    (gone,) = file_troubles(store.models, release)
    assert "is gone from the store" in gone.what
    assert gone.action == "iris restore-file 2"


def test_what_another_ledger_put_in(promoted: World) -> None:
    """A wrong IRIS_ENV or IRIS_HOME is not blamed on a hand."""
    promoted.target = FakeTarget("machine-2")
    ((what, action),) = troubles(promoted)
    assert "another ledger" in what
    assert "IRIS_HOME" in action
    assert find_troubles(Chain(), promoted.target.state, Registered([], None, None)) == []


def test_an_alias_that_was_moved_by_hand(promoted: World) -> None:
    """Or late, by a promoter that slept: the ledger's is put back."""
    promoted.versions.aliases["champion"] = 1
    assert troubles(promoted)[0][1] == "iris reconcile --to ledger"


def test_an_alias_that_is_pending(promoted: World) -> None:
    """Recovery moves it."""
    promoted.versions.down = True
    go_back(promoted)
    assert troubles(promoted)[0][1] == "iris recover"


def test_a_version_that_serves_and_was_deleted(promoted: World) -> None:
    """No alias can name it."""
    del promoted.versions.files[2]
    del promoted.versions.aliases["champion"]
    ((what, action),) = troubles(promoted)
    assert "was deleted" in what
    assert action == "iris rollback"


def test_an_alias_where_nothing_serves(world: World) -> None:
    """It claims what no instance has proven."""
    world.register()
    world.target.broken = {"1"}
    with contextlib.suppress(Exception):
        promote(world.work(), Request(1))
    world.versions.aliases["champion"] = 1
    ((what, _),) = troubles(world)
    assert "names version 1, and nothing is what serves" in what


def test_the_moment_since_when_it_serves_is_that_of_the_outcome(promoted: World) -> None:
    """An alias that is settled later does not change it."""
    chain = promoted.work().ledger.read()
    last = chain.last_success
    assert last is not None
    assert last.ended is not None
    assert not isinstance(last.ended.body, Intent)
    assert last.ended.number == len(chain.records) - 1


@pytest.mark.parametrize("named", ["another", None])
def test_an_mlflow_that_is_another_ledgers(promoted: World, named: str | None) -> None:
    """Every command refuses it, so status says so; its alias is none of ours."""
    promoted.versions.tags = {"iris.ledger.local": named} if named else {}
    promoted.versions.aliases = {}
    ((what, action),) = troubles(promoted)
    assert (f"names the ledger {named}" if named else "names no ledger") in what
    assert "MLFLOW_TRACKING_URI" in action


@pytest.fixture
def shown(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Status]:
    """Return what gathers the status of the world."""
    settings = RegistrySettings(iris_home=str(world.folder), mlflow_tracking_uri="http://mlflow")
    monkeypatch.setattr(versions, "open_versions", lambda _: world.versions)
    monkeypatch.setattr(status, "target_state", lambda _: world.target.state)
    return lambda: gather_status(settings)


def test_with_mlflow_down_the_rest_is_told(promoted: World, shown: Callable[[], Status]) -> None:
    """It is one line among the others."""
    promoted.versions.down = True
    found = shown()
    assert [t.what for t in found.troubles] == ["MLflow does not answer"]
    assert found.release == promoted.target.state.release


@pytest.mark.parametrize(
    ("disagree", "command"),
    [
        (lambda world: None, "iris history"),
        (lambda world: world.register(tilt=0.02), "iris promote 3"),
        (go_back, "iris history"),
        (go_back_and_train, "iris promote 3"),
        (lambda world: said(world, world.register(tilt=0.02), "pass"), "iris promote 3"),
        (lambda world: said(world, world.register(tilt=0.02), "fail"), "iris history"),
        (train_twice, "iris promote 3"),
        (lambda world: world.by_hand(), "iris status"),
        (lambda world: world.versions.tags.clear(), "iris status"),
        (lambda world: setattr(world.versions, "down", True), "iris status"),
        (lambda world: world.versions.aliases.clear(), "iris reconcile --to ledger"),
        (
            lambda world: (world.by_hand(), world.versions.aliases.clear()),
            "iris reconcile --to ledger",
        ),
    ],
)
def test_what_is_next_is_a_command(
    promoted: World, shown: Callable[[], Status], disagree: Callable[[World], None], command: str
) -> None:
    """It is typed as it stands: where words say what to do, they stand at what is in the way.

    A version that was rolled back from, or that the gates refused, would be refused again.
    """
    disagree(promoted)
    assert shown().next == command


def test_with_nothing_fit_to_be_the_first_another_is_trained(
    world: World, shown: Callable[[], Status]
) -> None:
    """There is no history yet."""
    number = world.register()
    assert shown().next == f"iris promote {number}"
    said(world, number, "fail")
    assert shown().next == "iris train"


def test_a_supervisor_elsewhere_that_is_silent_is_named(promoted: World) -> None:
    """`iris serve` would start another one, on another machine than the one that is meant."""
    chain = promoted.work().ledger.read()
    trouble, *_ = find_troubles(chain, None, None, elsewhere="http://there:7070")
    assert trouble.what == "the supervisor at http://there:7070 does not answer"
    assert "IRIS_SUPERVISOR_URL" in trouble.action
