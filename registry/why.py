"""Why what serves was let: who, when, for what reason, and on what evidence."""

import msgspec

from registry.chain import Chain, Operation
from registry.errors import NothingToDo
from registry.records import Kind


class Why(msgspec.Struct, frozen=True):
    """The operation that brought what serves, and the promotion that first let its release."""

    brought: Operation
    let: Operation | None
    """The promotion whose gates the release passed; None where a hand put it in."""


def why(chain: Chain) -> Why:
    """Find what tells why.

    Raises:
        NothingToDo: nothing serves, according to the ledger.
    """
    brought = chain.last_success
    if brought is None or chain.serving is None:
        raise NothingToDo("nothing serves", hint="iris promote VERSION lets a version serve")
    promotions = (
        o
        for o in chain.operations
        if o.succeeded
        and o.intent.operation is Kind.PROMOTION
        and o.intent.to.sha256 == brought.intent.to.sha256
    )
    let = brought if brought.intent.operation is Kind.PROMOTION else next(promotions, None)
    return Why(brought, let)
