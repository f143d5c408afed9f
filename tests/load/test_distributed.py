"""Locust's own page as the master of several workers."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

import load_tests.suite
from load_tests.suite.plan import read
from tests.integration.serving.processes import Supervisor, publish, until
from tests.support.ports import free_port

SUITE = Path(load_tests.suite.__file__).parent
RATE, SECONDS, WORKERS = 100, 3, 2


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[str]:
    """A gateway with a promoted release."""
    with Supervisor(tmp_path / "home") as supervisor:
        supervisor.until_listening()
        supervisor.promote(publish(supervisor.home, 1))
        yield supervisor.gateway


def test_workers_share_the_schedule(gateway: str, tmp_path: Path) -> None:
    """Each request is sent once, whoever sends it, and the page shows the sum."""
    page, bind = free_port(), free_port()
    environ = {
        **os.environ,
        "HOST": gateway,
        "IRIS_HOME": str(tmp_path / "home"),
        "RATE": str(RATE),
        "FOR": f"{SECONDS}s",
        "WORKERS": str(WORKERS),
        "LOCUST_WEB_PORT": str(page),
        "LOCUST_MASTER_BIND_PORT": str(bind),
    }
    shared = {"LOAD_PLAN": str(tmp_path / ".load/run/plan"), "LOAD_SHARES": str(WORKERS)}
    worker = ["-f", str(SUITE / "locustfile.py"), "--worker", "--master-port", str(bind)]
    with ExitStack() as processes, (tmp_path / "log").open("wb") as log:

        def start(*command: str, **more: str) -> None:
            started = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=tmp_path,
                env={**environ, **more, "PYTHONPATH": str(SUITE.parents[1])},
                stdout=log,
                stderr=log,
            )
            processes.callback(started.wait)
            processes.callback(started.terminate)

        def stats() -> dict[str, Any]:
            try:
                found = httpx.get(f"http://127.0.0.1:{page}/stats/requests")
            except httpx.TransportError:
                return {}
            return dict(found.json()) if found.status_code == 200 else {}

        start("load_tests.suite", "--ui")
        until(lambda: Path(shared["LOAD_PLAN"]).exists(), "the plan is written")
        for _ in range(WORKERS):
            start("locust", *worker, **shared)
        until(lambda: len(stats().get("workers", [])) == WORKERS, "the workers are there")
        httpx.post(
            f"http://127.0.0.1:{page}/swarm", data={"user_count": WORKERS, "spawn_rate": WORKERS}
        ).raise_for_status()
        total = until(lambda: _ended(stats()), "every request is answered")
    assert total["num_failures"] == 0
    assert total["num_requests"] == len(read(Path(shared["LOAD_PLAN"])).due)


def _ended(stats: dict[str, Any]) -> dict[str, Any]:
    """Return the sum of all requests, once nobody sends any more."""
    (total,) = (each for each in stats["stats"] if each["name"] == "Aggregated")
    return dict(total) if stats["user_count"] == 0 and total["num_requests"] else {}
