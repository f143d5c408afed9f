"""What a child of the supervisor is given."""

import asyncio
from pathlib import Path
from typing import cast

import httpx
import pytest

from artifacts.release import registry_release
from artifacts.settings import HomeSettings
from serving.supervisor import inference
from serving.supervisor.child import Child
from serving.supervisor.gateway import recording
from serving.supervisor.home import Home
from serving.supervisor.inference import Launcher
from serving.supervisor.ports import LOOPBACK, Ports

SECRETS = {
    "AZURE_STORAGE_CONNECTION_STRING": "AccountKey=secret",
    "IDENTITY_HEADER": "secret",
    "IRIS_STORE": "azure://account",
    "IRIS_SUPERVISOR_TOKEN": "secret",
    "MLFLOW_TRACKING_URI": "postgresql://user:secret@host/mlflow",
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A prepared IRIS_HOME, in an environment with secrets."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    home = Home(tmp_path / "home")
    home.prepare()
    return home


def test_those_who_serve_are_given_no_secret(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is started without more can't tell how to sign in to the store, or to MLflow."""
    (tmp_path / "tell.py").write_text("import os\nprint(*sorted(os.environ), sep='\\n')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("GATEWAY_MAX_ROWS", "7")

    async def run() -> None:
        assert await (await Child.start(home, "tell", "tell", {"GATEWAY_PORT": "1"})).wait() == 0

    asyncio.run(run())
    known = set((home.logs / "tell.log").read_text().splitlines())
    assert known & SECRETS.keys() == set()
    assert {"PATH", "GATEWAY_MAX_ROWS", "GATEWAY_PORT"} <= known


@pytest.mark.parametrize("share", [0.0, 0.01])
def test_a_gateway_is_told_how_to_sign_in_only_to_record(home: Home, share: float) -> None:
    """One that records nothing needs no store; none is told of MLflow or of the control."""
    given = recording(HomeSettings(iris_store="azure://account", iris_env="dev"), share)
    signs_in = {name: SECRETS[name] for name in SECRETS if name.startswith(("AZURE", "IDENTITY"))}
    expected = {**signs_in, "IRIS_STORE": "azure://account", "IRIS_ENV": "dev"}
    assert given == (expected if share else {})


def test_only_the_download_is_told_how_to_sign_in(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that serves finds its file on the disk, and needs no store."""
    given: dict[str, dict[str, str]] = {}

    class Recorded:
        @classmethod
        async def start(
            cls, _: Home, name: str, module: str, environ: dict[str, str]
        ) -> "Recorded":
            given[module] = environ
            return cls()

        async def wait(self) -> int:
            return 0

    async def run() -> None:
        with Ports(print) as ports:
            async with httpx.AsyncClient() as client:
                launcher = Launcher(home, "azure://account", ports, (LOOPBACK, 20_000), client)
                await launcher.start(registry_release(1, "1" * 64))

    monkeypatch.setattr(inference, "Child", Recorded)
    asyncio.run(run())
    told = {module: environ.keys() & SECRETS.keys() for module, environ in given.items()}
    assert told == {
        "serving.download_model": {
            "AZURE_STORAGE_CONNECTION_STRING",
            "IDENTITY_HEADER",
            "IRIS_STORE",
        },
        "bentos": set(),
    }


def test_why_a_child_ended_is_found_though_its_log_was_begun_anew(tmp_path: Path) -> None:
    """Its last words stand before where the log ended when it was started."""
    log = tmp_path / "gateway.log"
    log.write_text("the reason\n")
    child = Child(cast("asyncio.subprocess.Process", None), log, log_start=4096)
    assert child.last_line() == "the reason"
