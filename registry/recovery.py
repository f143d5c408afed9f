"""Recovery: what to do with an operation whose process died half-way.

    nothing changed yet               → abandoned
    every instance proves the release → on to the alias
    not every instance does           → compensate
    a rollback                        → go on with it

It begins with a takeover record, so it may be repeated, and die, at any point.
"""

import enum

from registry.chain import Chain, Operation
from registry.errors import OperationOpen, RolloutFailed, TakenOverByHand
from registry.identity import is_dead
from registry.operation import RunningOperation
from registry.promotion import finish, undo
from registry.records import AliasSettled, AliasState, Effect, Kind, Result
from registry.rollback import go_back
from registry.rollout import TargetState, awaited
from registry.workspace import Workspace, registry_number


class Way(enum.StrEnum):
    """What becomes of an operation that was left open."""

    ABANDON = "abandon"
    FINISH = "finish"
    COMPENSATE = "compensate"
    GO_BACK = "go back"


def way_on(operation: Operation, state: TargetState) -> Way:
    """Decide, from what the ledger recorded and what serves now."""
    if operation.intent.operation is Kind.ROLLBACK:
        return Way.GO_BACK
    if Effect.ROLL_OUT not in operation.effects:
        return Way.ABANDON
    if Effect.COMPENSATE in operation.effects:
        return Way.COMPENSATE
    try:
        proven = awaited(state, operation.intent.to) is None
    except RolloutFailed:
        proven = False
    return Way.FINISH if proven else Way.COMPENSATE


def recover(work: Workspace, takeover: str = "") -> list[str]:
    """Bring an open operation to its end, and move an alias that was left pending.

    Args:
        work: what the command works on.
        takeover: why an operation is taken over whose process may still live; empty to refuse.

    Returns:
        What was done, a sentence each; empty where nothing was open.

    Raises:
        OperationOpen: whoever began it may still be at work.
        NotCompensated, TargetError, RegistryUnavailable: it could not be ended; run it again when
            the cause is mended.
    """
    chain = work.ledger.read()
    done = []
    if chain.open is not None:
        why = _may_take_over(chain.open, takeover)
        work.check_target(chain, work.target.read())
        before = chain.open
        chain = _end(work, chain, before, why)
        outcome = next(o for o in chain.operations if o.number == before.number).outcome
        assert outcome is not None
        done.append(f"{before.intent.operation} to {before.intent.to}: {outcome.result}")
    return done + _settle_alias(work, chain)


def _end(work: Workspace, chain: Chain, operation: Operation, why: str) -> Chain:
    running = RunningOperation.take_over(work, chain, operation.number, why)
    try:
        way = way_on(operation, running.serving_now())
    except TakenOverByHand as error:
        running.end(
            Result.TAKEN_OVER_BY_HAND, operation.intent.origin, AliasState.UNTOUCHED, error.message
        )
        return running.chain
    if way is Way.GO_BACK:
        go_back(work, running)
    elif way is Way.ABANDON:
        origin = operation.intent.origin
        running.end(Result.ABANDONED, origin, AliasState.UNTOUCHED, "nothing had been changed")
    elif way is Way.COMPENSATE:
        undo(running, "the promoter died before every instance had proven the release")
    else:
        finish(running)
    work.try_stamp_registry(running.chain)
    return running.chain


def _may_take_over(operation: Operation, takeover: str) -> str:
    """Return why the operation may be taken over, or refuse."""
    writer = (operation.takeovers[-1] if operation.takeovers else operation.record).by
    if is_dead(writer):
        return f"process {writer.pid} on {writer.host} has ended"
    if takeover:
        return takeover
    raise OperationOpen(
        operation.describe(),
        hint='if it is not at work any more: iris recover --takeover "reason"',
    )


def _settle_alias(work: Workspace, chain: Chain) -> list[str]:
    """Move an alias that the last successful operation left pending."""
    last = chain.last_success
    number = registry_number(last.intent.to) if last else None
    if last is None or number is None or not last.alias_pending:
        return []
    work.versions.move_alias(work.settings.alias, number)
    chain = work.ledger.append(chain, AliasSettled(intent=last.number))
    work.try_stamp_registry(chain)
    return [f"the alias {work.settings.alias} names version {number}"]
