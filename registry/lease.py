"""The lease: a sign of life that a promoter at work leaves in the store. Advice only.

Safety is the ledger's and the fence's; the lease spares people a question. It has run out when a
watcher has seen no change of it for its length, on the watcher's own monotonic clock: no two wall
clocks are compared, so none needs to be right.
"""

import contextlib
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from artifacts.errors import BlobNotFound, StoreError
from artifacts.store import BlobStore
from registry.records import Writer

LENGTH_S = 15.0


class Beat(msgspec.Struct, frozen=True):
    """One sign of life."""

    operation: int
    by: Writer
    id: str
    """Random: each beat differs from the one before."""


class Lease:
    """The lease of one environment, on a small blob that is replaced again and again."""

    def __init__(
        self, records: BlobStore, environment: str, writer: Writer, length_s: float = LENGTH_S
    ) -> None:
        self._records = records
        self._name = f"lease/{environment}"
        self._writer = writer
        self.length_s = length_s

    @contextmanager
    def held(self, operation: int) -> Iterator[None]:
        """Beat five times in a length while the block runs. A store that is down is no matter."""
        ended = threading.Event()
        thread = threading.Thread(target=self._beat, args=(operation, ended), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(1.0)  # a store that hangs is not waited for

    def has_run_out(self, operation: int) -> bool:
        """Watch it for its length, and tell whether nobody at work on `operation` has beaten.

        Raises:
            StoreUnavailable: the store did not answer; nothing is known.
        """
        first, end = self._read(), time.monotonic() + self.length_s
        while time.monotonic() < end:
            time.sleep(self.length_s / 30)
            found = self._read()
            if found != first and found is not None and found.operation == operation:
                return False
        return True

    def _beat(self, operation: int, ended: threading.Event) -> None:
        while True:
            beat = Beat(operation, self._writer, secrets.token_hex(8))
            with contextlib.suppress(StoreError):  # whoever watches may take over: the fence holds
                self._records.replace(self._name, msgspec.json.encode(beat))
            if ended.wait(self.length_s / 5):
                return

    def _read(self) -> Beat | None:
        try:
            return msgspec.json.decode(self._records.read(self._name), type=Beat)
        except (BlobNotFound, ValueError):
            return None
