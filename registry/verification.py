"""Reading the whole ledger, and comparing it with the stamps that were left elsewhere."""

import msgspec

from artifacts.store import open_store
from registry.errors import RegistryUnavailable, TargetUnavailable
from registry.ledger import last_good, read_stamp
from registry.records import Stamp
from registry.settings import RegistrySettings
from registry.targets import open_target
from registry.workspace import head_tag, open_ledger


class Verification(msgspec.Struct, frozen=True):
    """What was read and compared."""

    records: int
    stamps: list[str]
    """Where a stamp was found, each of which agrees."""
    silent: list[str]
    """What did not answer, so that its stamp was not compared."""
    void: int = 0
    """How many records lie there that a newer epoch has left behind."""


def verify(settings: RegistrySettings) -> Verification:
    """Read every record, and compare the ledger with the stamps that are there.

    Raises:
        LedgerDamaged: a record is missing, altered or out of order, or a stamp disagrees.
    """
    # The stamps come first: a promoter at work appends a record before he leaves its stamp.
    stamps: dict[str, Stamp | None] = {}
    silent = []
    for where, of in (("what serves", _of_target), ("MLflow", _of_registry)):
        try:
            stamps[where] = of(settings)
        except (TargetUnavailable, RegistryUnavailable):
            silent.append(where)
    ledger = open_ledger(settings, open_store(settings.store_uri))
    found = {where: stamp for where, stamp in stamps.items() if stamp is not None}
    chain, damage = last_good(*ledger.examine(), found)
    if damage is not None:
        raise damage
    agreed = [f"{where} (record {stamp.number})" for where, stamp in found.items()]
    return Verification(len(chain.records), agreed, silent, len(ledger.void(chain)))


def _of_target(settings: RegistrySettings) -> Stamp | None:
    with open_target(settings, start=False) as target:
        fence = target.read().fence
    return fence.stamp if fence else None


def _of_registry(settings: RegistrySettings) -> Stamp | None:
    from registry.versions import open_versions

    text = open_versions(settings).tag(head_tag(settings.iris_env))
    return read_stamp(text, "MLflow") if text is not None else None
