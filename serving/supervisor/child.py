"""One child process: a module of ours, in a session of its own, its output in a log file."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from artifacts.errors import IrisError
from artifacts.files import open_log
from serving.logs import told_by
from serving.supervisor.home import Home

# Longer than the gateway and the inference service give to what they have accepted.
DRAIN_S = 40.0
_LAST_BYTES = 8192

# What each child is given its own of, or must not know.
_OWN = ("MODEL_", "INFERENCE_", "GATEWAY_INSTANCES", "SUPERVISOR_")
# How to sign in to the blob store, and what else is for commands: those who serve need none of it.
_SIGN_IN = ("AZURE_", "IDENTITY_", "MSI_")
_COMMANDS = ("IRIS_", "MLFLOW_")


class CannotStart(IrisError):
    """The operating system refuses a process, or a file for its output."""


class Child:
    """A process that was started. Made by `start`."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path, log_start: int) -> None:
        self._process = process
        self._log = log
        self._log_start = log_start
        self._started = time.monotonic()

    @classmethod
    async def start(cls, home: Home, name: str, module: str, environ: Mapping[str, str]) -> Self:
        """Start `python -m MODULE`, with `environ` on top of what this process lets out of its own.

        It ends when this process ends; see `serving.supervisor.tether`. A session of its own keeps
        the terminal's Ctrl-C from it, so that it's stopped in order.

        Raises:
            CannotStart: it was not started.
        """
        try:
            return await cls._start(home, name, module, environ)
        except OSError as error:
            raise CannotStart(
                f"{name} cannot be started: {error.strerror}",
                hint="check the disk's free space, and the limit of processes",
            ) from error

    @classmethod
    async def _start(cls, home: Home, name: str, module: str, environ: Mapping[str, str]) -> Self:
        log = home.logs / f"{name}.log"
        with open_log(log) as output:
            log_start = output.tell()
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "serving.supervisor.tether"),
                *(str(home.run / f"{name}.pid"), module),
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                env={**_inherited(), **environ},
                start_new_session=True,
            )
        return cls(process, log, log_start)

    @property
    def pid(self) -> int:
        """Its process id, which is also that of its group."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it hasn't ended yet."""
        return self._process.returncode is None

    @property
    def age_s(self) -> float:
        """How long ago it was started."""
        return time.monotonic() - self._started

    async def wait(self) -> int:
        """Wait for its end and return its exit code; what it may have started ends with it."""
        code = await self._process.wait()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        return code

    async def stop(self, patience_s: float = DRAIN_S) -> None:
        """Let it finish what it has accepted, up to a limit; then end it."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(patience_s):
                await self.wait()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """End it and whatever it started, at once."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        await self.wait()

    def last_line(self) -> str:
        """Return the last line that it wrote: why it ended, as a rule."""
        with self._log.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            start = self._log_start if self._log_start <= end else 0  # it was begun anew since
            file.seek(max(start, end - _LAST_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
        said = (line.strip() for line in reversed(lines))
        return told_by(next((line for line in said if line), "it said nothing"))


def sign_in() -> dict[str, str]:
    """Return the variables that sign in to the blob store, for the child that reads from it."""
    return {name: value for name, value in os.environ.items() if name.startswith(_SIGN_IN)}


def _inherited() -> dict[str, str]:
    kept_back = (*_OWN, *_SIGN_IN, *_COMMANDS)
    return {name: value for name, value in os.environ.items() if not name.startswith(kept_back)}
