"""A ledger goes on, in a new epoch, where what came after its last good record can't be had.

    stamps and records → refusals → the epoch's first record → stamps

An epoch is begun by a person, never by a program of ours: after a damage that no copy mends, or on
the copy of a store whose original is out of reach. Its numbers are above all that were ever given,
so whoever still acts by an older epoch is refused by the stamp in what serves, by that in MLflow,
and, on the same store, by the ledger itself.
"""

import contextlib
from functools import partial

import msgspec

from artifacts.errors import BlobNotFound, DigestMismatch, UsageError
from artifacts.release import Release
from artifacts.store import BlobStore
from registry.chain import Chain
from registry.errors import (
    LedgerDamaged,
    LedgerForeign,
    NothingToDo,
    RegistryUnavailable,
    TargetMoved,
    TargetUnavailable,
)
from registry.ledger import last_good, read_stamp
from registry.records import Cause, Continuation, Effect, Stamp, epoch_of
from registry.rollout import Fence
from registry.workspace import Workspace, check_file, head_tag

_WRITES = 5


class Continued(msgspec.Struct, frozen=True, kw_only=True):
    """Where the ledger goes on."""

    epoch: int
    after: int
    serving: Release | None
    """What serves by the records that count."""
    void: int
    """How many records were left behind."""
    missing: list[Release]
    """Releases of before whose file is not there."""
    not_stamped: list[str]
    """What could not be told of it now; the next operation tells it."""


def continue_ledger(work: Workspace, after: int, reason: str) -> Continued:
    """Go on after the last good record of a damaged ledger.

    Args:
        work: what the command works on.
        after: the number of that record, so that nobody leaves behind what he does not know of.
        reason: why it is not restored.

    Raises:
        NothingToDo: nothing is damaged.
        UsageError: another record is the last good one.
        LedgerDamaged: none is good.
        LedgerForeign: what serves is another ledger's.
        LedgerMoved: somebody else has continued it meanwhile.
    """
    stamps = _stamps(work)
    chain, damage = last_good(*work.ledger.examine(), stamps)
    if damage is None and _is_begun(work, chain, Cause.DAMAGE, after):
        return _stamped(work, chain)
    if damage is None:
        raise NothingToDo(
            "every record is whole, and no stamp that answers says otherwise",
            hint="iris verify-ledger says what was compared",
        )
    _refuse_none(chain, damage)
    assert chain.head is not None
    if chain.head.number != after:
        raise UsageError(
            f"record {chain.head.number} is the last good one, not {after}: {damage.message}",
            hint=damage.hint,
        )
    return _begin(work, chain, Cause.DAMAGE, reason)


def fail_over(work: Workspace, reason: str) -> Continued:
    """Go on with the copy of a store, from the last record up to which all is there.

    Raises:
        LedgerDamaged: there is no such record.
        LedgerForeign: what serves is another ledger's.
        LedgerMoved: somebody else has continued it meanwhile.
    """
    chain, damage = work.ledger.examine()
    if damage is None and _is_begun(work, chain, Cause.FAILOVER):
        return _stamped(work, chain)
    _refuse_none(chain, damage)
    return _begin(work, longest_whole(chain, work.store.models), Cause.FAILOVER, reason)


def longest_whole(chain: Chain, models: BlobStore) -> Chain:
    """Return the longest beginning of a chain that can be gone on from with the files there are.

    A copy promises no order: a record may have come, and the file that it tells of not.
    """
    while not all(_is_there(models, release) for release in _needed(chain)):
        chain = chain.before(chain.records[-1].number)
    return chain


def _needed(chain: Chain) -> list[Release]:
    """Return what serves by a chain, and what may serve by an operation that is open."""
    needed = [chain.serving]
    if chain.open is not None and Effect.ROLL_OUT in chain.open.effects:
        needed.append(chain.open.intent.to)
    return [release for release in needed if release is not None]


def _is_there(models: BlobStore, release: Release) -> bool:
    try:
        check_file(models, release)
    except (BlobNotFound, DigestMismatch):
        return False
    return True


def _is_begun(work: Workspace, chain: Chain, cause: Cause, after: int | None = None) -> bool:
    """Tell whether the epoch that is asked for was begun here, and nothing was done in it yet."""
    body = chain.records[-1].body if chain.records else None
    if not isinstance(body, Continuation):
        return False
    begun = (cause, work.settings.store_uri)
    return (body.cause, body.store) == begun and after in (None, body.after)


def _refuse_none(chain: Chain, damage: LedgerDamaged | None) -> None:
    if chain.genesis is None:
        raise LedgerDamaged(
            damage.message if damage else "there is no record of a ledger here",
            hint="without record 0 there is nothing to go on from: restore it from a copy of the "
            "store; check IRIS_ENV and IRIS_STORE",
        )


def _stamps(work: Workspace) -> dict[str, Stamp]:
    """Return what was left in what serves and in MLflow, where they answer."""
    found = {}
    with contextlib.suppress(TargetUnavailable):
        if fence := work.target.read().fence:
            found["what serves"] = fence.stamp
    with contextlib.suppress(RegistryUnavailable):
        if head := work.versions.tag(head_tag(work.settings.iris_env)):
            found["MLflow"] = read_stamp(head, "MLflow")
    return found


def _begin(work: Workspace, chain: Chain, cause: Cause, reason: str) -> Continued:
    with contextlib.suppress(TargetUnavailable):
        work.check_target_id(chain, work.target.read())
    assert chain.head is not None
    store, given = work.settings.store_uri, [stamp.number for stamp in _stamps(work).values()]
    body = Continuation(after=chain.head.number, cause=cause, reason=reason, store=store)
    chain = work.ledger.append(chain, body, above=max(given, default=0))
    work.crash_point("after continuation")
    return _stamped(work, chain)


def _stamped(work: Workspace, chain: Chain) -> Continued:
    """Stamp what serves and MLflow, so that whoever acts by an older epoch is refused there."""
    not_stamped = []
    for stamp in (partial(_stamp_target, work), work.stamp_registry):
        try:
            stamp(chain)
        except (TargetUnavailable, RegistryUnavailable, LedgerForeign) as error:
            not_stamped.append(error.message)
    body = chain.records[-1].body
    assert isinstance(body, Continuation)
    models = work.store.models
    return Continued(
        epoch=epoch_of(chain.records[-1].number),
        after=body.after,
        serving=chain.serving,
        void=len(work.ledger.void(chain)),
        missing=[release for release in chain.releases() if not _is_there(models, release)],
        not_stamped=not_stamped,
    )


def _stamp_target(work: Workspace, chain: Chain) -> None:
    """Write what is asked for once more, under the epoch's first record: older writes are void."""
    assert chain.genesis is not None
    assert chain.head is not None
    fence = Fence(chain.genesis.ledger, chain.head.number, chain.head.digest)
    for _ in range(_WRITES):
        state = work.target.read()  # before the ledger is read, or the fence has a gap
        if state.fence is None:
            return  # nothing was ever asked for there
        if work.ledger.read().head != chain.head:
            return  # an operation of this epoch is at work, and stamps it
        with contextlib.suppress(TargetMoved):
            work.target.write(state.release, fence, state.revision)
            return
    raise TargetUnavailable(f"what serves changed {_WRITES} times while it was written to")
