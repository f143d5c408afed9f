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
        host=_host_name(),
        pid=process.pid,
        started=process.create_time(),
    )


def is_dead(writer: Writer) -> bool:
    """Tell whether the writer was a process of this machine that has ended.

    False where it lives, where it may not be looked at, and where it is another machine's. False
    too where another process has its id by now: when a process began is reckoned from the clock,
    so one that lives looks like another as soon as somebody sets the clock.
    """
    if writer.host != _host_name():
        return False
    try:
        return psutil.Process(writer.pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def _user_name() -> str:
    try:
        return _text(getpass.getuser())
    except (KeyError, OSError):  # a container's user without a name
        return f"uid {os.getuid()}"


def _host_name() -> str:
    return _text(socket.gethostname())


def _text(name: str) -> str:
    """Return a name as a record can hold it: bytes of it that are no UTF-8 are written out."""
    return name.encode(errors="backslashreplace").decode()
