"""A system under test: all the processes that it consists of, from start to end."""

import contextlib
import http.client
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from load_tests.benchmark.errors import SystemFailed

START_S = 90.0
STOP_S = 15.0
_LOOK_S = 0.02
_MIB = 2**20


class Service:
    """A command with all of its descendants; they end with the `with` block, whatever happens."""

    def __init__(
        self,
        command: list[str],
        environ: dict[str, str],
        folder: Path,
        log: Path,
        *,
        tethered: bool = False,
    ) -> None:
        """Take what is started, where, and where its output goes.

        A command that is tethered ends where its standard input does: also when we are killed.
        """
        self._tethered = tethered
        self._command = command
        self._environ = environ
        self._folder = folder
        self._log = log
        self._seen: dict[int, psutil.Process] = {}

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environ,
                cwd=self._folder,
                stdin=subprocess.PIPE if self._tethered else subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us, and we end what we started
            )
        self.started = time.monotonic()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def family(self) -> list[psutil.Process]:
        """Return the processes that run now."""
        with contextlib.suppress(psutil.NoSuchProcess):
            main = psutil.Process(self._process.pid)
            for process in [main, *main.children(recursive=True)]:
                self._seen.setdefault(process.pid, process)
        return [process for process in self._seen.values() if process.is_running()]

    def until(self, answers: Callable[[], bool]) -> float:
        """Wait until it answers, and return how long that took since its start.

        Raises:
            SystemFailed: it ended, or takes too long.
        """
        while time.monotonic() - self.started < START_S:
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError, KeyError):
                if answers():
                    return time.monotonic() - self.started
            if self._process.poll() is not None:
                raise SystemFailed(f"it ended at its start: {self._last_line()}")
            time.sleep(_LOOK_S)
        raise SystemFailed(f"it is not ready after {START_S:g} s: {self._last_line()}")

    def cpu_s(self) -> float:
        """Return the CPU time of all processes until now."""
        total = 0.0
        for process in self.family():
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def memory_mib(self) -> float:
        """Return the memory of all processes; what they share counts once, where Linux tells."""
        total = 0.0
        for process in self.family():
            with contextlib.suppress(psutil.Error):
                memory = process.memory_full_info()
                total += getattr(memory, "pss", 0) or memory.rss
        return total / _MIB

    def started_later(self, word: str) -> float:
        """Return how long after the command itself the process with this word was started.

        Raises:
            SystemFailed: there is no such process.
        """
        for process in self.family():
            with contextlib.suppress(psutil.Error):
                if word in process.cmdline():
                    # Each is to a hundredth of a second; only the machine's start is not.
                    return process.create_time() - psutil.Process(self._process.pid).create_time()
        raise SystemFailed(f"it has no process with {word!r} in its command")

    def _last_line(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return f"{lines[-1]!r} (all of it: {self._log})" if lines else "it said nothing"

    def _stop(self) -> None:
        """Ask the command to end, and force whatever is left; a second Ctrl-C forces at once."""
        family = self.family()
        try:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_S)
            # A child may outlive its parent, though mostly by moments.
            _, family = psutil.wait_procs(family, timeout=1)
        finally:
            for process in family:
                with contextlib.suppress(psutil.Error):
                    process.kill()  # by its id and its time of birth
            self._process.wait()
            if self._process.stdin is not None:
                self._process.stdin.close()
