"""Whether a deploy may go ahead.

A deploy makes new pods, and those take what `model-config` says: so where a promotion is half-way,
or where something serves that was put in by hand, it would change what serves.
"""

from artifacts.release import Release
from registry.errors import TakenOverByHand
from registry.promotion import refuse_open
from registry.status import RECONCILE, by_hand
from registry.workspace import Workspace


def preflight(work: Workspace) -> Release | None:
    """Return what serves, and goes on serving; None for nothing.

    Raises:
        OperationOpen: a promotion or a rollback is under way.
        TakenOverByHand: something else serves than the ledger says.
        LedgerForeign, LedgerDamaged: what serves is another ledger's, or of a record that is gone.
        TargetUnavailable: what serves does not answer.
    """
    state = work.target.read()
    chain = work.ledger.read()  # last: what was done meanwhile shows as done
    refuse_open(chain)
    work.check_target(chain, state)
    if state.release is None and state.fence is None:
        return chain.serving  # deployed anew: the deploy itself brings it back
    if state.release != chain.serving:
        raise TakenOverByHand(by_hand(state.release, chain.serving), hint=RECONCILE)
    return chain.serving
