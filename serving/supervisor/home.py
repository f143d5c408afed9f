"""The supervisor's files in one IRIS_HOME."""

import fcntl
import os
import secrets
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from artifacts.digests import sha256_hex
from artifacts.errors import IrisError, UsageError
from artifacts.files import write_whole
from artifacts.release import Release


class HomeUnusable(IrisError):
    """The folder can't be written to."""


class AlreadyServing(UsageError):
    """Another supervisor is at work on the same folder."""


class Home:
    """Where each file lies. `prepare` makes the folders."""

    def __init__(self, root: Path, instances: str = "") -> None:
        """Take the folder, and where the list of instances lies if not in it."""
        self.root = root
        self.state = root / "supervisor-state.json"
        self.instances = Path(instances) if instances else root / "supervisor-instances.json"
        self.scraped = self.instances.with_name("prometheus-targets.json")
        self.run = root / "run"
        self.logs = root / "logs"
        self.bentoml = root / "bentoml"
        self._lock = root / "supervisor.lock"
        self._token = root / "supervisor.token"
        self._address = root / "supervisor.json"

    def prepare(self) -> None:
        """Make the folders.

        Raises:
            HomeUnusable: they can't be made.
        """
        try:
            for folder in (self.run, self.logs, self.bentoml):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(error) from error

    @contextmanager
    def locked(self, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
        """Hold the folder for this process, until it ends in whatever way.

        Args:
            waiting: is told who holds it, and then it is waited for; None: that is refused.

        Raises:
            AlreadyServing: another process holds it.
            HomeUnusable: it can't be written to.
        """
        try:
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pid = os.read(descriptor, 20).decode().strip()
                held = f"iris serve is running on {self.root} already, as process {pid}"
                if waiting is None:
                    hint = "use that one, stop it, or set IRIS_HOME to another folder"
                    raise AlreadyServing(held, hint=hint) from None
                waiting(held)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                os.lseek(descriptor, 0, os.SEEK_SET)
            try:
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()}\n".encode())
            except OSError as error:
                raise self._unusable(error) from error
            yield
        finally:
            os.close(descriptor)

    def token(self) -> str:
        """Return the token of the control interface, which is made once and kept."""
        try:
            return self._token.read_text().strip()
        except FileNotFoundError:
            token = secrets.token_urlsafe(32)
            self._write(self._token, token.encode())
            return token

    @contextmanager
    def published(self, url: str) -> Iterator[None]:
        """Tell others where the control interface is, while it is there."""
        self._write(self._address, msgspec.json.encode({"url": url, "pid": os.getpid()}))
        try:
            yield
        finally:
            self._address.unlink(missing_ok=True)

    def model_path(self, release: Release) -> Path:
        """Return where the file of `release` goes; equal digests share one."""
        name = release.sha256 or f"by-hand-{sha256_hex(release.blob.encode())[:16]}"
        return self.root / "models" / f"{name}.onnx"

    def forget_models(self, kept: Collection[Release]) -> None:
        """Delete the files of all other releases; who needs one again fetches it from the store."""
        files = {self.model_path(release) for release in kept}
        for path in set((self.root / "models").glob("*.onnx")) - files:
            with suppress(OSError):  # it only takes space
                path.unlink()

    def _write(self, path: Path, data: bytes) -> None:
        try:
            write_whole(path, data)
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> HomeUnusable:
        return HomeUnusable(
            f"IRIS_HOME={self.root} cannot be written to: {error.strerror}",
            hint="check its rights and the disk's free space, or set IRIS_HOME to another folder",
        )
