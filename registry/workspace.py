"""What a command works on: environment, store, ledger, registered versions, and what serves."""

import contextlib
import shlex
import uuid
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import TYPE_CHECKING

from artifacts.digests import sha256_hex
from artifacts.errors import DigestMismatch
from artifacts.release import MODEL_NAME, Release
from artifacts.store import BlobStore, Store, open_store
from registry.chain import Chain
from registry.crash import crash_at
from registry.errors import LedgerForeign, RegistryUnavailable
from registry.events import Teller
from registry.gates.thresholds import Thresholds, load_thresholds
from registry.identity import this_writer
from registry.lease import Lease
from registry.ledger import Ledger, Verified, check_stamp, read_stamp
from registry.records import Genesis, Stamp
from registry.rollout import Target, TargetState
from registry.settings import RegistrySettings
from registry.targets import open_target
from registry.watch_rules import Bounds, Limits

if TYPE_CHECKING:
    from registry.versions import Versions


class Workspace:
    """The parts that a command works with.

    What serves is looked up, or started, when it is first asked, and MLflow is imported then: what
    can be refused without them is refused at once.
    """

    def __init__(
        self,
        settings: RegistrySettings,
        target: Callable[[], Target],
        teller: Teller,
    ) -> None:
        self._open_target = target
        self.settings = settings
        self.store = open_store(settings.store_uri)
        self.ledger = open_ledger(settings, self.store)
        self.lease = Lease(self.store.records, settings.iris_env, this_writer())
        self.crash_point = crash_at(settings.iris_crash_at, settings.iris_stop_at)
        self.step = teller.step
        """Called with the name of each step and what it does, as it begins."""
        self.told = teller.told
        """Called with words on how the step goes on."""
        self.progress = teller.progress
        """Called every second or so with words on how far the step is."""

    @cached_property
    def target(self) -> Target:
        """What serves."""
        return self._open_target()

    @cached_property
    def thresholds(self) -> Thresholds:
        """What gates and watch window hold a version against.

        Raises:
            SettingsError: the file is not valid.
        """
        return load_thresholds(self.settings)

    @property
    def limits(self) -> Limits:
        """What is tolerable in the watch window."""
        watch = self.thresholds.watch
        bounds = Bounds(watch.error_rate, watch.slower, watch.slow_floor_ms / 1e3)
        return Limits(bounds, watch.real_requests, watch.synthetic_per_second)

    @cached_property
    def versions(self) -> "Versions":
        """The registered versions."""
        self.step("ask MLflow", "asking MLflow")  # whose import takes seconds
        from registry.versions import open_versions

        return open_versions(self.settings)

    def gateways(self, state: TargetState) -> list[str]:
        """Return the addresses that the watch window asks."""
        return self.settings.gateways or state.gateways

    def begin(self, chain: Chain, state: TargetState) -> Chain:
        """Return the chain with record 0 in it, and the ledger's id in MLflow.

        MLflow carries it before the first operation begins: an MLflow without it is another one
        from then on.

        Raises:
            LedgerMoved: somebody else has made record 0 meanwhile.
            RegistryUnavailable: MLflow did not answer.
        """
        if chain.genesis is None:
            genesis = Genesis(
                ledger=str(uuid.uuid4()),
                environment=self.settings.iris_env,
                target=state.target,
                model=MODEL_NAME,
            )
            chain = self.ledger.append(chain, genesis)
            self.crash_point("after genesis")
        if chain.genesis is not None and not chain.operations:
            self.versions.set_tag(self._ledger_tag, chain.genesis.ledger)
        return chain

    def check_target(self, chain: Chain, state: TargetState) -> None:
        """Refuse a ledger that is another target's, or that was cut off or rewritten.

        Raises:
            LedgerForeign: the ids differ.
            LedgerDamaged: the stamp in the target is not in the ledger.
        """
        self.check_target_id(chain, state)
        if (fence := state.fence) is not None:
            check_stamp(self._reaching(chain, fence.stamp), fence.stamp, "what serves")

    def check_target_id(self, chain: Chain, state: TargetState) -> None:
        """Refuse a ledger that is another target's.

        Raises:
            LedgerForeign: the ids differ.
        """
        genesis, fence = chain.genesis, state.fence
        if genesis is not None and genesis.target != state.target:
            raise self._foreign(
                f"is of the target {genesis.target}, and this is {state.target}",
                "if this machine's supervisor was made anew, give it the id back: write "
                f'{{"target": "{genesis.target}"}} to IRIS_HOME/supervisor-state.json while '
                "iris serve is stopped",
            )
        if fence is not None and (genesis is None or fence.ledger != genesis.ledger):
            raise self._foreign(f"is not the one that last wrote here ({fence.ledger})")

    def check_registry(self, chain: Chain) -> None:
        """Refuse a ledger that is another registry's, or that was cut off or rewritten.

        Raises:
            LedgerForeign: the ids differ.
            LedgerDamaged: the stamp in the registry is not in the ledger.
            RegistryUnavailable: MLflow did not answer.
        """
        self.check_registry_id(chain)
        if chain.operations and (head := self.versions.tag(head_tag(self.settings.iris_env))):
            stamp = read_stamp(head, "MLflow")
            check_stamp(self._reaching(chain, stamp), stamp, "MLflow")

    def check_registry_id(self, chain: Chain) -> None:
        """Refuse a ledger that is another registry's.

        Raises:
            LedgerForeign: the ids differ.
            RegistryUnavailable: MLflow did not answer.
        """
        found = self.versions.tag(self._ledger_tag)
        if is_ours(chain, found):
            return
        if chain.genesis is None:
            raise self._foreign(
                f"is not there, and MLflow names {found}",
                f"if a new ledger is to begin, delete the tag {self._ledger_tag} of the registered "
                f"model {MODEL_NAME}",
            )
        raise self._foreign(
            f"is {chain.genesis.ledger}, and MLflow names {found or 'none'}",
            "" if found else "if this MLflow has replaced the one before: iris rebuild-registry",
        )

    def stamp_registry(self, chain: Chain) -> None:
        """Leave the ledger's head in MLflow, if it is the ledger's.

        Raises:
            RegistryUnavailable: MLflow did not answer.
            LedgerForeign: it belongs to another ledger.
        """
        self.check_registry_id(chain)
        self.versions.set_tag(head_tag(self.settings.iris_env), str(chain.head))

    def try_stamp_registry(self, chain: Chain) -> None:
        """Stamp MLflow where it answers: a help to find a cut ledger, for which nothing waits."""
        with contextlib.suppress(RegistryUnavailable, LedgerForeign):
            self.stamp_registry(chain)

    def _reaching(self, chain: Chain, stamp: Stamp) -> Chain:
        """Return the chain, read again where the stamp is of a record that is younger than it."""
        younger = chain.head is None or stamp.number > chain.head.number
        return self.ledger.read() if younger else chain

    def _foreign(self, what: str, else_do: str = "") -> LedgerForeign:
        check = (
            "check IRIS_HOME, IRIS_STORE, IRIS_ENV and MLFLOW_TRACKING_URI: together they name one "
            "environment"
        )
        return LedgerForeign(
            f"the ledger of {self.settings.iris_env!r} in {self.settings.store_uri} {what}",
            hint="; ".join(filter(None, [check, else_do])),
        )

    @property
    def _ledger_tag(self) -> str:
        return ledger_tag(self.settings.iris_env)


@contextlib.contextmanager
def open_workspace(settings: RegistrySettings, teller: Teller) -> Iterator[Workspace]:
    """Yield what a command works on.

    Where nothing serves and the command asks what does, it is started for as long as the block
    lasts.

    Args:
        settings: the command's settings.
        teller: is told each step.
    """
    with contextlib.ExitStack() as stack:
        target = partial(open_target, settings, start=True)
        yield Workspace(settings, lambda: stack.enter_context(target()), teller)


def open_ledger(settings: RegistrySettings, store: Store) -> Ledger:
    """Return the ledger of the environment that is set."""
    place = store.ledger.address(settings.iris_env)
    copy = settings.home / "verified" / f"{sha256_hex(place.encode())[:16]}.json"
    return Ledger(store.ledger, settings.iris_env, this_writer(), Verified(copy))


def is_ours(chain: Chain, named: str | None) -> bool:
    """Tell whether an MLflow is the ledger's.

    Args:
        chain: the ledger.
        named: the ledger that MLflow names; None for none, as before the first operation.
    """
    if named is None and not chain.operations:
        return True
    return chain.genesis is not None and named == chain.genesis.ledger


def ledger_tag(environment: str) -> str:
    """Return the tag of the registered model that names the ledger."""
    return f"iris.ledger.{environment}"


def head_tag(environment: str) -> str:
    """Return the tag of the registered model that carries the head of the ledger."""
    return f"iris.ledger.{environment}.head"


def gates_tag(environment: str) -> str:
    """Return the tag of a version that says what the gates said of it."""
    return f"iris.gates.{environment}"


def registry_number(release: Release) -> int | None:
    """Return the number of a registered version; None for a release that was put in by hand."""
    return int(release.version) if release.version.isdecimal() else None


def check_file(models: BlobStore, release: Release) -> None:
    """Refuse a release whose file is no longer what it was.

    Raises:
        BlobNotFound, DigestMismatch: it isn't there, or other bytes are.
    """
    found = sha256_hex(models.read(release.blob))
    if release.sha256 not in (None, found):
        raise DigestMismatch(
            f"{models.address(release.blob)} is not what was released: it has SHA-256 {found}",
            hint=f"iris restore-file {shlex.quote(release.version)}, or roll back to another "
            "release with --to",
        )
