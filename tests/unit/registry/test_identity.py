"""Whether a writer has died: what may be taken over without asking anybody."""

import os
import subprocess
import sys
from collections.abc import Iterator

import msgspec
import psutil
import pytest

from registry.identity import is_dead, this_writer
from registry.records import Writer


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """Return a process that lives until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        yield process
        process.kill()


def written_by(pid: int) -> Writer:
    """Return the writer that a process is."""
    return msgspec.structs.replace(this_writer(), pid=pid)


def test_a_process_that_lives_is_not_dead(child: subprocess.Popen[bytes]) -> None:
    """It is not taken over unasked."""
    assert not is_dead(this_writer())
    assert not is_dead(written_by(child.pid))


def test_one_that_lives_is_not_dead_when_the_clock_was_set() -> None:
    """When a process began is reckoned from the clock, and moves with it."""
    writer = this_writer()
    assert not is_dead(msgspec.structs.replace(writer, started=writer.started + 3600))


def test_a_process_that_has_ended_is_dead(child: subprocess.Popen[bytes]) -> None:
    """Also while nobody has asked how it ended."""
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
    assert is_dead(written_by(child.pid))
    child.wait()
    assert is_dead(written_by(child.pid))


def test_nothing_is_known_of_another_machine_s() -> None:
    """Its lease tells."""
    assert not is_dead(msgspec.structs.replace(written_by(2**22 + 1), host="elsewhere"))


def test_a_name_that_is_no_text_is_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of user and host: a record holds UTF-8, and whose it is stays to be told."""
    monkeypatch.setenv("LOGNAME", "ren\udce9")
    monkeypatch.setattr("socket.gethostname", lambda: "caf\udce9")
    writer = this_writer()
    assert (writer.name, writer.host) == (r"ren\udce9", r"caf\udce9")
    assert msgspec.json.decode(msgspec.json.encode(writer), type=Writer) == writer
    assert is_dead(msgspec.structs.replace(writer, pid=2**22 + 1))
