"""Rollback: a release that served well before serves again. It always starts.

Its intent ends an open operation, whose promoter is fenced off by that. It asks no gate but
integrity, and needs only the ledger, the blob store and what serves. Where MLflow does not answer,
the alias is left to `iris recover`.
"""

from artifacts.digests import sha256_hex
from artifacts.errors import DigestMismatch
from artifacts.release import Release
from artifacts.store import BlobStore
from registry.chain import Chain
from registry.errors import NothingToDo
from registry.operation import RunningOperation, move_alias_or_defer
from registry.records import Intent, Kind, Result
from registry.workspace import Workspace


def choose(chain: Chain, version: str | None) -> Release:
    """Return the release to go back to.

    Args:
        chain: the ledger.
        version: the version text of a release that ended well before; None for the one before.

    Raises:
        NothingToDo: there is no such release.
    """
    good = chain.releases()
    if version is not None:
        found = next((r for r in good if r.version == version), None)
        known = ", ".join(r.version for r in good) or "none"
    else:
        found, known = chain.previous(), "none before this one"
    if found is None:
        raise NothingToDo(
            f"there is no release {version or ''} to roll back to".replace("  ", " "),
            hint=f"released so far: {known}; see iris history",
        )
    return found


def rollback(work: Workspace, release: Release, reason: str) -> int:
    """Let a release serve again, and return the number of the operation in the ledger.

    Raises:
        BlobNotFound, DigestMismatch: its file is gone, or is not what it was; nothing changed.
        LedgerMoved: somebody else was first.
        TargetError: it does not come up; the operation stays open, and `iris recover` goes on.
    """
    chain, state = work.ledger.read(), work.target.read()
    work.check_target(chain, state)
    check_file(work.store.models, release)
    intent = Intent(
        operation=Kind.ROLLBACK,
        origin=state.release,
        to=release,
        evidence=None,
        reason=reason,
        supersedes=chain.open.number if chain.open else None,
    )
    operation = RunningOperation.begin(work, chain, intent)
    go_back(work, operation)
    return operation.number


def go_back(work: Workspace, operation: RunningOperation) -> None:
    """Roll out, move the alias or defer it, record the outcome."""
    operation.roll_out()
    alias = move_alias_or_defer(operation)
    operation.end(Result.DONE, operation.intent.to, alias, operation.intent.reason)
    work.try_stamp_registry(operation.chain)


def check_file(models: BlobStore, release: Release) -> None:
    """Refuse a release whose file is no longer what it was.

    Raises:
        BlobNotFound, DigestMismatch: it isn't there, or other bytes are.
    """
    found = sha256_hex(models.read(release.blob))
    if release.sha256 not in (None, found):
        raise DigestMismatch(
            f"{models.address(release.blob)} is not what was released: it has SHA-256 {found}",
            hint="restore the blob, or roll back to another release with --to",
        )
