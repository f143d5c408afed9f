"""The blob store: five parts, each with rights of its own, on files or on Azure.

    models/    releases                                written once
    ledger/    ledger/<environment>/<number>.json      written once
    records/   data, gate reports, what serves, lease
    replay/    what was served, sampled                the oldest are deleted
    mlflow/    MLflow's artifacts, which MLflow itself reads and writes

A caller picks the back end by an address, and no caller asks afterwards which it got.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from artifacts.errors import (
    BlobConflict,
    BlobNotFound,
    InvalidBlobName,
    StoreUnavailable,
    UsageError,
)

_SEGMENT = re.compile(r"[A-Za-z0-9_=+@-][A-Za-z0-9._=+@-]{0,127}")
_LONGEST_NAME = 512


class BlobStore(ABC):
    """One part of the store: names such as `iris-classifier/v1/model.onnx`, and bytes under them.

    A reader sees a blob whole or not at all. Back ends fill in the methods that begin with
    an underscore; names have been checked before they are called.
    """

    def create(self, name: str, data: bytes) -> bool:
        """Make sure that `name` holds `data`, and was never anything else (put-if-absent).

        An answer can be lost after the write was done, and whoever may create and not overwrite may
        be told that he may not, of what exists. So after "it exists" and after any error the blob
        is read back: the same bytes mean that the work is done, whoever did it. Whoever must know
        that it was himself (a lock) puts something of his own into the bytes.

        Returns:
            True where this call wrote it, False where the same bytes were found.

        Raises:
            BlobConflict: other bytes lie there; they stay.
            InvalidBlobName: see `check_name`.
            StoreUnavailable: the store did not take the write.
        """
        check_name(name)
        try:
            if self._put_if_absent(name, data):
                return True
        except StoreUnavailable:
            found = self._found(name)
            if found is None:
                raise
        else:
            found = self._read(name)
        if found != data:
            raise BlobConflict(f"{self.address(name)} holds other content, and is written once")
        return False

    def replace(self, name: str, data: bytes) -> None:
        """Put `data` under `name`, whatever lay there.

        Raises:
            InvalidBlobName: see `check_name`.
            StoreUnavailable: the store did not take the write; what lay there stays.
        """
        self._replace(check_name(name), data)

    def read(self, name: str) -> bytes:
        """Return the bytes under `name`.

        Raises:
            BlobNotFound: nothing lies there.
            InvalidBlobName: see `check_name`.
            StoreUnavailable: the store did not answer.
        """
        return self._read(check_name(name))

    def delete(self, name: str) -> None:
        """Make sure that nothing lies under `name`; where nothing does, that is fine.

        Raises:
            InvalidBlobName: see `check_name`.
            StoreUnavailable: the store did not answer; what lies there may have stayed.
        """
        self._delete(check_name(name))

    @abstractmethod
    def list(self, prefix: str = "") -> list[str]:
        """Return the names that begin with `prefix`, in order of their characters.

        Raises:
            StoreUnavailable: the store did not answer.
        """

    @abstractmethod
    def address(self, name: str = "") -> str:
        """Return what a person would call the place, for messages."""

    @abstractmethod
    def _put_if_absent(self, name: str, data: bytes) -> bool:
        """Write, or return False where something lies there already."""

    @abstractmethod
    def _replace(self, name: str, data: bytes) -> None: ...

    @abstractmethod
    def _read(self, name: str) -> bytes: ...

    @abstractmethod
    def _delete(self, name: str) -> None:
        """Delete what lies there, if anything does."""

    def _found(self, name: str) -> bytes | None:
        try:
            return self._read(name)
        except (BlobNotFound, StoreUnavailable):
            return None


@dataclass(frozen=True)
class Store:
    """The parts of one store, and the address that MLflow is given for its own."""

    models: BlobStore
    ledger: BlobStore
    records: BlobStore
    replay: BlobStore
    mlflow_artifact_root: str
    prepare: Callable[[], None] = lambda: None
    """Makes what has to exist before the first write, where that is not there yet."""


def open_store(uri: str) -> Store:
    """Open the store at an address; nothing is read or written yet.

    Args:
        uri: a folder (`.iris/store`, `file:///srv/iris`), or a storage account: `azure://ACCOUNT`.
            How the account is signed in to: see `artifacts.azure_store`.

    Raises:
        UsageError: no back end serves such an address.
    """
    parsed = urlsplit(uri)
    if parsed.scheme in ("", "file"):
        from artifacts.file_store import open_file_store

        return open_file_store(Path(unquote(parsed.path) if parsed.scheme else uri).expanduser())
    if parsed.scheme == "azure" and parsed.netloc:
        from artifacts.azure_store import open_azure_store

        return open_azure_store(parsed.netloc)
    raise UsageError(
        f"no blob store at {uri!r}",
        hint="set IRIS_STORE to a folder, or to azure://ACCOUNT",
    )


def check_name(name: str) -> str:
    """Return `name` where it is a relative path of plain segments.

    Plain is narrower than either back end allows: what is let in means the same thing on both,
    on file systems that fold case excepted, and can't leave the folder that holds it.

    Raises:
        InvalidBlobName: it isn't.
    """
    if len(name) > _LONGEST_NAME or not all(_SEGMENT.fullmatch(s) for s in name.split("/")):
        raise InvalidBlobName(
            f"{name[:80]!r} is no name for a blob",
            hint="use segments of letters, digits and ._=+@- between slashes, none of them "
            f"beginning with a dot, {_LONGEST_NAME} characters at most",
        )
    return name
