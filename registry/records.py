"""The records of the ledger, as they lie in the blob store.

A record is an envelope (its number, the digest of the one before, who and when) around a body. An
operation is a promotion or a rollback: an intent, a step before each effect, an outcome.

The schema's number is in each record; a field added later has a default, so that yesterday's
records stay readable.
"""

import datetime as dt
import enum
import re
from typing import Literal, Self

import msgspec

from artifacts.release import Release
from registry.watch_rules import Former


class Kind(enum.StrEnum):
    """What an operation sets out to do."""

    PROMOTION = "promotion"
    ROLLBACK = "rollback"
    ADOPTION = "adoption"  # what was put in by hand is recorded


class Effect(enum.StrEnum):
    """The effects of an operation, in their order; each is recorded before it happens."""

    PUBLISH = "publish"
    ROLL_OUT = "roll out"
    WATCH = "watch"
    MOVE_ALIAS = "move alias"
    COMPENSATE = "compensate"


class Cause(enum.StrEnum):
    """Why a ledger was continued in a new epoch."""

    DAMAGE = "damage"
    FAILOVER = "failover"


class Result(enum.StrEnum):
    """How an operation ended."""

    DONE = "done"
    ABANDONED = "abandoned"  # nothing had been changed
    COMPENSATED = "compensated"  # what served before serves again
    TAKEN_OVER_BY_HAND = "taken over by hand"  # what serves was changed by hand, and left so


class AliasState(enum.StrEnum):
    """What became of the alias."""

    MOVED = "moved"
    PENDING = "pending"  # MLflow did not answer; `iris recover` moves it
    UNTOUCHED = "untouched"


class _Body(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    pass


class Genesis(_Body, frozen=True, kw_only=True, tag="genesis"):
    """Record 0: whose ledger this is. Ids, never addresses, because addresses move."""

    ledger: str
    environment: str
    target: str
    model: str


class Intent(_Body, frozen=True, kw_only=True, tag="intent"):
    """An operation begins. Creating this record is the lock."""

    operation: Kind
    origin: Release | None
    """What serves, and what a failed promotion goes back to; None for nothing."""
    to: Release
    evidence: str | None
    """The digest of the gate report; None for a rollback, which is not gated."""
    reason: str
    supersedes: int | None = None
    """The open operation that a rollback ends by beginning."""
    watch_s: float = 0.0
    """How long the release is watched before the alias names it, in seconds."""
    forced: str = ""
    """Why it goes on although a gate said no."""
    accepted: str = ""
    """Why it goes on although a gate could not say yes."""
    contract_change: str = ""
    """Why clients may see another contract."""

    @property
    def why(self) -> str:
        """Every reason that was given, in one line."""
        given = {
            "": self.reason,
            "forced: ": self.forced,
            "accepted as inconclusive: ": self.accepted,
            "the contract may change: ": self.contract_change,
        }
        return "; ".join(label + reason for label, reason in given.items() if reason)


class Step(_Body, frozen=True, kw_only=True, tag="step"):
    """The effect that comes next."""

    intent: int
    effect: Effect
    former: Former | None = None
    """At the rollout: what the watch window compares with, whoever carries it out."""
    watched: str = ""
    """At the end of the watch window: what it saw, whoever records the outcome."""


class Takeover(_Body, frozen=True, kw_only=True, tag="takeover"):
    """Somebody else goes on with an operation; whoever began it is fenced off from here."""

    intent: int
    reason: str
    rollback: bool = False
    """Whether it is a rollback, before which nothing was released: it goes back to nothing."""


class Outcome(_Body, frozen=True, kw_only=True, tag="outcome"):
    """An operation has ended."""

    intent: int
    result: Result
    serving: Release | None
    """What serves now, or what served before a hand changed it; None for nothing."""
    alias: AliasState
    explanation: str
    watched: str = ""
    """What the watch window saw, or why there was none."""


class AliasSettled(_Body, frozen=True, kw_only=True, tag="alias settled"):
    """An alias that an outcome left pending has been moved."""

    intent: int


class Continuation(_Body, frozen=True, kw_only=True, tag="continuation"):
    """The first record of an epoch: the ledger goes on from an earlier one, named by `previous`.

    What came after that one in an older epoch is void.
    """

    after: int
    cause: Cause
    reason: str
    store: str = ""
    """Where it was begun, so that a copy of that store is another place."""


Body = Genesis | Continuation | Intent | Step | Takeover | Outcome | AliasSettled

EPOCH = 1_000_000
"""How many numbers an epoch has: so every number of a newer one is above all that were ever given,
also those that are lost, and a stamp of it is above every stamp that was left anywhere."""


def epoch_of(number: int) -> int:
    """Return the epoch that a record's number is of; the first is 1."""
    return number // EPOCH + 1


class Writer(msgspec.Struct, frozen=True, kw_only=True):
    """Who wrote a record, and which process, so that a dead one can be told on its machine."""

    name: str
    verified: bool
    """Whether somebody vouches for the name; a plain user name is whatever its owner says."""
    host: str
    pid: int
    started: float
    """When the process began, in seconds since 1970, for whoever looks for it in a log.

    No program goes by it: it moves with the clock that it is reckoned from.
    """

    def __str__(self) -> str:
        return f"{self.name}@{self.host} (process {self.pid})"


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The envelope."""

    schema: Literal[1] = 1
    number: int
    previous: str
    """The SHA-256 of the bytes of the record before; empty for the first."""
    id: str
    """Random: after an answer that was lost, it tells the own record from somebody else's."""
    at: dt.datetime
    by: Writer
    body: Body


class Stamp(msgspec.Struct, frozen=True):
    """A record by number and digest, as it is stamped into what serves and into the registry."""

    number: int
    digest: str

    def __str__(self) -> str:
        return f"{self.number}@{self.digest}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote.

        Raises:
            ValueError: nothing that `str` wrote.
        """
        if not re.fullmatch(r"\d{1,18}@[0-9a-f]{64}", text, re.ASCII):
            raise ValueError(text)
        number, _, digest = text.partition("@")
        return cls(int(number), digest)


def encode(record: Record) -> bytes:
    """Return the bytes of a record; they are what its digest is taken of."""
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"


def decode(data: bytes) -> Record:
    """Read a record.

    Raises:
        ValueError: the bytes are no record of a schema that is known here.
    """
    return msgspec.json.decode(data, type=Record)
