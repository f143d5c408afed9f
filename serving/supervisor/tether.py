"""`python -m serving.supervisor.tether LOCK MODULE …`: run a module that can't outlive its parent.

The child's standard input is a pipe that nobody writes to. The parent holds its other end, and the
kernel closes that when the parent ends, in whatever way: the child reads the end of the file and
ends itself. (Linux could do it with PR_SET_PDEATHSIG, but only from code that runs between fork
and exec, where Python is not safe, and for the death of a thread rather than of the process.)

The child holds a lock on a file with its process id. So who finds the file later can tell whether
the id is still that child's: the lock is free as soon as the child is gone.
"""

import fcntl
import os
import runpy
import signal
import sys
import threading
import time
from pathlib import Path

# What the module has for finishing what it accepted, once its parent is gone.
GRACE_S = 35.0


def main() -> None:
    """Lock the file, watch the pipe, become the module."""
    lock, module, *arguments = sys.argv[1:]
    descriptor = os.open(Path(lock), os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
    threading.Thread(target=end_with_parent, daemon=True).start()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def end_with_parent() -> None:
    """Wait for the end of standard input; then stop this process, in the end by force.

    By force, what it has started goes with it, where it leads a group of its own.
    """
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
