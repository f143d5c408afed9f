"""What the children log, also on this program's own output: a container's log is that."""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

LOOK_S = 0.2


async def follow(logs: Path) -> None:
    """Copy what is appended to the logs of a folder to standard output, until cancelled.

    What is in them at the beginning is left out.
    """
    seen = ends(logs)
    try:
        while True:
            await asyncio.sleep(LOOK_S)
            copy(logs, seen)
    finally:
        copy(logs, seen)


def ends(logs: Path) -> dict[Path, tuple[int, int]]:
    """Return where each log ends now: in which file, and after how many bytes."""
    found = {path: path.stat() for path in logs.glob("*.log")}
    return {path: (status.st_ino, status.st_size) for path, status in found.items()}


def copy(logs: Path, seen: dict[Path, tuple[int, int]]) -> None:
    """Copy the whole lines that are new, and note in `seen` how far each log has been read."""
    for path in sorted(logs.glob("*.log")):
        with suppress(OSError), path.open("rb") as file:
            number = os.fstat(file.fileno()).st_ino
            known, offset = seen.get(path, (number, 0))
            file.seek(offset if known == number else 0)
            begin = file.tell()
            lines = file.read()
            lines = lines[: lines.rfind(b"\n") + 1]
            sys.stdout.buffer.write(lines)
            sys.stdout.flush()
            seen[path] = (number, begin + len(lines))
