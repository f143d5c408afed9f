"""What a verified ledger says: pure questions over its records, no I/O."""

from dataclasses import dataclass
from functools import cached_property

from artifacts.release import Release
from registry.records import (
    AliasSettled,
    AliasState,
    Continuation,
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
    Writer,
    epoch_of,
)
from registry.watch_rules import Former


@dataclass(frozen=True)
class Operation:
    """A promotion, rollback or adoption, with all that the ledger says of it."""

    record: Record
    intent: Intent
    steps: tuple[Step, ...]
    takeovers: tuple[Record, ...]
    ended: Record | None
    """The record of its outcome."""
    superseded: bool
    """A rollback ended it; it has no outcome of its own then."""
    alias_settled: bool

    @property
    def number(self) -> int:
        """The number of its intent, which is its name."""
        return self.record.number

    @property
    def effects(self) -> tuple[Effect, ...]:
        """The effects that were begun, in order."""
        return tuple(step.effect for step in self.steps)

    @property
    def former(self) -> Former | None:
        """What its watch window compares with, as it was before the first rollout."""
        return next((step.former for step in self.steps if step.former), None)

    @property
    def watched(self) -> str:
        """What its watch window saw, where that is over."""
        return next((step.watched for step in self.steps if step.watched), "")

    @property
    def outcome(self) -> Outcome | None:
        """How it ended."""
        body = self.ended.body if self.ended else None
        return body if isinstance(body, Outcome) else None

    @property
    def writer(self) -> Writer:
        """Who is at work: who began it, or took it over last."""
        return (self.takeovers[-1] if self.takeovers else self.record).by

    def describe(self, *, dead: bool = False) -> str:
        """Say who is at work on what, since when, and how far he is.

        Args:
            dead: whether his process is known to have ended.
        """
        step = self.effects[-1] if self.effects else "begin"
        what = f"a {self.intent.operation} to {self.intent.to}"
        since = f"since {self.record.at:%Y-%m-%d %H:%M:%S} UTC, at the step '{step}'"
        if dead:
            return f"{what} was left half-done, open {since}: {self.writer} has ended"
        return f"{what} is under way: {self.writer}, {since}"

    @property
    def succeeded(self) -> bool:
        """Whether it ended with its release serving."""
        return self.outcome is not None and self.outcome.result is Result.DONE

    @property
    def rolled_back(self) -> bool:
        """Whether a rollback took it over, and it was undone."""
        undone = self.outcome is not None and self.outcome.result is Result.COMPENSATED
        taken = (record.body for record in self.takeovers)
        return undone and any(isinstance(body, Takeover) and body.rollback for body in taken)

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
        return Stamp(self.records[-1].number, self.digests[-1]) if self.records else None

    @property
    def continuations(self) -> list[Record]:
        """The first record of each epoch but the first."""
        return [r for r in self.records if isinstance(r.body, Continuation)]

    @cached_property
    def _places(self) -> dict[int, int]:
        return {record.number: place for place, record in enumerate(self.records)}

    def record(self, number: int) -> Record:
        """Return the record of that number, which there is."""
        return self.records[self._places[number]]

    def digest(self, number: int) -> str | None:
        """Return the digest of the record of that number; None where it has none."""
        place = self._places.get(number)
        return None if place is None else self.digests[place]

    def is_void(self, number: int) -> bool:
        """Tell whether a record of that number is of an older epoch, and was left behind by it."""
        older = self.head is not None and 0 < epoch_of(number) < epoch_of(self.head.number)
        return older and number not in self._places

    def before(self, number: int) -> "Chain":
        """Return the chain as it was before the record of that number, which there is."""
        place = self._places[number]
        return Chain(self.records[:place], self.digests[:place])

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
        # An adoption that was not done has recorded nothing: what serves is still a hand's.
        ended = [
            o.outcome
            for o in self.operations
            if o.outcome and (o.succeeded or o.intent.operation is not Kind.ADOPTION)
        ]
        return ended[-1].serving if ended else None

    @property
    def last_success(self) -> Operation | None:
        """The operation that brought what serves."""
        return next((o for o in reversed(self.operations) if o.succeeded), None)

    @property
    def pending(self) -> Operation | None:
        """The operation whose alias has yet to be moved; no later one has moved it."""
        ended = (o for o in reversed(self.operations) if o.outcome is not None)
        moved = (o for o in ended if o.outcome and o.outcome.alias is not AliasState.UNTOUCHED)
        last = next(moved, None)
        return last if last is not None and last.alias_pending else None

    @cached_property
    def rejected(self) -> frozenset[str]:
        """The digests that were rolled back from and not promoted again since."""
        rejected: set[str] = set()
        for operation in self.operations:
            if operation.intent.operation is Kind.ROLLBACK and operation.succeeded:
                rejected |= {r.sha256 for r in self._left(operation.intent) if r.sha256}
            if operation.rolled_back and operation.intent.to.sha256:
                rejected.add(operation.intent.to.sha256)
            if operation.succeeded and operation.intent.to.sha256:
                rejected.discard(operation.intent.to.sha256)
        return frozenset(rejected)

    def releases(self) -> list[Release]:
        """Every release that ended well, the youngest first, each once."""
        good = [o.intent.to for o in reversed(self.operations) if o.succeeded]
        return list(dict.fromkeys(good))

    def previous(self, serving: Release | None) -> Release | None:
        """Return the release to go back to.

        It is the last that ended well, is not what serves, and was not itself rolled back from.
        During an open promotion it is what served before that began; an open rollback is gone on
        with.

        Args:
            serving: what serves, which may have been put in by hand.
        """
        if self.open is not None and self.open.intent.operation is not Kind.ADOPTION:
            intent = self.open.intent
            return intent.to if intent.operation is Kind.ROLLBACK else intent.origin
        candidates = (r for r in self.releases() if r != serving)
        return next((r for r in candidates if r.sha256 not in self.rejected), None)

    def ways_on(self, *, dead: bool) -> str:
        """Say what may be done about the open operation, which there is.

        Args:
            dead: whether the process of whoever was at work is known to have ended.
        """
        assert self.open is not None
        if self.open.intent.operation is Kind.ADOPTION and not self.releases():
            return "iris recover"  # before it nothing was released
        if dead:
            finish = "to finish it, or undo what cannot be finished: iris recover"
            return f"{finish}; to go back: iris rollback"
        return "wait for it; if it has died: iris recover; to go back at once: iris rollback"

    def put_in(self, intent: Intent) -> set[Release | None]:
        """Return what may serve during an operation without a hand having put it in.

        A rollback may meet what the operation that it ended was about to put in.
        """
        known: set[Release | None] = {intent.origin, intent.to}
        if intent.supersedes is not None:
            known |= self.put_in(self.operation(intent.supersedes).intent)
        return known

    def operation(self, number: int) -> Operation:
        """Return the operation of that number, which there is."""
        return next(o for o in self.operations if o.number == number)

    def of(self, number: int) -> list[Record]:
        """Return every record of an operation, its intent first."""
        return [self.record(number), *self._following(number)]

    def holding(self, number: int) -> int | None:
        """Return the operation that a record is of; None where there is none."""
        record = next((r for r in self.records if r.number == number), None)
        if record is None or isinstance(record.body, Genesis | Continuation):
            return None
        return number if isinstance(record.body, Intent) else record.body.intent

    def _left(self, intent: Intent) -> list[Release]:
        """Return what a rollback goes back from: what it met, and what it kept from serving."""
        left: list[Release | None] = [intent.origin]
        if intent.supersedes is not None:
            ended = self.operation(intent.supersedes).intent
            left += [ended.to] if ended.operation is Kind.PROMOTION else self._left(ended)
        return [release for release in left if release is not None]

    def _following(self, number: int) -> list[Record]:
        return [
            r
            for r in self.records[self._places[number] + 1 :]
            if not isinstance(r.body, Genesis | Continuation | Intent) and r.body.intent == number
        ]

    def _operation(self, number: int) -> Operation:
        record = self.record(number)
        intent = record.body
        assert isinstance(intent, Intent)
        own = self._following(number)
        return Operation(
            record=record,
            intent=intent,
            steps=tuple(r.body for r in own if isinstance(r.body, Step)),
            takeovers=tuple(r for r in own if isinstance(r.body, Takeover)),
            ended=next((r for r in own if isinstance(r.body, Outcome)), None),
            superseded=any(
                isinstance(r.body, Intent) and r.body.supersedes == number for r in self.records
            ),
            alias_settled=any(isinstance(r.body, AliasSettled) for r in own),
        )
