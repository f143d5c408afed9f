"""What was really served, sampled, as batches in the store for the replay gate.

Requests are picked at random, so a record is what clients send and not what one of them repeats.
The event loop only keeps what was picked; a thread writes it. A batch is written again as it grows,
so little is lost with the process, and few requests make few batches. Memory is bounded, and so are
the releases of which there are batches, and their number, whichever gateway wrote them. A store
that is down or slow costs records and never a request.
"""

import datetime as dt
import logging
import random
import threading
from collections.abc import Callable

from artifacts.errors import IrisError, StoreUnavailable
from artifacts.replay import Served, ServedBatch, batch_name, begun, encode
from artifacts.store import BlobStore
from serving.gateway.models import Answered, ServedModel
from serving.gateway.sampling import Sampler
from serving.gateway.schema import Row

BATCH_ROWS = 1000  # a request with more of them is a batch of its own
BATCH_AGE = dt.timedelta(days=1)  # its name says when it was begun, and other gateways go by that
RELEASES_KEPT = 8  # those that were recorded last, in an environment
BATCHES_HELD = 8  # in memory: the last of each release, and those that wait to be written
WRITE_S = 5.0  # how late a record may be written, where no batch is full before
STOP_S = 5.0  # how long the end may wait for the store

log = logging.getLogger(__name__)


class _Batch:
    """Requests that one release answered, on their way to one blob."""

    def __init__(self, name: str, model: ServedModel, begun: dt.datetime) -> None:
        self.name = name
        self.model = model
        self.begun = begun
        self.requests: list[Served] = []
        self.rows = 0
        self.written = 0
        """How many of the requests are in the store already."""
        self.full = False

    @property
    def stored(self) -> bool:
        """Whether all of it is in the store."""
        return self.written == len(self.requests)

    def encoded(self, requests: list[Served]) -> bytes:
        """Return the blob that holds these."""
        model = self.model
        return encode(
            ServedBatch(
                version=model.id.version,
                sha256=model.id.sha256,
                features=list(model.features),
                labels=model.labels,
                requests=requests,
            )
        )


class Recorder:
    """The record of one gateway. `record` is the event loop's, `write` the thread's."""

    def __init__(
        self,
        blobs: BlobStore,
        environment: str,
        share: float,
        batches: int,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Set up a record that nothing is written to yet.

        Args:
            blobs: the store's part for it.
            environment: under whose name it lies there.
            share: of the requests that is recorded, above 0 and at most 1.
            batches: the most that are kept of a release.
            chance: gives numbers from 0 to 1, 1 excluded.
        """
        self._blobs = blobs
        self._environment = environment
        self._kept = batches
        self._sampler = Sampler(share, chance)
        self._held: list[_Batch] = []
        """In the order in which they were written, or tried, last."""
        self._lost = 0
        self._complained = False
        self._lock = threading.Lock()  # held for moments, never while the store is asked
        self._due = threading.Event()
        self._stopping = False
        # A daemon, so that a store that hangs can't keep the process from its end.
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self) -> None:
        """Begin to write what is recorded."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is left, within `STOP_S`."""
        self._stopping = True
        self._due.set()
        self._thread.join(STOP_S)
        left = sum(len(batch.requests) - batch.written for batch in self._held)
        if left or self._lost:
            log.warning("records of what was served are lost", extra={"lost": left + self._lost})

    def record(self, answered: Answered, rows: list[Row]) -> None:
        """Keep a request that was answered, if it is its turn."""
        if self._sampler.picks():
            self._keep(answered, rows)

    def _keep(self, answered: Answered, rows: list[Row]) -> None:
        at = now()
        probabilities = [list(given) for given in answered.probabilities]
        with self._lock:
            batch = self._batch(answered.model, len(rows), at)
            if batch is None:
                self._lost += 1
                return
            batch.requests.append(Served(at, rows, probabilities))
            batch.rows += len(rows)
            batch.full = batch.rows >= BATCH_ROWS
        if batch.full:
            self._due.set()

    def _batch(self, model: ServedModel, rows: int, at: dt.datetime) -> _Batch | None:
        """Return the batch that the rows go to; None where there is no room for another one."""
        for batch in [b for b in self._held if b.model.release == model.release]:
            if not batch.full:
                if batch.rows + rows <= BATCH_ROWS and at - batch.begun < BATCH_AGE:
                    return batch
                batch.full = True
            if batch.stored:
                self._held.remove(batch)
        if len(self._held) >= BATCHES_HELD:
            stored = next((b for b in self._held if b.stored), None)
            if stored is None:
                return None
            self._held.remove(stored)
        batch = _Batch(batch_name(self._environment, model.id.sha256, at), model, at)
        self._held.append(batch)
        return batch

    def _run(self) -> None:
        stopping = False
        while not stopping:
            self._due.wait(WRITE_S)
            self._due.clear()
            stopping = self._stopping  # read before the write: what came until then is written
            self.write()

    def write(self) -> None:
        """Write what is not in the store yet; what fails is tried again next time.

        A batch that fails keeps no other from the store. Where that is down, each would wait for
        its time-outs, so the rest is left to the next time, which begins with it.
        """
        failed = False
        for batch in list(self._held):
            try:
                self._write(batch)
            except StoreUnavailable as error:
                self._complain(error)
                return
            except Exception as error:  # noqa: BLE001  a defect must not end the thread
                failed = True
                self._complain(error)
        if not failed:
            self._all_is_written()

    def _complain(self, error: Exception) -> None:
        """Say it once, until all is written again."""
        if self._complained:
            return
        self._complained = True
        if isinstance(error, IrisError):
            fields = {"error": error.in_one_line()}
            log.warning("what is served is not recorded", extra=fields)
        else:
            log.error("a defect: what was served is not recorded", exc_info=error)

    def _all_is_written(self) -> None:
        with self._lock:
            lost, self._lost = self._lost, 0
        if self._complained or lost:
            self._complained = False
            log.info("what is served is recorded again", extra={"lost": lost})

    def _write(self, batch: _Batch) -> None:
        with self._lock:
            if batch.stored:
                return
            requests = list(batch.requests)
            self._held.remove(batch)
            self._held.append(batch)
        self._blobs.replace(batch.name, batch.encoded(requests))
        first = not batch.written
        batch.written = len(requests)
        if first:
            self._delete_oldest()

    def _delete_oldest(self) -> None:
        """Delete what is more than is kept of a release, and the releases of long ago.

        A batch is named when it is begun. What was recorded here since then makes its release
        younger than that says, so a release of which there is a batch here still stays.
        """
        releases: dict[str, list[str]] = {}
        for name in self._blobs.list(f"{self._environment}/"):
            releases.setdefault(_release(name), []).append(name)
        with self._lock:
            held = {_release(batch.name) for batch in self._held}
        in_order = sorted(releases, key=lambda release: begun(releases[release][-1]))
        for release in in_order[:-RELEASES_KEPT]:
            if release not in held:
                self._delete(releases.pop(release))
        for names in releases.values():
            self._delete(names[: -self._kept])

    def _delete(self, names: list[str]) -> None:
        for name in names:
            self._blobs.delete(name)


def now() -> dt.datetime:
    """Return the moment, in UTC."""
    return dt.datetime.now(dt.UTC)


def _release(name: str) -> str:
    """Return what the batches of one release have in common."""
    return name.rpartition("/")[0]
