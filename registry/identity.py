"""Who writes a record, and whether the process that wrote one is still alive."""

import getpass
import os
import socket

import psutil

from registry.records import Writer


def this_writer() -> Writer:
    """Return this process as a writer. A plain user name is nobody's word but the user's own."""
    process = psutil.Process()
    return Writer(
        name=_user_name(),
        verified=False,
        host=socket.gethostname(),
        pid=process.pid,
        started=process.create_time(),
    )


def is_dead(writer: Writer) -> bool:
    """Tell whether the writer was a process of this machine that has ended.

    False where it lives, where it may not be looked at, and where it is another machine's.
    """
    if writer.host != socket.gethostname():
        return False
    try:
        process = psutil.Process(writer.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return True
        # The clock may have been set between the two readings by less than a second.
        return abs(process.create_time() - writer.started) > 1.0
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"uid {os.getuid()}"
