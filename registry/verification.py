"""Reading the whole ledger, and comparing it with the stamps that were left elsewhere."""

from artifacts.store import open_store
from registry.chain import Chain
from registry.errors import RegistryUnavailable, TargetUnavailable
from registry.ledger import check_stamp
from registry.records import Stamp
from registry.rollout.local import open_local_target
from registry.settings import RegistrySettings
from registry.workspace import head_tag, open_ledger


def verify(settings: RegistrySettings) -> tuple[int, list[str]]:
    """Return how many records there are, and where a stamp was found that agrees.

    Raises:
        LedgerDamaged: a record is missing, altered or out of order, or a stamp disagrees.
    """
    chain = open_ledger(settings, open_store(settings.store_uri)).read()
    return len(chain.records), [
        *_compare_target(settings, chain),
        *_compare_registry(settings, chain),
    ]


def _compare_target(settings: RegistrySettings, chain: Chain) -> list[str]:
    try:
        with open_local_target(settings, start=False) as target:
            fence = target.read().fence
    except TargetUnavailable:
        return []
    if fence is None:
        return []
    check_stamp(chain, fence.stamp, "what serves")
    return [f"what serves (record {fence.number})"]


def _compare_registry(settings: RegistrySettings, chain: Chain) -> list[str]:
    from registry.versions import Versions

    try:
        text = Versions(settings.tracking_uri).tag(head_tag(settings.iris_env))
    except RegistryUnavailable:
        return []
    if text is None:
        return []
    found = Stamp.parse(text)
    check_stamp(chain, found, "MLflow")
    return [f"MLflow (record {found.number})"]
