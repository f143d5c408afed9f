"""The recorder, on a store in memory whose writes happen when the test says."""

import datetime as dt
import random
import threading
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artifacts.errors import BlobNotFound, InvalidBlobName, StoreUnavailable
from artifacts.replay import ServedBatch, batch_name, decode
from artifacts.store import BlobStore
from serving.gateway import recording
from serving.gateway.models import Answered, ServedModel
from serving.gateway.recording import (
    BATCH_AGE,
    BATCH_ROWS,
    BATCHES_HELD,
    RELEASES_KEPT,
    Recorder,
)
from serving.gateway.sampling import gap


class Memory(BlobStore):
    """A part of a store in memory, which can be down."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.down = False
        self.tries = 0
        self.writes = 0

    def _up(self) -> None:
        if self.down:
            raise StoreUnavailable("the store is down")

    def address(self, name: str = "") -> str:
        return f"memory/{name}"

    def list(self, prefix: str = "") -> list[str]:
        self._up()
        return sorted(name for name in self.blobs if name.startswith(prefix))

    def _put_if_absent(self, name: str, data: bytes) -> bool:
        raise AssertionError("a batch is replaced as it grows, and never created")

    def _replace(self, name: str, data: bytes) -> None:
        self.tries += 1
        self._up()
        self.writes += 1
        self.blobs[name] = data

    def _read(self, name: str) -> bytes:
        if name not in self.blobs:
            raise BlobNotFound(name)
        return self.blobs[name]

    def _delete(self, name: str) -> None:
        self._up()
        self.blobs.pop(name, None)


def batches(store: Memory) -> list[ServedBatch]:
    """Return all batches."""
    return [decode(store.blobs[name]) for name in store.list()]


def recorded(store: Memory) -> list[list[float]]:
    """Return all rows that are recorded."""
    return [row for b in batches(store) for served in b.requests for row in served.rows]


@pytest.fixture
def store() -> Memory:
    """An empty store."""
    return Memory()


class Clock:
    """A clock by which each request comes a second after the one before."""

    def __init__(self) -> None:
        self.at = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        """Return the moment."""
        self.at += dt.timedelta(seconds=1)
        return self.at


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Let the recorder go by it, so that names are in order."""
    clock = Clock()
    monkeypatch.setattr(recording, "now", clock)
    return clock


def served(version: str = "1") -> ServedModel:
    """Return a release."""
    features = [{"name": "length"}]
    description = {"name": "m", "version": version, "sha256": version, "labels": ["a", "b"]}
    return ServedModel(msgspec.json.encode({**description, "features": features}))


def recorder(store: Memory, share: float = 1.0, batches: int = 5) -> Recorder:
    """Return a recorder whose thread is not started: `write` is called by the test."""
    return Recorder(store, "local", share, batches, random.Random(1).random)


def answer(recorder: Recorder, *numbers: float, model: ServedModel | None = None) -> None:
    """Let a request with these rows be answered."""
    rows = [[float(number)] for number in numbers]
    recorder.record(Answered(model or served(), [(0.25, 0.75)] * len(rows)), rows)


def test_a_record_says_what_was_answered(store: Memory) -> None:
    """Rows, answer, release, features and labels: what a replay compares, and no more."""
    recording = recorder(store)
    answer(recording, 1, 2)
    recording.write()
    (batch,) = batches(store)
    assert (batch.version, batch.sha256) == ("1", "1")
    assert (batch.features, batch.labels) == (["length"], ["a", "b"])
    assert batch.requests[0].rows == [[1.0], [2.0]]
    assert batch.requests[0].probabilities == [[0.25, 0.75], [0.25, 0.75]]
    assert store.list("local/1/") == store.list()


def test_few_requests_make_few_batches(store: Memory) -> None:
    """A batch is written again as it grows, and not when it has not."""
    recording = recorder(store)
    for number in range(10):
        answer(recording, number)
        recording.write()
        recording.write()
    assert len(batches(store)) == 1
    assert recorded(store) == [[number] for number in range(10)]
    assert store.writes == 10


@settings(deadline=None)
@given(
    requests=st.lists(
        st.tuples(st.integers(1, 2 * BATCH_ROWS) | st.integers(1, 5), st.booleans(), st.booleans()),
        max_size=12,
    )
)
def test_every_request_is_in_one_batch_of_its_own_release(
    requests: list[tuple[int, bool, bool]],
) -> None:
    """Requests of any size, from two releases in turn, written at any time: none lost or doubled.

    A batch has a thousand rows at most, or is one request.
    """
    store, models = Memory(), (served("1"), served("2"))
    recording = recorder(store, batches=100)
    for number, (size, other, write) in enumerate(requests):
        answer(recording, *[number] * size, model=models[other])
        if write or number % 4 == 3:
            recording.write()
    recording.write()
    found: dict[float, tuple[str, int]] = {}
    for batch in batches(store):
        rows = sum(len(request.rows) for request in batch.requests)
        assert rows <= BATCH_ROWS or len(batch.requests) == 1
        for request in batch.requests:
            assert request.rows[0][0] not in found
            found[request.rows[0][0]] = (batch.version, len(request.rows))
    assert found == {
        float(number): (models[other].id.version, size)
        for number, (size, other, _) in enumerate(requests)
    }


def test_the_oldest_batches_of_a_release_go(store: Memory) -> None:
    """Whichever gateway wrote them; those of other releases and environments stay."""
    for name in ("local/1/0", "local/2/0", "prod/1/0"):
        store.blobs[name] = b"{}"
    recording = recorder(store, batches=2)
    for number in range(4):
        answer(recording, *[number] * BATCH_ROWS)
        recording.write()
    assert [store.blobs.pop(name) for name in ("local/2/0", "prod/1/0")] == [b"{}", b"{}"]
    assert [batch.requests[0].rows[0] for batch in batches(store)] == [[2.0], [3.0]]


def test_a_store_that_is_down_costs_records_within_bounds(
    store: Memory, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told once, memory does not grow, and what is held is written once the store is back."""
    caplog.set_level("INFO")
    recording = recorder(store, batches=100)
    store.down = True
    for number in range(BATCHES_HELD + 5):
        answer(recording, *[number] * BATCH_ROWS)
        recording.write()
    (record,) = caplog.records
    assert "the store is down" in vars(record)["error"]
    store.down = False
    recording.write()
    assert len(batches(store)) == BATCHES_HELD
    assert vars(caplog.records[-1])["lost"] == 5
    answer(recording, 99)
    recording.write()
    assert [99.0] in recorded(store)


def test_releases_that_are_gone_leave_room(store: Memory) -> None:
    """A gateway that lives through many releases records each, and the youngest stay."""
    recording = recorder(store)
    releases = 3 * BATCHES_HELD
    for number in range(releases):
        answer(recording, number, model=served(str(number)))
        recording.write()
        assert [float(number)] in recorded(store)
    kept = {batch.version for batch in batches(store)}
    assert kept == {str(number) for number in range(releases - RELEASES_KEPT, releases)}


def candidates(count: int) -> list[ServedModel]:
    """Return releases that are watched for a while, and undone."""
    return [served(f"candidate-{number}") for number in range(count)]


def test_a_release_is_as_young_as_its_last_record(store: Memory) -> None:
    """However many candidates came and went since the champion's only batch was begun.

    Nor is it begun anew: a gateway makes room with the batch that was written longest ago.
    """
    subject, champion = recorder(store), served("champion")
    for number, candidate in enumerate(candidates(3 * RELEASES_KEPT)):
        answer(subject, number, model=champion)
        subject.write()
        answer(subject, 99, model=candidate)
        subject.write()
        (name,) = store.list("local/champion/")
        assert len(decode(store.blobs[name]).requests) == number + 1
    assert [batch.version for batch in batches(store)].count("candidate-0") == 0


def test_a_full_batch_keeps_its_release_young(store: Memory) -> None:
    """It was begun before all that came meanwhile, and was recorded last."""
    subject, champion = recorder(store), served("champion")
    *before, last = candidates(RELEASES_KEPT)
    answer(subject, 1, model=champion)
    for candidate in before:
        answer(subject, 99, model=candidate)
        subject.write()
    answer(subject, *[2] * (BATCH_ROWS - 1), model=champion)
    subject.write()
    answer(subject, 99, model=last)
    subject.write()
    assert [1.0] in recorded(store)


def test_a_batch_ends_with_its_day(store: Memory, clock: Clock) -> None:
    """So its name, by which other gateways tell the releases of long ago, follows the record."""
    subject = recorder(store)
    for number in range(3):
        answer(subject, number)
        subject.write()
        answer(subject, number)
        subject.write()
        clock.at += BATCH_AGE
    assert [len(batch.requests) for batch in batches(store)] == [2, 2, 2]


class Refusing(Memory):
    """A store that takes nothing of some releases."""

    def __init__(self, error: Exception, *versions: str) -> None:
        super().__init__()
        self.error = error
        self.refused = [f"local/{version}/" for version in versions]

    def _replace(self, name: str, data: bytes) -> None:
        if any(name.startswith(prefix) for prefix in self.refused):
            raise self.error
        super()._replace(name, data)


@pytest.mark.parametrize(
    ("error", "writes"),
    [(RuntimeError("why"), 1), (InvalidBlobName("why"), 1), (StoreUnavailable("why"), 3)],
)
def test_a_batch_that_always_fails_keeps_no_other_from_the_store(
    error: Exception, writes: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Those behind it are written: at once, or next, where the store may be down. It is told once.

    Each write that the store refuses by itself is the last of its round, and it refuses two.
    """
    store = Refusing(error, "1", "2")
    subject = recorder(store)
    for number in range(1, 5):
        answer(subject, number, model=served(str(number)))
    for _ in range(writes):
        subject.write()
    assert recorded(store) == [[3.0], [4.0]]
    subject.write()
    (record,) = caplog.records
    assert "why" in f"{record.exc_info} {vars(record).get('error')}"


def test_a_store_that_is_down_is_tried_once_a_time(store: Memory) -> None:
    """Each try may wait for a time-out, and there are as many batches as releases."""
    subject = recorder(store)
    for number in range(BATCHES_HELD):
        answer(subject, number, model=served(str(number)))
    store.down = True
    subject.write()
    assert store.tries == 1
    store.down = False
    subject.write()
    assert len(batches(store)) == BATCHES_HELD


class Holding(Memory):
    """A store whose first write waits until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.let_go = threading.Event()

    def _replace(self, name: str, data: bytes) -> None:
        self.asked.set()
        self.let_go.wait()
        super()._replace(name, data)


def test_what_comes_during_the_last_write_is_written_too() -> None:
    """The end may come while the store is busy with what was recorded before."""
    store = Holding()
    subject = recorder(store)
    subject.start()
    answer(subject, *[1] * BATCH_ROWS)
    assert store.asked.wait(10)
    answer(subject, 2)
    ending = threading.Thread(target=subject.stop)
    ending.start()
    store.let_go.set()
    ending.join()
    assert [2.0] in recorded(store)


class Broken(Memory):
    """A store with a defect, which shows once."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()

    def _replace(self, name: str, data: bytes) -> None:
        if not self.asked.is_set():
            self.asked.set()
            raise RuntimeError("a defect")
        super()._replace(name, data)


def test_a_defect_is_logged_and_ends_no_record(caplog: pytest.LogCaptureFixture) -> None:
    """What was not written is written the next time."""
    store = Broken()
    subject = recorder(store)
    subject.start()
    answer(subject, *[1] * BATCH_ROWS)
    assert store.asked.wait(10)
    subject.stop()
    assert len(recorded(store)) == BATCH_ROWS
    assert "a defect" in caplog.text


def test_the_end_waits_for_the_store_but_not_for_ever(
    store: Memory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What is recorded is written at the end; what a store that is down costs is logged."""
    monkeypatch.setattr(recording, "STOP_S", 2.0)
    for down, left in ((False, [[1.0]]), (True, [])):
        store.blobs, store.down = {}, False
        subject = recorder(store)
        subject.start()
        store.down = down
        answer(subject, 1)
        subject.stop()
        store.down = False
        assert recorded(store) == left
    assert [vars(record).get("lost") for record in caplog.records][-1] == 1


def pick(share: float, requests: int, chance: Callable[[], float]) -> list[int]:
    """Return which of so many requests are recorded."""
    store = Memory()
    subject = Recorder(store, "local", share, 1000, chance)
    for number in range(requests):
        answer(subject, number)
        if number % 500 == 0:
            subject.write()
    subject.write()
    return sorted(int(row[0]) for row in recorded(store))


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.99])
def test_the_share_is_kept(share: float) -> None:
    """Of 20,000 requests the share is recorded, within what chance allows, in both halves."""
    picked = pick(share, 20_000, random.Random(7).random)
    deviation = (10_000 * share * (1 - share)) ** 0.5
    for half in (picked[: sum(n < 10_000 for n in picked)], [n for n in picked if n >= 10_000]):
        assert abs(len(half) - 10_000 * share) < 4 * deviation + 1


def test_a_share_of_one_is_all(store: Memory) -> None:
    """Nothing is passed over."""
    assert pick(1.0, 100, random.Random(1).random) == list(range(100))


@settings(deadline=None)
@given(share=st.floats(0, 1, exclude_min=True), chance=st.floats(0, 1, exclude_max=True))
def test_a_gap_is_a_number_for_every_share(share: float, chance: float) -> None:
    """No share and no draw ends in a division by zero or in an endless number."""
    assert gap(share, chance) >= 0


def test_a_name_is_what_the_store_takes(store: Memory) -> None:
    """The name of a real batch passes the store's own check."""
    store.replace(batch_name("local", "a" * 64, dt.datetime.now(dt.UTC)), b"")
