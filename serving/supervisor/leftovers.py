"""Children of a supervisor that was killed: they end by themselves, and this sees to it."""

import fcntl
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

PATIENCE_S = 10.0


def end_leftovers(folder: Path, patience_s: float = PATIENCE_S) -> list[int]:
    """End the processes that hold a lock in `folder`; see `serving.supervisor.tether`.

    A file whose lock is free is nobody's, whichever process has the id in it by now.

    Returns:
        The ids of the processes that had to be told.
    """
    told = []
    for path in sorted(folder.glob("*.pid")):
        with path.open("rb") as file:
            if not _is_free(file.fileno()) and (text := path.read_text()):
                told.append(pid := int(text))
                _end(pid, file.fileno(), patience_s)
        path.unlink(missing_ok=True)
    return told


def _end(pid: int, descriptor: int, patience_s: float) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(pid, number)
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if _is_free(descriptor):
                return
            time.sleep(0.02)


def _is_free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
