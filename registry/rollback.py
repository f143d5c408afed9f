"""Rollback: a release that served well before serves again. It always starts.

Its intent ends an open operation, whose promoter is fenced off by that. It asks no gate but
integrity, and needs only the ledger, the blob store and what serves. Where MLflow does not answer,
the alias is left to `iris recover`.

During the first promotion of all there is no release before: then it takes that over and goes back
to nothing served. An adoption changes nothing of what serves, so there is nothing to go back from.
"""

import shlex
from collections.abc import Callable

from artifacts.release import Release
from registry.chain import Chain, Operation
from registry.errors import LedgerMoved, NothingToDo, TakenOverByHand
from registry.operation import RunningOperation
from registry.promotion import undo
from registry.records import AliasState, Intent, Kind, Result
from registry.rollout import TargetState
from registry.workspace import Workspace, check_file

_TRIES = 10
"""How often it begins anew because a promoter at work was quicker: he has few records to write."""
_NO_REASON = "rolled back"


def choose(work: Workspace, version: str | None) -> Release | None:
    """Return the release to go back to; None for nothing served, during the first promotion.

    Args:
        work: what the command works on.
        version: the version text of a release that ended well before; None for the one before.

    Raises:
        NothingToDo: there is no such release.
    """
    chain = work.ledger.read()
    good = chain.releases()
    if version is not None:
        found = next((r for r in good if r.version == version), None)
    elif _first_promotion(chain) is not None:
        return None
    else:
        found = chain.previous(work.target.read().release) if good else None
    if found is None:
        what = f"release {version}" if version is not None else "release before this one"
        open_ = f"; {chain.open.describe()}: iris recover ends it" if chain.open else ""
        raise NothingToDo(
            f"there is no {what} to roll back to",
            hint=f"{_released(chain)}{open_}",
        )
    return found


def _released(chain: Chain) -> str:
    """Say what was released so far, the youngest first, and how to serve one of them."""
    good = [o.intent.to for o in chain.operations if o.succeeded]
    youngest = list(dict.fromkeys(good))[::-1]
    known = ", ".join(release.version for release in youngest) or "none"
    other = next((r.version for r in youngest if r != chain.serving), None)
    way = f"one by name: iris rollback --to {shlex.quote(other)}; " if other else ""
    return f"{way}released so far: {known}; see iris history"


def rollback(work: Workspace, release: Release | None, reason: str) -> int:
    """Let what `choose` named serve again, and return the number of the operation in the ledger.

    Raises:
        BlobNotFound, DigestMismatch: its file is gone, or is not what it was; nothing changed.
        LedgerForeign, LedgerDamaged: ledger and target do not belong together; nothing changed.
        LedgerMoved: somebody else has taken over.
        TakenOverByHand: something else was put in by hand meanwhile, and is left as it is.
        TargetError, NotCompensated: it does not come up; the operation stays open, and
            `iris recover` goes on.
    """
    if release is None:
        return _back_to_nothing(work, reason)
    check_file(work.store.models, release)
    operation = _insist(work, lambda chain, state: _begin(work, chain, state, release, reason))
    return _carry_out(work, operation)


def bring_back(
    work: Workspace, chain: Chain, state: TargetState, release: Release, reason: str
) -> int:
    """Let a release serve again, as long as nobody has begun anything since `chain` was read.

    Raises:
        LedgerMoved: somebody has; it is his turn.
        BlobNotFound, DigestMismatch, TakenOverByHand, TargetError: see `rollback`.
    """
    check_file(work.store.models, release)
    return _carry_out(work, _begin(work, chain, state, release, reason))


def _begin(
    work: Workspace, chain: Chain, state: TargetState, release: Release, reason: str
) -> RunningOperation:
    intent = Intent(
        operation=Kind.ROLLBACK,
        origin=state.release,
        to=release,
        evidence=None,
        reason=reason,
        supersedes=chain.open.number if chain.open else None,
    )
    return RunningOperation.begin(work, chain, intent)


def _carry_out(work: Workspace, operation: RunningOperation) -> int:
    with operation.at_work():
        go_back(work, operation)
    return operation.number


def go_back(work: Workspace, operation: RunningOperation) -> None:
    """Roll out, move the alias or defer it, record the outcome.

    Raises:
        TakenOverByHand: something else was put in by hand meanwhile; that is recorded.
        TargetError: it does not come up; the operation stays open.
    """
    try:
        operation.roll_out()
    except TakenOverByHand as error:
        operation.leave_to_hand(error)
        raise
    alias = operation.move_alias_or_defer(operation.intent.to)
    operation.end(Result.DONE, operation.intent.to, alias, operation.intent.reason)
    if alias is not AliasState.PENDING:  # MLflow would be waited for once more
        work.try_stamp_registry(operation.chain)


def _insist(
    work: Workspace, begin: Callable[[Chain, TargetState], RunningOperation]
) -> RunningOperation:
    """Begin, however often whoever is at work appends a record just before."""
    tries = 0
    while True:
        chain, state = work.ledger.read(), work.target.read()
        work.check_target(chain, state)
        try:
            return begin(chain, state)
        except LedgerMoved:
            tries += 1
            if tries == _TRIES:
                raise


def _first_promotion(chain: Chain) -> Operation | None:
    """Return the open promotion before which nothing was released."""
    found = chain.open
    first = found is not None and found.intent.operation is Kind.PROMOTION and not chain.releases()
    return found if first else None


def _back_to_nothing(work: Workspace, reason: str) -> int:
    def take_over(chain: Chain, _: TargetState) -> RunningOperation:
        promotion = _first_promotion(chain)
        if promotion is None:
            raise NothingToDo("the promotion has ended meanwhile", hint="look at iris status")
        why, number = reason or _NO_REASON, promotion.number
        return RunningOperation.take_over(work, chain, number, why, rollback=True)

    operation = _insist(work, take_over)
    with operation.at_work():
        undo(operation, reason or _NO_REASON)
    return operation.number
