"""What every blob store promises: one suite, run against each back end."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artifacts.errors import (
    BlobConflict,
    BlobNotFound,
    InvalidBlobName,
    StoreUnavailable,
)
from artifacts.store import BlobStore

NAME = "iris-classifier/v1/model.onnx"
OTHER_NAME = "iris-classifier/v2/model.onnx"
LARGE = bytes(2_000_000)
NAMES = st.from_regex(r"\A[A-Za-z0-9_=+@-][A-Za-z0-9._=+@-]{0,20}(/[A-Za-z0-9_=+@-]{1,9}){0,4}\Z")
EXAMPLES = itertools.count()
LEAVING = [
    "",
    ".",
    "..",
    "/etc/passwd",
    "../outside",
    "v1/../../outside",
    "v1/./model.onnx",
    "v1//model.onnx",
    "v1/",
    "v1\\..\\outside",
    ".hidden",
    "v1/.model.onnx.part",
    "v1/model\x00.onnx",
    "v1/model\n.onnx",
    "v1/mödel.onnx",
    "v1/%2e%2e/outside",
    "v1?comp=list",
    "v1#fragment",
    "a" * 129,
    "/".join(["a"] * 257),
]


class BlobStoreContract(ABC):
    """Promises of a part of the store. Each back end's tests give the four fixtures."""

    @pytest.fixture
    @abstractmethod
    def blobs(self) -> BlobStore:
        """An empty part of a store."""

    @pytest.fixture
    @abstractmethod
    def reopened(self) -> Callable[[], BlobStore]:
        """How the same part is opened once more, as another process would."""

    @pytest.fixture
    @abstractmethod
    def losing(self) -> BlobStore:
        """The same part: what is created is written, and the answer is lost."""

    @pytest.fixture
    @abstractmethod
    def breaking(self) -> BlobStore:
        """The same part: writing `LARGE` breaks off in the middle."""

    def test_what_is_created_is_read_back(self, blobs: BlobStore) -> None:
        """A blob holds the bytes it was given, an empty one too."""
        assert blobs.create(NAME, b"one")
        assert blobs.create(OTHER_NAME, b"")
        assert (blobs.read(NAME), blobs.read(OTHER_NAME)) == (b"one", b"")

    def test_a_missing_blob_is_told_by_its_address(self, blobs: BlobStore) -> None:
        """Whoever reads what is not there learns where it was looked for."""
        with pytest.raises(BlobNotFound, match=NAME):
            blobs.read(NAME)

    def test_a_folder_is_no_blob(self, blobs: BlobStore) -> None:
        """A name that others only begin with holds nothing of its own."""
        blobs.create(NAME, b"one")
        with pytest.raises(BlobNotFound):
            blobs.read("iris-classifier/v1")

    def test_an_overwrite_is_refused_and_what_lay_there_stays(self, blobs: BlobStore) -> None:
        """What is written once is never anything else."""
        blobs.create(NAME, b"one")
        with pytest.raises(BlobConflict, match=NAME):
            blobs.create(NAME, b"two")
        assert blobs.read(NAME) == b"one"

    def test_the_same_bytes_again_are_fine(self, blobs: BlobStore) -> None:
        """Whoever repeats a step finds its work done, and is told that it was done before."""
        assert [blobs.create(NAME, b"one"), blobs.create(NAME, b"one")] == [True, False]

    def test_replacing_puts_the_new_bytes(self, blobs: BlobStore) -> None:
        """The few blobs that may change are replaced, there or not."""
        blobs.replace(NAME, b"one")
        blobs.replace(NAME, b"two")
        assert blobs.read(NAME) == b"two"
        assert blobs.list() == [NAME]

    def test_what_is_deleted_is_gone(self, blobs: BlobStore) -> None:
        """Nothing is read or listed under the name any more, and it is free again."""
        blobs.create(NAME, b"one")
        blobs.create(OTHER_NAME, b"other")
        blobs.delete(NAME)
        with pytest.raises(BlobNotFound):
            blobs.read(NAME)
        assert blobs.list() == [OTHER_NAME]
        assert blobs.create(NAME, b"two")

    def test_to_delete_what_is_not_there_is_fine(self, blobs: BlobStore) -> None:
        """Several that delete what is too old are not in each other's way; a folder is no blob."""
        blobs.delete(NAME)
        blobs.create(NAME, b"one")
        blobs.delete("iris-classifier/v1")
        blobs.delete(NAME + "/below")
        assert blobs.list() == [NAME]

    def test_names_are_listed_in_order(self, blobs: BlobStore) -> None:
        """The order is that of the characters, whatever the order of writing and the folders."""
        names = ["b/2", "a/10", "b.0", "a/9", "C/1", "b-0", "b/1/1"]
        for name in names:
            blobs.create(name, b"")
        assert blobs.list() == sorted(names)

    def test_a_prefix_is_no_folder(self, blobs: BlobStore) -> None:
        """A prefix picks by the name's beginning, and need not end where a segment does."""
        for name in ("prod/00000001.json", "prod/00000002.json", "prod-2/00000001.json"):
            blobs.create(name, b"")
        assert blobs.list("prod/") == ["prod/00000001.json", "prod/00000002.json"]
        assert blobs.list("prod/00000002") == ["prod/00000002.json"]
        assert len(blobs.list("prod")) == 3

    def test_an_empty_store_lists_nothing(self, blobs: BlobStore) -> None:
        """Nothing there yet is no error."""
        assert blobs.list() == []
        assert blobs.list("prod/") == []

    def test_what_one_opened_store_wrote_another_reads(
        self, blobs: BlobStore, reopened: Callable[[], BlobStore]
    ) -> None:
        """Nothing is kept in the process that wrote it."""
        blobs.create(NAME, b"one")
        assert reopened().read(NAME) == b"one"
        assert reopened().list() == [NAME]

    @pytest.mark.parametrize("name", LEAVING)
    def test_a_name_that_could_leave_the_store_is_refused(
        self, blobs: BlobStore, name: str
    ) -> None:
        """What could mean another place on any back end reaches none of them."""
        with pytest.raises(InvalidBlobName):
            blobs.create(name, b"one")
        with pytest.raises(InvalidBlobName):
            blobs.replace(name, b"one")
        with pytest.raises(InvalidBlobName):
            blobs.read(name)
        with pytest.raises(InvalidBlobName):
            blobs.delete(name)
        assert blobs.list() == []

    @settings(
        max_examples=25,
        deadline=None,
        # One store holds the examples of a run, each in a folder; several back ends share the test.
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.differing_executors,
        ],
    )
    @given(names=st.lists(NAMES, max_size=3), data=st.binary(max_size=100))
    def test_a_name_that_is_taken_means_itself(
        self, blobs: BlobStore, names: list[str], data: bytes
    ) -> None:
        """No two names mean one blob, and none is changed on its way: dots, signs, percent."""
        folder = f"example-{next(EXAMPLES)}"
        unlike = {f"{folder}/{number}/{name}" for number, name in enumerate(names)}
        for name in unlike:
            blobs.create(name, data + name.encode())
        assert blobs.list(folder + "/") == sorted(unlike)
        assert all(blobs.read(name) == data + name.encode() for name in unlike)

    def test_of_many_writers_at_once_one_wins(self, reopened: Callable[[], BlobStore]) -> None:
        """Creating is the lock: one of them is told that it wrote, the others who did not."""
        stores = [reopened() for _ in range(8)]
        for number in range(10):
            name = f"prod/{number:08}.json"
            with ThreadPoolExecutor(len(stores)) as threads:
                won = list(threads.map(_wins, stores, [name] * 8, [b"%d" % i for i in range(8)]))
            assert won.count(True) == 1
            assert stores[0].read(name) == b"%d" % won.index(True)

    def test_many_writers_of_the_same_bytes_all_succeed(
        self, reopened: Callable[[], BlobStore]
    ) -> None:
        """Several that publish one release at once are not in each other's way."""
        stores = [reopened() for _ in range(8)]
        with ThreadPoolExecutor(len(stores)) as threads:
            wrote = list(threads.map(lambda store: store.create(NAME, b"one"), stores))
        assert wrote.count(True) == 1

    def test_a_reader_never_sees_half_of_a_replacement(
        self, reopened: Callable[[], BlobStore]
    ) -> None:
        """A reader gets the old bytes or the new ones, whole."""
        versions = [bytes([number]) * 200_000 for number in range(20)]
        writer, reader = reopened(), reopened()
        writer.replace(NAME, versions[0])
        with ThreadPoolExecutor(1) as thread:
            written = thread.submit(_replace_by_each, writer, versions)
            while not written.done():
                assert reader.read(NAME) in versions
            written.result()

    def test_an_answer_lost_after_the_write_is_read_back(
        self, blobs: BlobStore, losing: BlobStore
    ) -> None:
        """The bytes lie there: the work is done, whoever was not told."""
        losing.create(NAME, b"one")
        assert blobs.read(NAME) == b"one"

    def test_an_answer_lost_after_a_refusal_is_a_conflict(
        self, blobs: BlobStore, losing: BlobStore
    ) -> None:
        """Other bytes lie there, so somebody was first, whatever the store said of it."""
        blobs.create(NAME, b"one")
        with pytest.raises(BlobConflict):
            losing.create(NAME, b"two")
        assert blobs.read(NAME) == b"one"

    def test_a_write_that_breaks_off_leaves_nothing(
        self, blobs: BlobStore, breaking: BlobStore
    ) -> None:
        """Nothing half-written is ever visible, and the name is still free."""
        with pytest.raises(StoreUnavailable):
            breaking.create(NAME, LARGE)
        assert blobs.list() == []
        with pytest.raises(BlobNotFound):
            blobs.read(NAME)
        assert blobs.create(NAME, b"one")

    def test_a_replacement_that_breaks_off_changes_nothing(
        self, blobs: BlobStore, breaking: BlobStore
    ) -> None:
        """What lay there before stays, whole."""
        blobs.replace(NAME, b"one")
        with pytest.raises(StoreUnavailable):
            breaking.replace(NAME, LARGE)
        assert blobs.read(NAME) == b"one"
        assert blobs.list() == [NAME]


def _wins(store: BlobStore, name: str, data: bytes) -> bool:
    try:
        return store.create(name, data)
    except BlobConflict:
        return False


def _replace_by_each(store: BlobStore, versions: list[bytes]) -> None:
    for data in versions:
        store.replace(NAME, data)
