"""What a verified ledger says: pure questions over its records, no I/O."""

from dataclasses import dataclass
from functools import cached_property

from artifacts.release import Release
from registry.records import (
    AliasSettled,
    AliasState,
    Effect,
    Genesis,
    Intent,
    Kind,
    Outcome,
    Record,
    Result,
    Stamp,
    Step,
    Takeover,
)


@dataclass(frozen=True)
class Operation:
    """A promotion or rollback, with all that the ledger says of it."""

    record: Record
    intent: Intent
    effects: tuple[Effect, ...]
    takeovers: tuple[Record, ...]
    last: Record
    outcome: Outcome | None
    superseded: bool
    """A rollback ended it; it has no outcome of its own then."""
    alias_settled: bool

    @property
    def number(self) -> int:
        """The number of its intent, which is its name."""
        return self.record.number

    @property
    def writer(self) -> str:
        """Who is at work: who began it, or took it over last."""
        return str((self.takeovers[-1] if self.takeovers else self.record).by)

    def describe(self) -> str:
        """Say who is at work on what, since when, and how far he is."""
        step = self.effects[-1] if self.effects else "begin"
        return (
            f"a {self.intent.operation} to {self.intent.to} is under way: {self.writer}, "
            f"since {self.record.at:%Y-%m-%d %H:%M:%S} UTC, at the step '{step}'"
        )

    @property
    def succeeded(self) -> bool:
        """Whether it ended with its release serving."""
        return self.outcome is not None and self.outcome.result is Result.DONE

    @property
    def alias_pending(self) -> bool:
        """Whether the alias has yet to be moved."""
        pending = self.outcome is not None and self.outcome.alias is AliasState.PENDING
        return pending and not self.alias_settled


@dataclass(frozen=True)
class Chain:
    """The records of one ledger, verified from the first to the head."""

    records: tuple[Record, ...] = ()
    digests: tuple[str, ...] = ()

    @property
    def head(self) -> Stamp | None:
        """The last record's stamp."""
        return Stamp(len(self.digests) - 1, self.digests[-1]) if self.digests else None

    @property
    def genesis(self) -> Genesis | None:
        """Record 0, where the ledger has begun."""
        if not self.records:
            return None
        body = self.records[0].body
        assert isinstance(body, Genesis)
        return body

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        """Every promotion and rollback, in order."""
        numbers = [r.number for r in self.records if isinstance(r.body, Intent)]
        return tuple(self._operation(number) for number in numbers)

    @property
    def open(self) -> Operation | None:
        """The operation that has no outcome yet. There is at most one: the last."""
        if self.operations and self.operations[-1].outcome is None:
            return self.operations[-1]
        return None

    @property
    def serving(self) -> Release | None:
        """What serves according to the ledger: the release of the last outcome that names one."""
        ended = [o.outcome for o in self.operations if o.outcome is not None]
        return ended[-1].serving if ended else None

    @property
    def last_success(self) -> Operation | None:
        """The operation that brought what serves."""
        return next((o for o in reversed(self.operations) if o.succeeded), None)

    @cached_property
    def rejected(self) -> frozenset[str]:
        """The digests that were rolled back from and not promoted again since."""
        rejected: set[str] = set()
        for operation in self.operations:
            if operation.intent.operation is Kind.ROLLBACK and operation.succeeded:
                left = operation.intent.origin
                rejected |= {left.sha256} if left and left.sha256 else set()
            if operation.succeeded and operation.intent.to.sha256:
                rejected.discard(operation.intent.to.sha256)
        return frozenset(rejected)

    def releases(self) -> list[Release]:
        """Every release that ended well, the youngest first, each once."""
        good = [o.intent.to for o in reversed(self.operations) if o.succeeded]
        return list(dict.fromkeys(good))

    def previous(self) -> Release | None:
        """The release to go back to.

        It is the last that ended well, is not what serves, and was not itself rolled back from.
        During an open promotion it is what served before that began; an open rollback is gone on
        with.
        """
        if self.open is not None:
            intent = self.open.intent
            return intent.to if intent.operation is Kind.ROLLBACK else intent.origin
        serving = self.serving
        candidates = (r for r in self.releases() if r != serving)
        return next((r for r in candidates if r.sha256 not in self.rejected), None)

    def of(self, number: int) -> list[Record]:
        """Return every record of an operation, its intent first."""
        return [self.records[number], *self._following(number)]

    def _following(self, number: int) -> list[Record]:
        return [
            r
            for r in self.records[number + 1 :]
            if not isinstance(r.body, Genesis | Intent) and r.body.intent == number
        ]

    def _operation(self, number: int) -> Operation:
        record = self.records[number]
        intent = record.body
        assert isinstance(intent, Intent)
        own = self._following(number)
        outcomes = [r.body for r in own if isinstance(r.body, Outcome)]
        return Operation(
            record=record,
            intent=intent,
            effects=tuple(r.body.effect for r in own if isinstance(r.body, Step)),
            takeovers=tuple(r for r in own if isinstance(r.body, Takeover)),
            last=own[-1] if own else record,
            outcome=outcomes[0] if outcomes else None,
            superseded=any(
                isinstance(r.body, Intent) and r.body.supersedes == number for r in self.records
            ),
            alias_settled=any(isinstance(r.body, AliasSettled) for r in own),
        )
