"""The namespaces that the node lives in: processes, mounts and network of its own.

Everything of the node descends from one first process. When that is killed, the kernel ends the
rest, and takes the mounts, the network and what /run held with it, as when a machine loses power.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from tests.cluster.node.layout import (
    HERE,
    MACHINE_ADDRESS,
    NODE_ADDRESS,
    ON_MACHINE,
    ROOT,
    SERVICE_RANGE,
    STATE,
    NodeError,
)

PID = STATE / "pid"
LINK = Path("/sys/class/net", ON_MACHINE)
GONE_S = 30


def outer() -> int | None:
    """Return the id of the process that made the namespaces, if it lives."""
    try:
        pid = _pid()
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if os.fsencode(STATE) in words and not _has_ended(pid) else None


def _has_ended(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


def root() -> Path:
    """Return where the node's own files are seen from outside."""
    return Path(f"/proc/{outer()}/root")


def make() -> None:
    """Make the namespaces, and a way between machine and node, where they are not there."""
    if STATE.is_relative_to("/var") or STATE.is_relative_to("/run"):
        raise NodeError(f"{STATE} would be hidden by the node's own /var and /run; move the clone")
    if outer() is None:
        if LINK.exists():
            raise NodeError(
                f"{ON_MACHINE} is there already: the node of another checkout has the number of "
                f"{ROOT}; end that one, or move this checkout"
            )
        _make_namespaces()
    if not (root() / "run/node/network").exists():
        _make_network()


def _make_namespaces() -> None:
    for folder in ("var/lib", "var/log", "var/tmp"):
        (STATE / folder).mkdir(parents=True, exist_ok=True)
    if not (STATE / "var/run").is_symlink():
        (STATE / "var/run").symlink_to("/run")
    PID.unlink(missing_ok=True)
    # The id is written before there is anything to end.
    noted = ["sh", "-c", 'echo $$ >"$0"; exec "$@"', str(PID)]
    unshare = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--net"]
    first = ["sh", str(HERE / "first.sh"), str(STATE), ON_MACHINE]
    log = STATE / "first.log"
    with log.open("wb") as file:
        subprocess.run(
            ["setsid", "--fork", *noted, *unshare, *first],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            check=True,
        )
    # Not by `outer`: a process that is becoming another program has no words for a moment.
    wait_until(lambda: ready() or (_noted() and _has_ended(_pid())), "there are namespaces")
    if not ready():
        raise NodeError(f"no namespaces for a node, which take root: {log.read_text().strip()}")


def _pid() -> int:
    return int(PID.read_text())


def _noted() -> bool:
    return PID.exists() and PID.read_text().endswith("\n")


def ready() -> bool:
    """Tell whether the node's first process has set the node's own files up."""
    return (root() / "run/node/ready").exists()


def _make_network() -> None:
    # What a killed start left half made.
    subprocess.run(inside(["ip", "link", "delete", "machine"]), capture_output=True, check=False)
    for command in (
        f"ip link add {ON_MACHINE} type veth peer name machine netns {outer()}",
        f"ip address add {MACHINE_ADDRESS}/30 dev {ON_MACHINE}",
        f"ip link set {ON_MACHINE} up",
    ):
        run(command.split())
    for command in (
        f"ip address add {NODE_ADDRESS}/30 dev machine",
        "ip link set machine up",
        # No default route, so nothing leaves; but without one to Services they are not translated.
        f"ip route add {SERVICE_RANGE} dev machine src {NODE_ADDRESS}",
        "touch /run/node/network",
    ):
        run(inside(command.split()))


def inside(command: Sequence[str]) -> list[str]:
    """Return the command that runs another one on the node, in the checkout's folder."""
    pid = outer()
    if pid is None:
        raise NodeError("the node is not up; start it with make cluster-up")
    # Not `ip netns exec`: it would mount another /sys, without the control groups.
    spaces = ["--mount", "--net", f"--pid=/proc/{pid}/ns/pid_for_children"]
    return ["nsenter", f"--target={pid}", *spaces, f"--wdns={ROOT}", *command]


@contextlib.contextmanager
def running(command: Sequence[str]) -> Iterator[None]:
    """Let a command run on the node while the block lasts; what it prints goes nowhere.

    `nsenter` starts it as a child, which would outlive it: so both are ended, as a group.
    """
    started = subprocess.Popen(inside(command), stdout=subprocess.DEVNULL, start_new_session=True)
    with started as process:
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def run(command: Sequence[str], stdin: IO[bytes] | None = None) -> str:
    """Run a command to its end, and return what it said."""
    done = subprocess.run(
        command, stdin=stdin or subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NodeError(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return done.stdout


def end() -> None:
    """End all that is on the node, and remove what is left in the kernel of it."""
    pid = outer()
    if pid is not None:
        # Whoever made the namespaces ends after the first process in them, which ends last.
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        os.kill(int(children[0]) if children else pid, signal.SIGKILL)
        wait_until(lambda: outer() is None, "the node's processes have ended", GONE_S)
        wait_until(lambda: not LINK.exists(), "the node's network is gone", GONE_S)
    PID.unlink(missing_ok=True)
    if LINK.exists():
        return  # another checkout's, and so are its groups
    groups = Path("/sys/fs/cgroup")
    for group in (groups / ON_MACHINE, *groups.glob(f"*/{ON_MACHINE}")):
        for folder, _, _ in os.walk(group, topdown=False):
            Path(folder).rmdir()


def wait_until(done: Callable[[], object], what: str, seconds: float = 10) -> None:
    """Wait for a condition, and say what was waited for when it does not come."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise NodeError(f"waited {seconds:.0f} s in vain until {what}")
        time.sleep(0.05)
