"""Reading the whole ledger, and comparing it with the stamps that were left elsewhere."""

from artifacts.store import open_store
from registry.errors import RegistryUnavailable, TargetUnavailable
from registry.ledger import check_stamp, read_stamp
from registry.records import Stamp
from registry.rollout.local import open_local_target
from registry.settings import RegistrySettings
from registry.workspace import head_tag, open_ledger


def verify(settings: RegistrySettings) -> tuple[int, list[str]]:
    """Return how many records there are, and where a stamp was found that agrees.

    Raises:
        LedgerDamaged: a record is missing, altered or out of order, or a stamp disagrees.
    """
    # The stamps come first: a promoter at work appends a record before he leaves its stamp.
    stamps = {"what serves": _of_target(settings), "MLflow": _of_registry(settings)}
    chain = open_ledger(settings, open_store(settings.store_uri)).verify()
    found = [(where, stamp) for where, stamp in stamps.items() if stamp is not None]
    for where, stamp in found:
        check_stamp(chain, stamp, where)
    return len(chain.records), [f"{where} (record {stamp.number})" for where, stamp in found]


def _of_target(settings: RegistrySettings) -> Stamp | None:
    try:
        with open_local_target(settings, start=False) as target:
            fence = target.read().fence
    except TargetUnavailable:
        return None
    return fence.stamp if fence else None


def _of_registry(settings: RegistrySettings) -> Stamp | None:
    from registry.versions import open_versions

    try:
        text = open_versions(settings).tag(head_tag(settings.iris_env))
    except RegistryUnavailable:
        return None
    return read_stamp(text, "MLflow") if text is not None else None
