"""What a command works on: environment, store, ledger, registered versions, and what serves."""

import contextlib
import uuid
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import TYPE_CHECKING

from artifacts.release import MODEL_NAME, Release
from artifacts.store import Store, open_store
from registry.chain import Chain
from registry.crash import crash_at
from registry.errors import LedgerForeign, RegistryUnavailable
from registry.identity import this_writer
from registry.ledger import Ledger, check_stamp
from registry.records import Genesis, Stamp
from registry.rollout import Target, TargetState
from registry.rollout.local import open_local_target
from registry.settings import RegistrySettings

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
        told: Callable[[str], None],
    ) -> None:
        self._open_target = target
        self.settings = settings
        self.store = open_store(settings.store_uri)
        self.ledger = open_ledger(settings, self.store)
        self.crash_point = crash_at(settings.iris_crash_at)
        self.told = told
        """Called with each step, in words, as it happens."""

    @cached_property
    def target(self) -> Target:
        """What serves."""
        return self._open_target()

    @cached_property
    def versions(self) -> "Versions":
        """The registered versions."""
        from registry.versions import Versions

        return Versions(self.settings.tracking_uri)

    def begin(self, chain: Chain, state: TargetState) -> Chain:
        """Return the chain with record 0 in it: made now, where there is none yet."""
        if chain.genesis is not None:
            return chain
        genesis = Genesis(
            ledger=str(uuid.uuid4()),
            environment=self.settings.iris_env,
            target=state.target,
            model=MODEL_NAME,
        )
        return self.ledger.append(chain, genesis)

    def check_target(self, chain: Chain, state: TargetState) -> None:
        """Refuse a ledger that is another target's, or that was cut off or rewritten.

        Raises:
            LedgerForeign: the ids differ.
            LedgerDamaged: the stamp in the target is not in the ledger.
        """
        genesis, fence = chain.genesis, state.fence
        if genesis is not None and genesis.target != state.target:
            raise self._foreign(f"is of the target {genesis.target}, and this is {state.target}")
        if fence is not None and (genesis is None or fence.ledger != genesis.ledger):
            raise self._foreign(f"is not the one that last wrote here ({fence.ledger})")
        if fence is not None:
            check_stamp(chain, fence.stamp, "what serves")

    def check_registry(self, chain: Chain) -> None:
        """Refuse a ledger that is another registry's, and stamp a registry that has none yet.

        Raises:
            LedgerForeign: the ids differ.
            LedgerDamaged: the stamp in the registry is not in the ledger.
            RegistryUnavailable: MLflow did not answer.
        """
        genesis = chain.genesis
        found = self.versions.tag(self._ledger_tag)
        if genesis is None or (found is None and chain.last_success is None):
            return
        if found != genesis.ledger:
            raise self._foreign(f"is not the one that MLflow names ({found})")
        if head := self.versions.tag(head_tag(self.settings.iris_env)):
            check_stamp(chain, Stamp.parse(head), "MLflow")

    def stamp_registry(self, chain: Chain) -> None:
        """Leave the ledger's id and its head in MLflow."""
        assert chain.genesis is not None
        assert chain.head is not None
        self.versions.set_tag(self._ledger_tag, chain.genesis.ledger)
        self.versions.set_tag(head_tag(self.settings.iris_env), str(chain.head))

    def try_stamp_registry(self, chain: Chain) -> None:
        """Stamp MLflow where it answers: a help to find a cut ledger, for which nothing waits."""
        with contextlib.suppress(RegistryUnavailable):
            self.stamp_registry(chain)

    def _foreign(self, what: str) -> LedgerForeign:
        return LedgerForeign(
            f"the ledger of {self.settings.iris_env!r} in {self.settings.store_uri} {what}",
            hint="check IRIS_HOME, IRIS_STORE, IRIS_ENV and MLFLOW_TRACKING_URI: together they "
            "name one environment",
        )

    @property
    def _ledger_tag(self) -> str:
        return f"iris.ledger.{self.settings.iris_env}"


@contextlib.contextmanager
def open_workspace(
    settings: RegistrySettings, told: Callable[[str], None] = lambda _: None
) -> Iterator[Workspace]:
    """Yield what a command works on.

    Where nothing serves and the command asks what does, it is started for as long as the block
    lasts.

    Args:
        settings: the command's settings.
        told: called with each step, in words.
    """
    with contextlib.ExitStack() as stack:
        target = partial(open_local_target, settings, start=True)
        yield Workspace(settings, lambda: stack.enter_context(target()), told)


def open_ledger(settings: RegistrySettings, store: Store) -> Ledger:
    """Return the ledger of the environment that is set."""
    return Ledger(store.ledger, settings.iris_env, this_writer())


def head_tag(environment: str) -> str:
    """Return the tag of the registered model that carries the head of the ledger."""
    return f"iris.ledger.{environment}.head"


def registry_number(release: Release) -> int | None:
    """Return the number of a registered version; None for a release that was put in by hand."""
    return int(release.version) if release.version.isdigit() else None
