"""Crash points: named places between two effects, where a test lets the process die.

Set `IRIS_CRASH_AT` to the name of one, and the process kills itself there with SIGKILL, as a power
cut would. Unset, which it is but in tests, they do nothing.
"""

import os
import signal
from collections.abc import Callable

CrashPoint = Callable[[str], None]


def crash_at(name: str) -> CrashPoint:
    """Return the function that is called at each crash point."""

    def point(here: str) -> None:
        if here == name:
            os.kill(os.getpid(), signal.SIGKILL)

    return point
