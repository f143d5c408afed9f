"""The ledger: an append-only, hash-chained sequence of records in the blob store.

Invariants, from which the rest follows:

1. A record is written once, under its number, by put-if-absent. Whoever writes number n holds it.
2. Record n names the digest of record n - 1, so nothing before the head can change unseen.
3. The head is the highest number *listed*. A hole stops everything and is never filled.
4. Nobody appends to a chain that he has not verified to its head.
"""

import datetime as dt
import re
import secrets

from artifacts.digests import sha256_hex
from artifacts.errors import BlobConflict
from artifacts.store import BlobStore
from registry.chain import Chain
from registry.errors import LedgerDamaged, LedgerMoved
from registry.records import Body, Genesis, Record, Stamp, Writer, decode, encode

_NAME = re.compile(r"(?P<number>\d{8})\.json")


class Ledger:
    """The ledger of one environment."""

    def __init__(self, blobs: BlobStore, environment: str, writer: Writer) -> None:
        self._blobs = blobs
        self._environment = environment
        self._writer = writer

    def read(self) -> Chain:
        """Return every record, verified.

        Raises:
            LedgerDamaged: a record is missing, altered or out of order.
            StoreUnavailable: the store did not answer.
        """
        records: list[Record] = []
        digests: list[str] = []
        for number in range(self._length()):
            data = self._blobs.read(self._name(number))
            records.append(self._verified(number, data, digests[-1] if digests else ""))
            digests.append(sha256_hex(data))
        return Chain(tuple(records), tuple(digests))

    def append(self, chain: Chain, body: Body) -> Chain:
        """Write the record that follows the chain's head, and return the longer chain.

        Raises:
            LedgerMoved: somebody else has written that number.
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
            raise LedgerMoved(
                f"record {record.number} of the ledger was written by somebody else meanwhile",
                hint="look at iris history, then begin again",
            ) from None
        return Chain((*chain.records, record), (*chain.digests, sha256_hex(data)))

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

    def _verified(self, number: int, data: bytes, previous: str) -> Record:
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
