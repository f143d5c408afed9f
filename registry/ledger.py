"""The ledger: an append-only, hash-chained sequence of records in the blob store.

Invariants, from which the rest follows:

1. A record is written once, under its number, by put-if-absent. Whoever writes number n holds it.
2. Record n names the digest of record n - 1, so nothing before the head can change unseen.
3. The head is the highest number *listed*. A hole stops everything and is never filled.
4. Nobody appends to a chain that he has not verified to its head.

A machine keeps a copy of what it has verified, and reads on from there; only `verify` reads all.
"""

import contextlib
import datetime as dt
import re
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from artifacts.digests import sha256_hex
from artifacts.errors import BlobConflict, BlobNotFound
from artifacts.files import write_whole
from artifacts.store import BlobStore
from registry.chain import Chain
from registry.errors import LedgerDamaged, LedgerMoved
from registry.records import Body, Genesis, Record, Stamp, Writer, decode, encode

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
        length, known = self._length(), len(self._known)
        self._check_length(length, known)
        if known:
            self._check_same(known - 1, self._blobs.read(self._name(known - 1)), self._known[-1])
        if length > known:
            self._extend(self._fetch(range(known, length)))
            self._verified.save(self._known)
        return self._chain

    def verify(self) -> Chain:
        """Read every record again, whatever was verified before.

        Raises:
            LedgerDamaged: see `read`; it names the record.
            StoreUnavailable: the store did not answer.
        """
        before = self._known or self._verified.load()
        self._known, self._chain = [], Chain()
        found = self._fetch(range(self._length()))
        for number, (data, expected) in enumerate(zip(found, before, strict=False)):
            self._check_same(number, data, expected)
        self._check_length(len(found), len(before))
        self._extend(found)
        return self._chain

    def append(self, chain: Chain, body: Body) -> Chain:
        """Write the record that follows the chain's head, and return the longer chain.

        Raises:
            LedgerMoved: somebody else has written that number; he is named.
            StoreUnavailable: the store did not take the write.
        """
        record = Record(
            number=len(chain.records),
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

    def _recall(self) -> None:
        """Take over the copy of what was verified; one that is damaged counts as none."""
        try:
            self._extend(self._verified.load())
        except LedgerDamaged:
            self._known, self._chain = [], Chain()

    def _extend(self, found: list[bytes]) -> None:
        """Verify records that follow those that are known."""
        records, digests = list(self._chain.records), list(self._chain.digests)
        for number, data in enumerate(found, len(records)):
            records.append(self._decoded(number, data, digests[-1] if digests else ""))
            digests.append(sha256_hex(data))
        self._known += found
        self._chain = Chain(tuple(records), tuple(digests))

    def _fetch(self, numbers: range) -> list[bytes]:
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

    def _check_length(self, length: int, known: int) -> None:
        if length < known:
            raise self._rewritten(
                f"it ends at record {length - 1}, and record {known - 1} was verified here: its "
                "tail was cut off"
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

    def _length(self) -> int:
        """Return how many records there are, where no number is missing."""
        names = self._blobs.list(f"{self._environment}/")
        for number, name in enumerate(names):
            found = _NAME.fullmatch(name.removeprefix(f"{self._environment}/"))
            if found is None:
                raise self._damaged(f"{name} is no record of it")
            if int(found["number"]) != number:
                raise self._damaged(f"record {number} is missing, and {found['number']} is there")
        return len(names)

    def _decoded(self, number: int, data: bytes, previous: str) -> Record:
        try:
            record = decode(data)
        except ValueError as error:
            raise self._damaged(f"record {number} cannot be read ({error})") from error
        if record.number != number:
            raise self._damaged(f"record {number} says that it is record {record.number}")
        if record.previous != previous:
            raise self._damaged(
                f"record {number} does not follow record {number - 1}: one of them was changed"
            )
        if isinstance(record.body, Genesis) != (number == 0):
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


def check_stamp(chain: Chain, found: Stamp, where: str) -> None:
    """Compare the chain with a stamp that was left elsewhere.

    Raises:
        LedgerDamaged: the ledger's tail was cut off or rewritten since the stamp was made.
    """
    if not 0 <= found.number < len(chain.digests):
        raise LedgerDamaged(
            f"the ledger ends at record {len(chain.digests) - 1}, and {where} carries the stamp of "
            f"record {found.number}: the tail was cut off",
            hint="restore the missing records from a copy of the store",
        )
    if chain.digests[found.number] != found.digest:
        raise LedgerDamaged(
            f"record {found.number} of the ledger is not the one that {where} was stamped with: "
            "the tail was rewritten",
            hint="restore the records from a copy of the store",
        )
