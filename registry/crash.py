"""Crash points: named places between two effects, where a test lets the process die or stand still.

Set `IRIS_CRASH_AT` to the name of one, and the process kills itself there with SIGKILL, as a power
cut would. With `IRIS_STOP_AT` it stops itself with SIGSTOP, as a machine that is suspended would,
until somebody sends SIGCONT. Unset, which they are but in tests, they do nothing.
"""

import os
import signal
from collections.abc import Callable

CrashPoint = Callable[[str], None]

CRASH_POINTS = (
    "after genesis",
    "before intent",
    "after intent",
    "before publish",
    "after publish",
    "before roll out",
    "during roll out",
    "after roll out",
    "before watch",
    "during watch",
    "after watch",
    "before move alias",
    "after move alias",
    "before outcome",
    "after outcome",
    "before compensate",
    "during compensate",
    "after compensate",
    "after takeover",
    "after continuation",
)
"""Every crash point. `before X` is after the step X was recorded and before its effect; `during` is
after the target was written to, and before what it does was seen."""


def crash_at(crash: str, stop: str) -> CrashPoint:
    """Return the function that is called at each crash point."""

    def point(here: str) -> None:
        if here == crash:
            os.kill(os.getpid(), signal.SIGKILL)
        if here == stop:
            os.kill(os.getpid(), signal.SIGSTOP)

    return point
