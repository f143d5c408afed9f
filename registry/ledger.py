"""The ledger: an append-only, hash-chained sequence of records in the blob store.

Invariants, from which the rest follows:

1. A record is written once, under its number, by put-if-absent. Whoever writes number n holds it.
2. Record n names the digest of record n - 1, so nothing before the head can change unseen.
3. The head is the highest number *listed*. A hole stops everything and is never filled.
4. Nobody appends to a chain that he has not verified to its head.
5. What can't be mended is left behind by a new epoch, which a person begins: its first record names
   the last good one, and its numbers are above all that were ever given.

A machine keeps a copy of what it has verified, and reads on from there; only `verify` reads all.
"""

import contextlib
import datetime as dt
import itertools
import re
import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from artifacts.digests import sha256_hex
from artifacts.errors import BlobConflict, BlobNotFound
from artifacts.files import write_whole
from artifacts.store import BlobStore
from registry.chain import Chain
from registry.errors import LedgerDamaged, LedgerMoved
from registry.records import (
    EPOCH,
    Body,
    Continuation,
    Genesis,
    Record,
    Stamp,
    Writer,
    decode,
    encode,
    epoch_of,
)

_NAME = re.compile(r"(?P<number>\d{8})\.json")
_READERS = 16


class Verified:
    """The copy of the records that this machine has verified, in a file of its own.

    It spares reading them again, and it tells a ledger whose tail was rewritten or cut off since.
    Lost or damaged, it is as if there never was one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> list[bytes]:
        """Return the records' bytes, from the first on."""
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=list[str])
            return [record.encode() for record in kept]
        except (OSError, ValueError):
            return []

    def save(self, records: Sequence[bytes]) -> None:
        """Keep the records, where that is possible.

        It is not where a field that is not known here holds what is no UTF-8.
        """
        with contextlib.suppress(OSError, UnicodeDecodeError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._path, msgspec.json.encode([data.decode() for data in records]))

    def __str__(self) -> str:
        return str(self._path)


class Ledger:
    """The ledger of one environment."""

    def __init__(
        self, blobs: BlobStore, environment: str, writer: Writer, verified: Verified
    ) -> None:
        self._blobs = blobs
        self._environment = environment
        self._writer = writer
        self._verified = verified
        self._known: list[bytes] = []
        self._chain = Chain()

    def read(self) -> Chain:
        """Return every record. Those that this machine has verified before are not read again.

        Raises:
            LedgerDamaged: a record is missing, altered or out of order, or the ledger is no longer
                the one that this machine has verified.
            StoreUnavailable: the store did not answer.
        """
        if not self._known:
            self._recall()
        listed = self._listed()
        wanted = self._wanted(listed)
        self._check_there(wanted, listed)
        self._forget_void(wanted)
        known = len(self._known)
        if known:
            last = wanted[known - 1]
            self._check_same(last, self._blobs.read(self._name(last)), self._known[-1])
        if len(wanted) > known:
            self._extend(wanted[known:], self._fetch(wanted[known:]))
            self._verified.save(self._known)
        return self._chain

    def verify(self) -> Chain:
        """Read every record again, whatever was verified before.

        Raises:
            LedgerDamaged: see `read`; it names the record.
            StoreUnavailable: the store did not answer.
        """
        chain, damage = self.examine()
        if damage is not None:
            raise damage
        return chain

    def examine(self) -> tuple[Chain, LedgerDamaged | None]:
        """Read every record again, and return those that are good, with what is wrong after them.

        Raises:
            LedgerDamaged: it can't be told which records count.
            StoreUnavailable: the store did not answer.
        """
        if not self._known:
            self._recall()
        before = dict(zip((r.number for r in self._chain.records), self._known, strict=True))
        self._known, self._chain = [], Chain()
        listed = self._listed()
        wanted, there = self._wanted(listed), set(listed)
        numbers = list(itertools.takewhile(there.__contains__, wanted))
        found = self._fetch(numbers)
        good = [before.get(n, data) == data for n, data in zip(numbers, found, strict=True)]
        same = good.index(False) if False in good else len(numbers)
        try:
            self._extend(numbers[:same], found[:same])
            if same < len(numbers):
                self._check_same(numbers[same], found[same], before[numbers[same]])
            self._check_there(wanted, listed)
            self._check_reaches(wanted, list(before))
        except LedgerDamaged as damage:
            return self._chain, damage
        return self._chain, None

    def append(self, chain: Chain, body: Body, above: int = 0) -> Chain:
        """Write the record that follows the chain's head, and return the longer chain.

        A continuation begins the epoch that follows all that are listed, and that of `above`: a
        number that was given, and whose record may be lost.

        Raises:
            LedgerMoved: somebody else has written that number, or continued the ledger; he is
                named.
            StoreUnavailable: the store did not take the write.
        """
        number = chain.head.number + 1 if chain.head else 0
        listed = self._listed()
        newest = max(listed, default=0)
        if isinstance(body, Continuation):
            number = epoch_of(max(newest, above)) * EPOCH
        elif epoch_of(newest) > epoch_of(number):
            raise self._moved(epoch_of(newest) * EPOCH - EPOCH)
        record = Record(
            number=number,
            previous=chain.head.digest if chain.head else "",
            id=secrets.token_hex(16),
            at=dt.datetime.now(dt.UTC),
            by=self._writer,
            body=body,
        )
        data = encode(record)
        try:
            self._blobs.create(self._name(record.number), data)
        except BlobConflict:
            raise self._moved(record.number) from None
        return Chain((*chain.records, record), (*chain.digests, sha256_hex(data)))

    def void(self, chain: Chain) -> list[int]:
        """Return the numbers that are listed and were left behind by a newer epoch."""
        return [number for number in self._listed() if chain.is_void(number)]

    def _recall(self) -> None:
        """Take over the copy of what was verified; one that is damaged counts as none."""
        found = self._verified.load()
        try:
            self._extend([decode(data).number for data in found], found)
        except (ValueError, LedgerDamaged):
            self._known, self._chain = [], Chain()

    def _extend(self, numbers: list[int], found: list[bytes]) -> None:
        """Verify records that follow those that are known; those before a damaged one are kept."""
        records, digests = list(self._chain.records), list(self._chain.digests)
        try:
            for number, data in zip(numbers, found, strict=True):
                last = (records[-1].number, digests[-1]) if records else (-1, "")
                records.append(self._decoded(number, data, *last))
                digests.append(sha256_hex(data))
        finally:
            self._known += found[: len(records) - len(self._chain.records)]
            self._chain = Chain(tuple(records), tuple(digests))

    def _fetch(self, numbers: list[int]) -> list[bytes]:
        names = [self._name(number) for number in numbers]
        if len(names) == 1:
            return [self._blobs.read(names[0])]
        with ThreadPoolExecutor(_READERS) as readers:  # a store elsewhere takes its time for each
            return list(readers.map(self._blobs.read, names))

    def _moved(self, number: int) -> LedgerMoved:
        try:
            by = str(decode(self._blobs.read(self._name(number))).by)
        except (BlobNotFound, ValueError):  # whatever it is, it is not ours
            by = "somebody else"
        return LedgerMoved(
            f"{by} was first: record {number} of the ledger is his",
            hint="look at iris history, then begin again",
        )

    def _forget_void(self, wanted: list[int]) -> None:
        """Let go of known records that a newer epoch has left behind.

        Raises:
            LedgerDamaged: known records are gone, and no newer epoch is the reason.
        """
        numbers = [record.number for record in self._chain.records]
        self._check_reaches(wanted, numbers)
        pairs = enumerate(zip(numbers, wanted, strict=False))
        kept = next((i for i, (mine, theirs) in pairs if mine != theirs), len(numbers))
        self._known = self._known[:kept]
        self._chain = Chain(self._chain.records[:kept], self._chain.digests[:kept])

    def _check_reaches(self, wanted: list[int], known: list[int]) -> None:
        """Refuse a ledger that has lost records that are known, unless a newer epoch left them."""
        ends, knew = wanted[-1] if wanted else -1, known[-1] if known else -1
        if ends < knew:
            raise self._rewritten(
                f"it ends at record {ends}, and record {knew} was verified here: its tail was cut "
                "off"
            )

    def _check_same(self, number: int, found: bytes, verified: bytes) -> None:
        if found != verified:
            raise self._rewritten(f"record {number} is not the one that was verified here")

    def _rewritten(self, what: str) -> LedgerDamaged:
        damaged = self._damaged(what)
        return LedgerDamaged(
            damaged.message,
            hint=f"{damaged.hint}; where another ledger was put there on purpose, delete "
            f"{self._verified}",
        )

    def _listed(self) -> list[int]:
        """Return the numbers of all records that are listed, in order."""
        numbers = []
        for name in self._blobs.list(f"{self._environment}/"):
            found = _NAME.fullmatch(name.removeprefix(f"{self._environment}/"))
            if found is None:
                raise self._damaged(f"{name} is no record of it")
            numbers.append(int(found["number"]))
        return numbers

    def _wanted(self, listed: list[int]) -> list[int]:
        """Return the numbers of the records that count, in their order, listed or not.

        They are the newest epoch's up to the highest that is listed, and of the epochs before those
        up to the one that it goes on from.
        """
        wanted: list[int] = []
        end = listed[-1] if listed else -1
        while end >= 0:
            start = (epoch_of(end) - 1) * EPOCH
            wanted = [*range(start, end + 1), *wanted]
            end = self._continued(start) if start else -1
        return wanted

    def _continued(self, start: int) -> int:
        """Return the number of the record that an epoch goes on from."""
        known = self._chain.digest(start) is not None
        try:
            record = self._chain.record(start) if known else decode(self._read(start))
        except (BlobNotFound, ValueError) as error:
            what = "missing" if isinstance(error, BlobNotFound) else f"no record ({error})"
            raise self._damaged(
                f"record {start} is {what}, which says where epoch {epoch_of(start)} goes on from"
            ) from error
        if not isinstance(record.body, Continuation) or not 0 <= record.body.after < start:
            raise self._damaged(f"record {start} does not say where its epoch goes on from")
        return record.body.after

    def _check_there(self, wanted: list[int], listed: list[int]) -> None:
        there = set(listed)
        missing = next((number for number in wanted if number not in there), None)
        if missing is not None:
            later = next(number for number in listed if number > missing)
            raise self._damaged(f"record {missing} is missing, and {later:08d} is there")

    def _read(self, number: int) -> bytes:
        return self._blobs.read(self._name(number))

    def _decoded(self, number: int, data: bytes, before: int, previous: str) -> Record:
        try:
            record = decode(data)
        except ValueError as error:
            raise self._damaged(f"record {number} cannot be read ({error})") from error
        if record.number != number:
            raise self._damaged(f"record {number} says that it is record {record.number}")
        if record.previous != previous:
            raise self._damaged(
                f"record {number} does not follow record {before}: one of them was changed"
            )
        first = Genesis if number == 0 else Continuation if number % EPOCH == 0 else None
        if isinstance(record.body, Genesis | Continuation) != (first is not None) or (
            first and not isinstance(record.body, first)
        ):
            raise self._damaged(f"record {number} is a {type(record.body).__name__.lower()}")
        return record

    def _name(self, number: int) -> str:
        return f"{self._environment}/{number:08d}.json"

    def _damaged(self, what: str) -> LedgerDamaged:
        return LedgerDamaged(
            f"the ledger at {self._blobs.address(self._environment)} is damaged: {what}",
            hint="nothing is promoted or rolled back on it; restore the records from a copy of the "
            "store, then check them with iris verify-ledger",
        )


def read_stamp(text: str, where: str) -> Stamp:
    """Read a stamp that was left elsewhere as text.

    Raises:
        LedgerDamaged: it is none.
    """
    try:
        return Stamp.parse(text)
    except ValueError:
        raise LedgerDamaged(
            f"{where} carries {text[:80]!r} where the stamp of the ledger's head belongs",
            hint="somebody changed it; iris verify-ledger says whether the ledger is whole in "
            "itself, and the tag may then be deleted",
        ) from None


def last_good(
    chain: Chain, damage: LedgerDamaged | None, stamps: Mapping[str, Stamp]
) -> tuple[Chain, LedgerDamaged | None]:
    """Compare what was examined with the stamps, and return what all of them vouch for.

    Args:
        chain: the records that are good in themselves.
        damage: what is wrong after them; None for nothing.
        stamps: what was left elsewhere, by where.
    """
    for where, stamp in stamps.items():
        try:
            check_stamp(chain, stamp, where)
        except LedgerDamaged as error:
            damage = damage or error
            if chain.digest(stamp.number) is not None:  # it was rewritten from there on, or before
                chain = chain.before(stamp.number)
    if damage is None or chain.head is None:
        return chain, damage
    way = f'where there is no copy: iris continue-ledger --after {chain.head.number} --reason "…"'
    return chain, LedgerDamaged(damage.message, hint=f"{damage.hint}; {way}")


def check_stamp(chain: Chain, found: Stamp, where: str) -> None:
    """Compare the chain with a stamp that was left elsewhere. One that is void tells nothing.

    Raises:
        LedgerDamaged: the ledger's tail was cut off or rewritten since the stamp was made.
    """
    if chain.is_void(found.number):
        return
    if chain.digest(found.number) is None:
        ends = chain.head.number if chain.head else -1
        raise LedgerDamaged(
            f"the ledger ends at record {ends}, and {where} carries the stamp of "
            f"record {found.number}: the tail was cut off",
            hint="restore the missing records from a copy of the store",
        )
    if chain.digest(found.number) != found.digest:
        raise LedgerDamaged(
            f"record {found.number} of the ledger is not the one that {where} was stamped with: "
            "the tail was rewritten",
            hint="restore the records from a copy of the store",
        )
