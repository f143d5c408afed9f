"""The blob store on files: the contract, and what only files have."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from artifacts.errors import BlobConflict, StoreUnavailable, UsageError
from artifacts.file_store import FileBlobStore
from artifacts.store import BlobStore, open_store
from tests.support.blob_store_contract import LARGE, NAME, BlobStoreContract


@contextmanager
def limited_file_size(size: int) -> Iterator[None]:
    """Let the system refuse to make any file larger, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class LosingFileBlobStore(FileBlobStore):
    """Files on a network's disk, say, that has done its work when the connection breaks."""

    def _put_if_absent(self, name: str, data: bytes) -> bool:
        super()._put_if_absent(name, data)
        raise StoreUnavailable("the answer was lost")


class FullDiskBlobStore(FileBlobStore):
    """Files on a disk that has no room for half of `LARGE`: the system's limit on a file's size."""

    def _put_if_absent(self, name: str, data: bytes) -> bool:
        with limited_file_size(len(LARGE) // 2):
            return super()._put_if_absent(name, data)

    def _replace(self, name: str, data: bytes) -> None:
        with limited_file_size(len(LARGE) // 2):
            super()._replace(name, data)


class TestFileBlobStore(BlobStoreContract):
    """The contract, on files."""

    @pytest.fixture
    def blobs(self, tmp_path: Path) -> BlobStore:
        return FileBlobStore(tmp_path / "models")

    @pytest.fixture
    def reopened(self, tmp_path: Path) -> Callable[[], BlobStore]:
        return lambda: FileBlobStore(tmp_path / "models")

    @pytest.fixture
    def losing(self, tmp_path: Path) -> BlobStore:
        return LosingFileBlobStore(tmp_path / "models")

    @pytest.fixture
    def breaking(self, tmp_path: Path) -> BlobStore:
        return FullDiskBlobStore(tmp_path / "models")


def test_nothing_but_the_blob_is_left_in_the_folder(tmp_path: Path) -> None:
    """A write that was refused or broke off takes its temporary file with it."""
    FileBlobStore(tmp_path).create(NAME, b"one")
    with pytest.raises(BlobConflict):
        FileBlobStore(tmp_path).create(NAME, b"two")
    with pytest.raises(StoreUnavailable):
        FullDiskBlobStore(tmp_path).replace(NAME, LARGE)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / NAME]


def test_what_a_killed_writer_left_is_not_listed(tmp_path: Path) -> None:
    """A temporary file's name begins with a dot, which no blob's name may."""
    blobs = FileBlobStore(tmp_path)
    blobs.create(NAME, b"one")
    (tmp_path / NAME).with_name(".abc.part").write_bytes(b"hal")
    assert blobs.list() == [NAME]


def test_a_full_disk_is_named_with_what_to_do(tmp_path: Path) -> None:
    """The error says which file, why, and what to look at."""
    with pytest.raises(StoreUnavailable) as caught:
        FullDiskBlobStore(tmp_path).create(NAME, LARGE)
    assert str(tmp_path / NAME) in caught.value.message
    assert "File too large" in caught.value.message
    assert "free space" in caught.value.hint


def test_a_store_that_is_no_folder_is_told(tmp_path: Path) -> None:
    """A file in the store's place is no empty store."""
    (tmp_path / "store").write_text("a file")
    ledger = open_store(str(tmp_path / "store")).ledger
    for use in (ledger.list, lambda: ledger.create(NAME, b"one")):
        with pytest.raises(StoreUnavailable, match="store/ledger"):
            use()


def test_the_parts_of_a_store_are_apart(tmp_path: Path) -> None:
    """The same name in two parts is two blobs."""
    store = open_store(str(tmp_path))
    parts = [store.models, store.ledger, store.records, store.replay]
    for number, part in enumerate(parts):
        part.create(NAME, b"%d" % number)
    assert [part.read(NAME) for part in parts] == [b"0", b"1", b"2", b"3"]


def test_nothing_is_written_before_the_first_blob(tmp_path: Path) -> None:
    """Opening a store, listing it and reading it leave no trace."""
    store = open_store(str(tmp_path / "store"))
    store.prepare()
    assert store.ledger.list() == []
    assert not (tmp_path / "store").exists()


def test_a_store_is_addressed_by_path_or_uri(tmp_path: Path) -> None:
    """A folder is the same folder as a path and as a URI, with a space in its name."""
    folder = tmp_path / "a store"
    open_store(str(folder)).models.create(NAME, b"one")
    assert open_store(folder.as_uri()).models.read(NAME) == b"one"
    assert open_store(str(folder)).mlflow_artifact_root == (folder / "mlflow").as_uri()


@pytest.mark.parametrize("uri", ["s3://bucket", "azure://", "https://example.com/store"])
def test_an_address_of_no_back_end_is_refused(uri: str) -> None:
    """What can't be opened is told at once, with the addresses that can."""
    with pytest.raises(UsageError, match="IRIS_STORE"):
        open_store(uri)
