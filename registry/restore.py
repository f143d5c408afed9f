"""The file of a release comes back by its digest, from MLflow or from the copy of a store."""

import msgspec

from artifacts.digests import sha256_hex
from artifacts.errors import BlobNotFound, DigestMismatch
from artifacts.model_bytes import check_bytes
from artifacts.release import Release
from artifacts.store import open_store
from registry.chain import Chain
from registry.errors import NothingToDo, VersionUnfit
from registry.workspace import Workspace, registry_number


class Restored(msgspec.Struct, frozen=True):
    """What was done."""

    release: Release
    done: bool
    """False where the file was there as it was released."""
    replaced: str | None
    """The digest of what lay in its place; None for nothing."""


def restore_file(work: Workspace, version: str, source: str | None) -> Restored:
    """Put the file of a release back where instances fetch it, if it is not there as it was.

    Args:
        work: what the command works on.
        version: the release, by its version text.
        source: the store that has a copy; None for MLflow, which keeps each version's own.

    Raises:
        NothingToDo: the ledger knows no such release, or no digest of it.
        BlobNotFound, VersionUnfit: there is no copy.
        DigestMismatch: the copy is another file.
        StoreUnavailable, RegistryUnavailable: not done.
    """
    release = _released(work.ledger.read(), version)
    assert release.sha256 is not None
    models = work.store.models
    try:
        found = sha256_hex(models.read(release.blob))
    except BlobNotFound:
        found = None
    if found == release.sha256:
        return Restored(release, done=False, replaced=None)
    data = _copy(work, release, source)
    check_bytes(data, release.sha256, what=f"the copy in {source or 'MLflow'}")
    if found is None:
        models.create(release.blob, data)
    else:
        models.replace(release.blob, data)
    return Restored(release, done=True, replaced=found)


def _released(chain: Chain, version: str) -> Release:
    """Return the release of that version text that the ledger named last."""
    named = [r for o in chain.operations for r in (o.intent.origin, o.intent.to) if r and r.sha256]
    found = next((r for r in reversed(named) if r.version == version), None)
    if found is None:
        raise NothingToDo(
            f"the ledger knows no digest of a release {version}",
            hint="iris history lists what was released",
        )
    return found


def _copy(work: Workspace, release: Release, source: str | None) -> bytes:
    if source is not None:
        return open_store(source).models.read(release.blob)
    number = registry_number(release)
    if number is None:
        raise VersionUnfit(
            f"{release} was put in by hand, and MLflow has no copy of it",
            hint=f"iris restore-file {release.version} --from STORE",
        )
    candidate = work.versions.candidate(number)
    if candidate.sha256 != release.sha256:
        raise DigestMismatch(
            f"version {number} in MLflow is not what was released as {release}",
            hint=f"iris restore-file {number} --from STORE, or iris rollback",
        )
    return work.versions.release_file(candidate)
