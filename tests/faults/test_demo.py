"""`iris demo`, where it is ended."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from serving.supervisor.ports import LOOPBACK, is_free
from tests.integration.serving.processes import alive, free_port, until


@contextmanager
def serving_demo(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start a demo; yields it with the process id of its `iris serve`, once that listens."""
    home = tmp_path / "home"
    ports = {name: str(free_port()) for name in ("GATEWAY_PORT", "INFERENCE_PORT")}
    with subprocess.Popen(
        [sys.executable, "-m", "iris", "demo", "--once"],
        env={**os.environ, "IRIS_HOME": str(home), **ports},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,  # where a step that meets the end says so
    ) as demo:
        until((home / "supervisor.json").exists, "iris serve listens")
        yield demo, json.loads((home / "supervisor.json").read_text())["pid"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_end_of_the_terminal_ends_every_process(tmp_path: Path, number: signal.Signals) -> None:
    """A closed terminal ends what the demo has started, as Ctrl-C does."""
    with serving_demo(tmp_path) as (demo, supervisor):
        demo.send_signal(number)
        assert demo.wait(60) == 0
    assert not alive(supervisor)


def test_a_killed_demo_leaves_no_iris_serve(tmp_path: Path) -> None:
    """After SIGKILL the demo's server ends by itself."""
    with serving_demo(tmp_path) as (demo, supervisor):
        demo.kill()
    until(lambda: not alive(supervisor), "iris serve has ended")


PAGES = """
import contextlib, signal
from artifacts.settings import load
from serving.demo import DemoSettings, _mlflow
from serving.supervisor.home import Home
from serving.supervisor.ports import Ports

settings = load(DemoSettings)
home = Home(settings.home)
home.prepare()
with contextlib.ExitStack() as processes, Ports(print) as ports:
    _mlflow(settings, home, ports, processes)
    print("up", flush=True)
    signal.pause()
"""


def test_a_killed_demo_leaves_no_pages_of_mlflow(tmp_path: Path) -> None:
    """After SIGKILL MLflow ends by itself, with the server that it has started in turn."""
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-c", PAGES],
        env={**os.environ, "IRIS_HOME": str(tmp_path), "MLFLOW_PORT": str(port)},
        stdout=subprocess.PIPE,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        said = [demo.stdout.readline(), demo.stdout.readline()]
        demo.kill()
    assert said[1] == "up\n"
    found = re.search(r"process (\d+)", said[0])
    assert found is not None
    until(lambda: not alive(int(found[1])), "MLflow has ended")
    until(lambda: is_free(LOOPBACK, port), "its server has ended too")
