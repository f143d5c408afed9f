"""The blob store on files: one folder a part, one file a blob.

A blob appears whole or not at all: the bytes go to a temporary file, which is flushed to the disk
and then linked (put-if-absent) or renamed (replace) into place, and the folder is flushed after.
Temporary names begin with a dot, which no blob's name may.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from artifacts.errors import BlobNotFound, StoreUnavailable
from artifacts.files import flush_folder, temporary_file, write_whole
from artifacts.store import BlobStore, Store


def open_file_store(root: Path) -> Store:
    """Open the store in a folder, which is made with the first write."""
    root = root.resolve()
    return Store(
        models=FileBlobStore(root / "models"),
        ledger=FileBlobStore(root / "ledger"),
        records=FileBlobStore(root / "records"),
        replay=FileBlobStore(root / "replay"),
        mlflow_artifact_root=(root / "mlflow").as_uri(),
    )


class FileBlobStore(BlobStore):
    """One part of the store, in a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def address(self, name: str = "") -> str:
        """Return the path."""
        return str(self._root / name)

    def list(self, prefix: str = "") -> list[str]:
        """Return the names that begin with `prefix`, in order."""
        with _reported("list", self._root):
            files = (
                Path(folder, file).relative_to(self._root).as_posix()
                for folder, _, names in os.walk(self._root, onerror=_raise_unless_gone)
                for file in names
                if not file.startswith(".")
            )
            return sorted(name for name in files if name.startswith(prefix))

    def _put_if_absent(self, name: str, data: bytes) -> bool:
        path = self._root / name
        with _reported("write", path), temporary_file(path.parent, data) as temporary:
            try:
                os.link(temporary, path)
            except FileExistsError:
                return False
            flush_folder(path.parent)
            return True

    def _replace(self, name: str, data: bytes) -> None:
        path = self._root / name
        with _reported("write", path):
            write_whole(path, data)

    def _read(self, name: str) -> bytes:
        path = self._root / name
        with _reported("read", path):
            try:
                return path.read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                raise BlobNotFound(f"there is no blob {path}") from None

    def _delete(self, name: str) -> None:
        path = self._root / name
        absent = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
        with _reported("delete", path), suppress(*absent):
            path.unlink()


def _raise_unless_gone(error: OSError) -> None:
    """Let no folder that can't be read pass for an empty one."""
    if not isinstance(error, FileNotFoundError):
        raise error


@contextmanager
def _reported(verb: str, path: Path) -> Iterator[None]:
    """Turn the operating system's errors into ours."""
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(
            f"cannot {verb} {path}: {error.strerror or error}",
            hint="check the folder's rights and the disk's free space, or set IRIS_STORE",
        ) from error
