"""What serves, who put it there, what is in the way, and what to type next."""

import datetime as dt
import shlex

import msgspec

from artifacts.errors import BlobNotFound, DigestMismatch
from artifacts.release import Release
from artifacts.store import BlobStore, open_store
from registry.chain import Chain
from registry.errors import (
    LedgerDamaged,
    RegistryUnavailable,
    RolloutFailed,
    TargetUnavailable,
)
from registry.gates import Verdict
from registry.identity import is_dead
from registry.ledger import check_stamp, read_stamp
from registry.rollout import Instance, TargetState, awaited
from registry.settings import RegistrySettings
from registry.targets import open_target
from registry.workspace import (
    check_file,
    gates_tag,
    head_tag,
    is_ours,
    ledger_tag,
    open_ledger,
    registry_number,
)

RECONCILE = (
    "to keep it: iris reconcile --to serving; to bring back the other: iris reconcile --to ledger"
)


VERIFY = "iris verify-ledger"


class Trouble(msgspec.Struct, frozen=True):
    """One way in which ledger, registry and instances disagree, and what to do about it."""

    what: str
    action: str
    """A command, or words where it is none, or where there is a choice."""


class Registered(msgspec.Struct, frozen=True):
    """What MLflow says."""

    versions: list[int]
    alias: int | None
    ledger: str | None
    """The ledger that it names."""
    fit: dict[int, str] = {}
    """The digests of the versions that can be promoted and that the gates did not refuse when they
    were last asked, by number, the youngest first."""
    head: str | None = None
    """The stamp of the ledger's head that was left there last."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The whole picture."""

    environment: str
    release: Release | None
    """What serves according to the ledger."""
    since: dt.datetime | None
    by: str | None
    reason: str | None
    registered: Registered | None
    """None where MLflow did not answer."""
    instances: list[Instance]
    troubles: list[Trouble]
    next: str
    """The one command to type next: always one that can be typed as it is."""


def gather_status(settings: RegistrySettings) -> Status:
    """Ask ledger, MLflow and what serves; who does not answer is told as a trouble.

    Raises:
        LedgerDamaged, StoreUnavailable: without a ledger there is nothing to tell.
    """
    registered = _registered(settings)
    state = target_state(settings)
    store = open_store(settings.store_uri)
    # Last: what a promoter at work does meanwhile shows as his, not as done by hand.
    chain = open_ledger(settings, store).read()
    dead = chain.open is not None and is_dead(chain.open.writer)
    troubles = find_troubles(
        chain, state, registered, dead=dead, elsewhere=settings.iris_supervisor_url
    )
    troubles += file_troubles(store.models, chain.serving)
    last = chain.last_success
    return Status(
        environment=settings.iris_env,
        release=chain.serving,
        since=last.ended.at if last and last.ended else None,
        by=str(last.record.by) if last else None,
        reason=last.intent.why if last else None,
        registered=registered,
        instances=state.instances if state else [],
        troubles=troubles,
        next=_next(chain, registered, troubles),
    )


def find_troubles(
    chain: Chain,
    state: TargetState | None,
    registered: Registered | None,
    *,
    dead: bool = False,
    elsewhere: str = "",
) -> list[Trouble]:
    """Compare the three; a pure function.

    Args:
        chain: what the ledger says.
        state: what serves says of itself; None where nothing answers.
        registered: what MLflow says; None where it does not answer.
        dead: whether the process that an open operation was begun by is known to have ended.
        elsewhere: the address of the supervisor, where it is not one of this home.
    """
    found = []
    if damaged := _damage(chain, state, registered):
        return damaged  # no command changes anything until that is settled
    if chain.open is not None:
        found.append(Trouble(chain.open.describe(dead=dead), chain.ways_on(dead=dead)))
    if state is None and elsewhere:
        silent = f"the supervisor at {elsewhere} does not answer"
        found.append(Trouble(silent, "start it, or check IRIS_SUPERVISOR_URL and its token"))
    elif state is None:
        found.append(Trouble("nothing is serving here", "iris serve"))
    elif chain.open is None:
        found += _serving_troubles(chain, state)
    if registered is None:
        found.append(Trouble("MLflow does not answer", "check MLFLOW_TRACKING_URI"))
    elif not is_ours(chain, registered.ledger):
        found.append(_foreign_registry(chain, registered))
    elif chain.open is None:
        found += _alias_troubles(chain, registered)
    return found


def _damage(
    chain: Chain, state: TargetState | None, registered: Registered | None
) -> list[Trouble]:
    """Compare the ledger with the stamps that were left elsewhere."""
    found, genesis = [], chain.genesis
    if genesis is None:
        return []
    try:
        if state and state.fence and state.fence.ledger == genesis.ledger:
            check_stamp(chain, state.fence.stamp, "what serves")
        if registered and registered.head and registered.ledger == genesis.ledger:
            check_stamp(chain, read_stamp(registered.head, "MLflow"), "MLflow")
    except LedgerDamaged as error:
        found.append(Trouble(error.message, VERIFY))
    return found


def file_troubles(models: BlobStore, release: Release | None) -> list[Trouble]:
    """Look at the file of what serves: the next instance to start needs it as it was released."""
    if release is None:
        return []
    copy = f"iris restore-file {shlex.quote(release.version)}"
    if release.sha256 is None:
        copy = f"put a copy back at {models.address(release.blob)}, or: iris rollback"
    try:
        check_file(models, release)
    except BlobNotFound:
        return [Trouble(f"the file of {release} is gone from the store", copy)]
    except DigestMismatch:
        return [Trouble(f"the file of {release} in the store is another one now", copy)]
    return []


def by_hand(found: Release | None, serving: Release | None) -> str:
    """Say that something else serves than the ledger says."""
    return f"{found or 'nothing'} was put in by hand, and the ledger says {serving or 'nothing'}"


def _serving_troubles(chain: Chain, state: TargetState) -> list[Trouble]:
    serving, fence, genesis = chain.serving, state.fence, chain.genesis
    others = fence is not None and (genesis is None or fence.ledger != genesis.ledger)
    if others or (genesis is not None and genesis.target != state.target):
        what = "what serves here belongs to another ledger than that of this environment"
        return [Trouble(what, "check IRIS_ENV, IRIS_HOME and IRIS_STORE")]
    if state.release != serving:
        return [Trouble(by_hand(state.release, serving), RECONCILE)]
    try:
        missing = awaited(state, serving)
    except RolloutFailed as error:
        return [Trouble(error.message, "iris rollback")]
    if missing is None:
        return []
    strays = [i for i in state.instances if i.release and i.release != serving]
    if strays and state.rollout.state == "idle":
        return [
            Trouble(f"{i.url} serves {i.release}, and {serving} is asked for", "restart it")
            for i in strays
        ]
    return [Trouble(f"waiting for {missing}", "iris status")]


def _foreign_registry(chain: Chain, registered: Registered) -> Trouble:
    ours = chain.genesis.ledger if chain.genesis else "not there"
    named = f"the ledger {registered.ledger}" if registered.ledger else "no ledger"
    what = f"MLflow names {named}, and that of this environment is {ours}"
    check = "check MLFLOW_TRACKING_URI, IRIS_ENV and IRIS_STORE"
    lost = "" if registered.ledger else "; where MLflow was lost: iris rebuild-registry"
    return Trouble(what, f"{check}{lost}")


def _alias_troubles(chain: Chain, registered: Registered) -> list[Trouble]:
    number = registry_number(chain.serving) if chain.serving else None
    if registered.alias == number or not chain.operations:
        return []
    named = f"version {registered.alias}" if registered.alias else "nothing"
    what = f"the alias names {named}, and {chain.serving or 'nothing'} is what serves"
    if chain.pending is not None:
        return [Trouble(what, "iris recover")]
    if number is not None and number not in registered.versions:
        return [Trouble(f"version {number} serves, and was deleted from MLflow", "iris rollback")]
    return [Trouble(f"{what}: it was moved by hand, or late", "iris reconcile --to ledger")]


def _next(chain: Chain, registered: Registered | None, troubles: list[Trouble]) -> str:
    if any(trouble.action == VERIFY for trouble in troubles):
        return VERIFY
    if chain.open is not None:
        return "iris recover"
    if registered is None or (troubles and chain.serving):
        commands = (t.action for t in troubles if t.action.startswith("iris "))
        return next(commands, "iris status")
    if not registered.versions:
        return "iris train"
    serving = (registry_number(chain.serving) if chain.serving else None) or 0
    younger = (n for n, sha256 in registered.fit.items() if sha256 not in chain.rejected)
    offered = next((number for number in younger if number > serving), None)
    if offered is not None:
        return f"iris promote {offered}"
    return "iris history" if chain.serving else "iris train"


def target_state(settings: RegistrySettings) -> TargetState | None:
    """Return what serves says of itself; None where nothing answers."""
    try:
        with open_target(settings, start=False) as target:
            return target.read()
    except TargetUnavailable:
        return None


def _registered(settings: RegistrySettings) -> Registered | None:
    if settings.database is not None and not settings.database.exists():
        return Registered([], None, None)  # MLflow would make the file: looking changes nothing
    from registry.versions import open_versions

    try:
        versions = open_versions(settings)
        verdict = gates_tag(settings.iris_env)
        return Registered(
            versions.numbers(),
            versions.alias(settings.alias),
            versions.tag(ledger_tag(settings.iris_env)),
            {
                candidate.number: candidate.sha256
                for candidate in versions.candidates()
                if not candidate.tags.get(verdict, "").startswith(Verdict.FAIL)
            },
            versions.tag(head_tag(settings.iris_env)),
        )
    except RegistryUnavailable:
        return None
