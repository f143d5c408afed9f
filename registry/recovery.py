"""Recovery: what to do with an operation whose process died half-way.

    nothing changed yet                            → abandoned
    every instance proves the release, or has once → prove it (again), watch it, then the alias
    not every instance does                        → compensate
    a rollback                                     → go on with it

It begins with a takeover record, so it may be repeated, and die, at any point.
"""

import contextlib
import enum

from registry.chain import Chain, Operation
from registry.errors import OperationOpen, RolloutFailed, TakenOverByHand, VersionUnfit, WatchFailed
from registry.identity import is_dead
from registry.operation import RunningOperation
from registry.plan import Planned, promotion_plan
from registry.promotion import carry_out, refuse_out_of_reach, undo
from registry.records import AliasSettled, AliasState, Effect, Kind, Result, Step
from registry.rollback import go_back
from registry.rollout import TargetState, awaited
from registry.workspace import Workspace, registry_number


class Way(enum.StrEnum):
    """What becomes of an operation that was left open."""

    ABANDON = "abandon"
    FINISH = "finish"
    COMPENSATE = "compensate"
    GO_BACK = "go back"


_LOST = "the record of its rollout is lost"


def way_on(operation: Operation, state: TargetState) -> Way:
    """Decide, from what the ledger recorded and what serves now."""
    if operation.intent.operation is Kind.ROLLBACK:
        return Way.GO_BACK
    if Effect.ROLL_OUT not in operation.effects:
        return Way.ABANDON
    if Effect.COMPENSATE in operation.effects:
        return Way.COMPENSATE
    if {Effect.WATCH, Effect.MOVE_ALIAS}.intersection(operation.effects):
        return Way.FINISH  # every instance had proven it; the alias may name it already
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
        LedgerForeign, LedgerDamaged: ledger, MLflow and what serves do not belong together.
        LedgerMoved: somebody else is at work.
        NotCompensated, TargetError, RegistryUnavailable: it could not be ended; run it again when
            the cause is mended.
    """
    chain = work.ledger.read()
    done, told = [], []
    if chain.open is not None:
        why = _may_take_over(work, chain.open, takeover)
        before, state = chain.open, work.target.read()
        work.check_target(chain, state)
        refuse_out_of_reach(work, state, before.intent.watch_s)
        chain = _end(work, chain, before, why)
        outcome = chain.operation(before.number).outcome
        assert outcome is not None
        ended = f"{before.intent.operation} to {before.intent.to}: {outcome.result}"
        done.append(f"{ended} ({outcome.explanation})" if outcome.explanation else ended)
        by_hand = outcome.result is Result.TAKEN_OVER_BY_HAND
        serves = "what was put in by hand" if by_hand else outcome.serving or "nothing"
        if outcome.explanation == _LOST:
            serves = f"{before.intent.to} (and not {outcome.serving or 'nothing'}: iris reconcile)"
        told.append(f"{serves} serves; iris history {before.number} tells all")
    settled = settle_alias(work, chain, chain.pending.number) if chain.pending else []
    return done + settled + told


def _end(work: Workspace, chain: Chain, operation: Operation, why: str) -> Chain:
    running = RunningOperation.take_over(work, chain, operation.number, why)
    with running.at_work():
        return _end_as_found(work, running, operation)


def _end_as_found(work: Workspace, running: RunningOperation, operation: Operation) -> Chain:
    try:
        state = running.serving_now()
        way = way_on(operation, state)
    except TakenOverByHand as error:
        running.leave_to_hand(error)
        return running.chain
    if way is Way.GO_BACK:
        with contextlib.suppress(TakenOverByHand):  # it has ended so; the outcome says why
            go_back(work, running)
        return running.chain
    if way is Way.ABANDON:
        origin, lost = operation.intent.origin, state.release == operation.intent.to
        why = _LOST if lost else "nothing had been changed"
        running.end(Result.ABANDONED, origin, AliasState.UNTOUCHED, why)
    elif way is Way.COMPENSATE:
        with contextlib.suppress(TakenOverByHand):
            undo(running, "the promoter died before every instance had proven the release")
    else:
        with contextlib.suppress(RolloutFailed, WatchFailed, VersionUnfit, TakenOverByHand):
            carry_out(running, _left(running, work.settings.alias))
    work.try_stamp_registry(running.chain)
    return running.chain


def _left(running: RunningOperation, alias: str) -> list[Planned]:
    """Return what is left of the plan, once it was published: all that was cut short is anew."""
    done = {Effect.PUBLISH}
    if running.was_watched():
        done.add(Effect.WATCH)
    return [step for step in promotion_plan(running.intent, alias) if step.effect not in done]


def _may_take_over(work: Workspace, operation: Operation, takeover: str) -> str:
    """Return why the operation may be taken over, or refuse."""
    writer = operation.writer
    if is_dead(writer):
        return f"process {writer.pid} on {writer.host} has ended"
    if takeover:
        return takeover
    work.told(f"looking for {work.lease.length_s:g} s whether {writer} is still at work")
    if work.lease.has_run_out(operation.number):
        return f"{writer} has given no sign of life for {work.lease.length_s:g} s"
    raise OperationOpen(
        operation.describe(),
        hint='if it is not at work any more: iris recover --takeover "reason"',
    )


def settle_alias(work: Workspace, chain: Chain, intent: int) -> list[str]:
    """Let the alias name what serves, and record that under an operation that has ended.

    Args:
        work: what the command works on.
        chain: the ledger; nothing is under way.
        intent: the operation that brought what serves, or that left the alias pending.

    Returns:
        What was done, in a sentence.

    Raises:
        LedgerForeign: that MLflow belongs to another ledger.
        LedgerMoved: somebody else has begun an operation meanwhile.
        RegistryUnavailable, VersionUnfit: MLflow did not do it.
    """
    alias = work.settings.alias
    number = registry_number(chain.serving) if chain.serving else None
    work.check_registry_id(chain)
    # Before it is moved: whoever has begun an operation meanwhile moves it himself.
    chain = work.ledger.append(chain, Step(intent=intent, effect=Effect.MOVE_ALIAS))
    work.versions.move_alias(alias, number)
    chain = work.ledger.append(chain, AliasSettled(intent=intent))
    work.try_stamp_registry(chain)
    return [f"the alias {alias} names {f'version {number}' if number else 'nothing'}"]
