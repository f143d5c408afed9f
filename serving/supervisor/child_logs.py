"""The logs of the children: bounded, and on this program's own output too where that is wanted.

A container's log is what its first program writes.
"""

import asyncio
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from artifacts.files import LOG_BYTES

LOOK_S = 0.2
TRIM_S = 10.0


class ChildLogs:
    """The files `*.log` of a folder, which others append to."""

    def __init__(self, folder: Path, *, shown: bool) -> None:
        """Begin where each log ends now.

        Args:
            folder: where they are.
            shown: whether what is appended goes to standard output, too.
        """
        self._folder = folder
        self._shown = shown
        self._seen: dict[Path, tuple[int, int]] = {}
        for path in folder.glob("*.log"):
            status = path.stat()
            self._seen[path] = (status.st_ino, status.st_size)

    async def keep(self) -> None:
        """Look after them until cancelled."""
        try:
            while True:
                await asyncio.sleep(LOOK_S if self._shown else TRIM_S)
                self.look()
        finally:
            self.look()

    def look(self) -> None:
        """Show what is new, and begin a log anew that has grown large.

        What is written while it is copied away is lost; that takes milliseconds, every 4 MB.
        """
        for path in sorted(self._folder.glob("*.log")):
            if self._shown:
                with suppress(OSError):  # who reads them may have gone
                    self._show(path)
            with suppress(OSError):
                if path.stat().st_size > LOG_BYTES:
                    shutil.copyfile(path, path.with_name(f"{path.name}.1"))
                    os.truncate(path, 0)  # who writes appends, so he goes on at its new end
                    self._seen[path] = (path.stat().st_ino, 0)

    def _show(self, path: Path) -> None:
        """Copy the whole lines that are new."""
        with path.open("rb") as file:
            number = os.fstat(file.fileno()).st_ino
            known, offset = self._seen.get(path, (number, 0))
            file.seek(offset if known == number else 0)
            begin = file.tell()
            lines = file.read()
        lines = lines[: lines.rfind(b"\n") + 1]
        sys.stdout.buffer.write(lines)
        sys.stdout.flush()
        self._seen[path] = (number, begin + len(lines))
