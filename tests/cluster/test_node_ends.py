"""Nothing is left of a node that was ended, wherever its start was killed."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest

from tests.cluster.node import space

HERE = Path(__file__).parent


@pytest.mark.parametrize("seconds", [0, 0.1, 0.3, 0.6, 1, 2, 4, 8])
def test_nothing_is_left_of_a_killed_start(cluster: bool, tmp_path: Path, seconds: float) -> None:
    """`down` removes processes, control groups, network, mounts and files of a killed `up`."""
    for package in ("tests", "tests/cluster"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()  # else another checkout's would be found
    shutil.copytree(HERE / "node", tmp_path / "tests/cluster/node")
    command = [sys.executable, "-m", "tests.cluster.node"]
    environ = {key: value for key, value in os.environ.items() if key != "KUBECONFIG"}
    with subprocess.Popen([*command, "up"], cwd=tmp_path, env=environ) as up:
        space.wait_until((tmp_path / ".cluster").exists, "the start has begun, in this checkout")
        time.sleep(seconds)
        up.kill()
    subprocess.run([*command, "down"], cwd=tmp_path, env=environ, check=True)

    assert not list(tmp_path.glob(".cluster*"))
    assert str(tmp_path) not in Path("/proc/mounts").read_text()
    # Who waited for a process of the node's, as nsenter does, is a moment behind it.
    space.wait_until(lambda: not left_by(tmp_path), "each process of it has ended", 10)
    number = f"iris-node-{zlib.crc32(os.fsencode(tmp_path)) % 8192}"
    assert not list(Path("/sys/fs/cgroup").glob(f"*/{number}"))
    assert not Path("/sys/class/net", number).exists()


def left_by(folder: Path) -> list[Path]:
    """Return the processes that were told of a folder."""
    found = []
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if os.fsencode(folder) in cmdline.read_bytes():
                found.append(cmdline)
    return found


def test_only_what_has_ended_is_taken_for_that() -> None:
    """A process that becomes another program has no name for a moment, and was taken for gone."""
    with subprocess.Popen(["sleep", "infinity"]) as process:
        assert not space._has_ended(process.pid)
        process.kill()
        space.wait_until(lambda: space._has_ended(process.pid), "it is seen as dead before its end")
    assert space._has_ended(process.pid)
