"""Files that appear whole or not at all, and survive a power cut once they are there."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

LOG_BYTES = 4 * 1024 * 1024
"""The size from which on a log is begun anew; the one before is kept beside it."""


def write_whole(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Put `data` under `path`, whatever lay there; only the owner may read it, unless told else.

    Raises:
        OSError: it can't be written; what lay there stays.
    """
    with temporary_file(path.parent, data) as temporary:
        temporary.chmod(mode)
        temporary.replace(path)
        flush_folder(path.parent)


def open_log(path: Path) -> BinaryIO:
    """Open a log to append to. One that has grown large becomes `PATH.1`, in place of the last.

    Raises:
        OSError: it can't be written.
    """
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
    return path.open("ab")


def make_once(path: Path, make: Callable[[Path], object]) -> None:
    """Let `make` make a file elsewhere, and link it into place when it is whole.

    For what takes a while to make and is no good half-made. Where a file is there, it stays.

    Raises:
        OSError: it can't be made.
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{path.stem}-", dir=path.parent) as folder:
        whole = Path(folder, path.name)
        make(whole)
        with suppress(FileExistsError):  # somebody else was quicker
            os.link(whole, path)


@contextmanager
def temporary_file(folder: Path, data: bytes) -> Iterator[Path]:
    """Yield a complete temporary file in `folder`, its name beginning with a dot; gone after."""
    _make_folder(folder)
    descriptor, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=folder)
    path = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield path
    finally:
        path.unlink(missing_ok=True)


def _make_folder(folder: Path) -> None:
    """Make a folder, and those above it, each of them flushed into the one that holds it."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        flush_folder(folder.parent)


def flush_folder(folder: Path) -> None:
    """Make the folder's new entry survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
