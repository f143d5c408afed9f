"""Azurite, the emulator of Azure Blob Storage, as a process of the tests."""

import base64
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import IO, NamedTuple, Self

PROGRAM = Path(__file__).parents[2] / "node_modules" / ".bin" / "azurite-blob"
# Accounts are named when Azurite starts, so there are more of them than tests that want one.
_ACCOUNTS = 500
_KEY = base64.b64encode(b"known to everybody").decode()


def why_absent() -> str:
    """Return why Azurite can't be started here, or nothing where it can."""
    if not shutil.which("node"):
        return "Node.js is not installed"
    if not PROGRAM.exists():
        return "npm ci has not been run"
    return ""


class Account(NamedTuple):
    """A storage account, and where it answers."""

    name: str
    port: int
    key: str = _KEY

    @property
    def uri(self) -> str:
        """What `IRIS_STORE` is set to."""
        return f"azure://{self.name}"

    @property
    def connection_string(self) -> str:
        """What `AZURE_STORAGE_CONNECTION_STRING` is set to."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={self.name};AccountKey={self.key};"
            f"BlobEndpoint=http://127.0.0.1:{self.port}/{self.name};"
        )

    def through(self, port: int) -> Self:
        """Return the same account, reached through a proxy on that port."""
        return self._replace(port=port)


class Azurite:
    """Azurite on a free port, with everything in memory. Every test gets an account of its own."""

    def __init__(self) -> None:
        command = [str(PROGRAM), "--blobPort", "0", "--inMemoryPersistence", "--disableTelemetry"]
        names = [f"test{number}" for number in range(_ACCOUNTS)]
        self._process = subprocess.Popen(
            [*command, "--skipApiVersionCheck", "--silent"],
            env={**os.environ, "AZURITE_ACCOUNTS": ";".join(f"{name}:{_KEY}" for name in names)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._port = 0
        self._names = iter(names)

    def __enter__(self) -> Self:
        assert self._process.stdout is not None
        self._port = _announced_port(self._process.stdout)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate(timeout=10)

    def new_account(self) -> Account:
        """Return an empty account that nobody else has."""
        return Account(next(self._names), self._port)


def _announced_port(output: IO[str]) -> int:
    """Read on until Azurite has said where it listens."""
    said = []
    for line in output:
        said.append(line)
        if found := re.search(r"successfully listens on http://127\.0\.0\.1:(\d+)", line):
            return int(found[1])
    raise AssertionError(f"Azurite did not start: {''.join(said)}")
