"""Reconcile: what serves, the ledger and the alias agree again, in the way that a person chooses.

A change that was made by hand is never undone unasked, and none is taken for granted unasked:

    to serving   what serves is recorded, with the digest that every instance reports
    to ledger    what the ledger says serves is brought back

Either way the alias then names what serves.
"""

from artifacts.release import Release
from registry.chain import Chain
from registry.errors import NothingToDo, TakenOverByHand, VersionUnfit
from registry.operation import RunningOperation
from registry.plan import promotion_plan
from registry.promotion import carry_out, refuse_open
from registry.records import Intent, Kind
from registry.recovery import settle_alias
from registry.rollback import bring_back
from registry.rollout import TargetState, awaited
from registry.workspace import Workspace, registry_number


def reconcile_to_serving(work: Workspace, reason: str) -> list[str]:
    """Record what serves, where the ledger says otherwise, and let the alias name it.

    Returns:
        What was done, a sentence each; empty where all agreed.

    Raises:
        OperationOpen: one is under way.
        LedgerMoved: one has begun meanwhile, and is left alone.
        TakenOverByHand: what serves is not one release, or is something else meanwhile.
        VersionUnfit: it calls itself a registered version, and is not that one.
        NothingToDo: nothing serves.
        RegistryUnavailable, TargetError: not done, or left to `iris recover`.
    """
    chain, state = _read(work)
    if state.release == chain.serving:
        return _settle(work, chain)
    release = _found(state)
    _check_version(work, release)
    intent = Intent(
        operation=Kind.ADOPTION, origin=state.release, to=release, evidence=None, reason=reason
    )
    operation = RunningOperation.begin(work, work.begin(chain, state), intent)
    with operation.at_work():
        carry_out(operation, promotion_plan(intent, work.settings.alias))
    work.try_stamp_registry(operation.chain)
    return [f"recorded that {release} serves: iris history {operation.number}"]


def reconcile_to_ledger(work: Workspace, reason: str) -> list[str]:
    """Bring back what the ledger says serves, and let the alias name it.

    Returns:
        What was done, a sentence each; empty where all agreed.

    Raises:
        OperationOpen: one is under way.
        LedgerMoved: one has begun meanwhile, and is left alone.
        NothingToDo: the ledger says that nothing serves.
        RegistryUnavailable, TargetError: not done, or left to `iris recover`.
    """
    chain, state = _read(work)
    if state.release == chain.serving:
        return _settle(work, chain)
    if chain.serving is None:
        raise NothingToDo(
            f"the ledger says that nothing serves, and {state.release} does",
            hint="to record it: iris reconcile --to serving; to replace it, after that: "
            "iris promote VERSION",
        )
    number = bring_back(work, chain, state, chain.serving, reason)
    return [f"{chain.serving} serves again: iris history {number}"]


def _read(work: Workspace) -> tuple[Chain, TargetState]:
    chain = work.ledger.read()
    refuse_open(chain)
    state = work.target.read()
    work.check_target(chain, state)
    return chain, state


def _found(state: TargetState) -> Release:
    """Return the release that serves, by the word of every instance."""
    asked = state.release
    if asked is None:
        raise NothingToDo(
            "nothing is asked for of what serves, so there is nothing to record",
            hint="iris reconcile --to ledger, or iris promote VERSION",
        )
    reported = {instance.release for instance in state.instances}
    found = next(iter(reported)) if len(reported) == 1 else None
    if awaited(state, asked) is not None or found is None or found.sha256 is None:
        raise TakenOverByHand(
            f"{asked} was put in by hand, and not every instance serves it yet",
            hint="iris status shows them; wait, or bring the former release back: "
            "iris reconcile --to ledger",
        )
    return found


def _check_version(work: Workspace, release: Release) -> None:
    """Refuse a release that bears a registered version's number and is another file."""
    number = registry_number(release)
    if number is not None and work.versions.candidate(number).sha256 != release.sha256:
        raise VersionUnfit(
            f"what serves calls itself version {number}, and is not the file that was registered "
            "under that number",
            hint="put it in again under another version text, or iris reconcile --to ledger",
        )


def _settle(work: Workspace, chain: Chain) -> list[str]:
    """Let the alias name what serves, where a hand or a late write has moved it."""
    if not chain.operations:
        return []
    number = registry_number(chain.serving) if chain.serving else None
    work.check_registry_id(chain)
    if work.versions.alias(work.settings.alias) == number:
        return []
    operation = chain.pending or chain.last_success or chain.operations[-1]
    return settle_alias(work, chain, operation.number)
