"""A promotion that is ended in the middle, where nothing serves but what it has started itself."""

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.integration.registry.commands import asked, iris, promoting
from tests.integration.serving.processes import Supervisor, free_port, until


def started_on(home: Path) -> list[int]:
    """Return the processes that a supervisor of the home consists of."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("IRIS_HOME") == str(home):
                found.append(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def test_ctrl_c_says_how_things_stand_and_leaves_no_process(home: Path) -> None:
    """The shell's exit code, what serves, the two next commands; and the first of them works."""
    process = promoting(home, "1", "rolling out")
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert "nothing is serving here now; a promotion to version 1" in stderr
    assert "iris recover" in stderr
    assert "iris rollback" in stderr
    assert started_on(home) == []

    assert "compensated" in iris(home, "recover").stdout
    iris(home, "promote", "1")
    assert asked(home, "status")["registered"]["alias"] == 1


def test_a_terminal_that_is_gone_raises_nothing(home: Path) -> None:
    """Its session ends while the live view is drawn: exit code of SIGHUP, and it can be ended."""
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "iris", "promote", "1", "--watch", "0s"],
        env={**os.environ, "IRIS_HOME": str(home), "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    shown = b""
    while b"rolling out" not in shown:
        shown += os.read(master, 4096)
    os.close(master)
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=60) == 128 + signal.SIGHUP
    assert b"Traceback" not in shown
    assert started_on(home) == []
    assert "compensated" in iris(home, "recover").stdout


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_death_leaves_no_process(home: Path, number: int) -> None:
    """What the promotion has started ends with it; the next command waits until it has."""
    process = promoting(home, "1", "rolling out")
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode in (-signal.SIGKILL, 128 + signal.SIGTERM)
    until(lambda: not (home / "supervisor.json").exists(), "it has begun to end")
    iris(home, "rollback", "--reason", "the laptop was closed")
    assert asked(home, "status")["release"] is None
    until(lambda: not started_on(home), "every process has ended")
    with Supervisor(home, GATEWAY_PORT=str(free_port())) as supervisor:
        supervisor.until_listening()
        iris(home, "promote", "1", "--reason", "once more")
        assert asked(home, "status")["release"]["version"] == "1"


def test_a_supervisor_that_dies_during_the_rollout(home: Path) -> None:
    """The operation stays open, and says so; served again, it is recovered."""
    with Supervisor(home, GATEWAY_PORT=str(free_port())) as serving:
        serving.until_listening()
        iris(home, "promote", "1")
        promoter = promoting(home, "2", "waiting for")
        serving.process.kill()
        _, stderr = promoter.communicate(timeout=60)
    assert promoter.returncode == 1
    assert "did not come back" in stderr
    assert "iris recover" in stderr
    assert asked(home, "status")["next"] == "iris recover"
    with Supervisor(home, GATEWAY_PORT=str(free_port())) as supervisor:
        supervisor.until_listening()
        iris(home, "recover")
        status = asked(home, "status")
        assert status["troubles"] == []
        assert status["registered"]["alias"] == int(status["release"]["version"])
