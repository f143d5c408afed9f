"""One operation under way: each effect recorded before it happens, each safe to repeat.

Before an effect the step is appended to the ledger, at exactly the number that follows the chain
that was verified here. Whoever was taken over fails at that append; whoever wakes up between append
and write fails at the write, because the revision that it read, or the stamp that it carries, is
older than what the other has written since.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from artifacts.digests import sha256_hex
from artifacts.errors import (
    BlobConflict,
    BlobNotFound,
    DigestMismatch,
    IrisError,
    ModelFileError,
    StoreUnavailable,
)
from artifacts.model import ModelCard, load_model
from artifacts.release import Release
from registry.chain import Chain
from registry.errors import (
    LedgerForeign,
    LedgerMoved,
    RegistryUnavailable,
    TakenOverByHand,
    TargetMoved,
    TargetUnavailable,
    VersionUnfit,
    WatchFailed,
)
from registry.gateways import Gateways
from registry.plan import Planned, alias_step, roll_out_step
from registry.records import AliasState, Body, Effect, Intent, Kind, Outcome, Result, Step, Takeover
from registry.rollout import Fence, TargetState, awaited, is_served
from registry.watch import Window, look_before
from registry.watch_rules import Former
from registry.workspace import Workspace, registry_number

T = TypeVar("T")

_WRITES = 5
_AWAY_S = 15.0
_FOUND_S = 15.0
_AGAIN_S = 0.5
_NOBODY = "nothing was watched: nobody is served here"


class RunningOperation:
    """An operation that this process carries out, from its intent (or its takeover) on."""

    def __init__(self, work: Workspace, chain: Chain, number: int) -> None:
        intent = chain.record(number).body
        assert isinstance(intent, Intent)
        self._work = work
        self.number = number
        self.chain = chain
        self.intent = intent
        self._alias = AliasState.UNTOUCHED
        self._watched = chain.operation(number).watched

    @classmethod
    def begin(cls, work: Workspace, chain: Chain, intent: Intent) -> "RunningOperation":
        """Begin one: the intent is the lock.

        Raises:
            LedgerMoved: somebody else has appended to the ledger meanwhile.
        """
        work.crash_point("before intent")
        chain = work.ledger.append(chain, intent)
        operation = cls(work, chain, chain.records[-1].number)
        work.crash_point("after intent")
        return operation

    @classmethod
    def take_over(
        cls, work: Workspace, chain: Chain, number: int, why: str, *, rollback: bool = False
    ) -> "RunningOperation":
        """Go on with an operation that another process began, which is fenced off from here.

        Args:
            work: what the command works on.
            chain: the ledger.
            number: the operation.
            why: the reason.
            rollback: whether to go back to nothing, before which nothing was released.

        Raises:
            LedgerMoved: somebody else has appended to the ledger meanwhile.
        """
        chain = work.ledger.append(chain, Takeover(intent=number, reason=why, rollback=rollback))
        work.crash_point("after takeover")
        return cls(work, chain, number)

    def take(self, step: Planned, file: bytes) -> None:
        """Take one step of the plan: record it, then have its effect.

        Args:
            step: the step.
            file: the release file, for the step that publishes it.

        Raises:
            StoreError, ModelFileError, TargetError, TakenOverByHand, RegistryError: it could not
                be done; see the effects.
        """
        match step.effect:
            case Effect.PUBLISH:
                self._publish(step, file)
            case Effect.ROLL_OUT:
                self.roll_out()
            case Effect.WATCH:
                self._watch(step)
            case Effect.MOVE_ALIAS:
                self._alias = self.move_alias(self.intent.to)

    def at_work(self) -> contextlib.AbstractContextManager[None]:
        """Hold the lease while the block runs, so that whoever looks sees that this one lives."""
        return self._work.lease.held(self.number)

    def finish(self) -> None:
        """Record that the plan was carried out."""
        if not self._watched and self.intent.operation is Kind.PROMOTION:
            self._watched = "nothing was watched"
        self.end(Result.DONE, self.intent.to, self._alias, self.intent.reason)

    def _publish(self, step: Planned, file: bytes) -> None:
        """Put the release file where instances fetch it. Written once; the same bytes are fine.

        Raises:
            DigestMismatch: the bytes are not those that the intent names.
            BlobConflict: another file lies under the release's name.
        """
        release = self.intent.to
        if sha256_hex(file) != release.sha256:
            raise DigestMismatch(
                f"the file of version {release.version} changed since the gates saw it",
                hint="look at who writes to MLflow's artifacts, then promote again",
            )
        self._before(step)
        try:
            self._work.store.models.create(release.blob, file)
        except BlobConflict as error:
            raise BlobConflict(
                error.message,
                hint="if no environment ever released it (iris history), move it away and promote "
                "again; else train or register the model once more, for another number",
            ) from error
        self._work.crash_point("after publish")

    def roll_out(self) -> None:
        """Desire the new release and wait until every instance proves that it serves it.

        Raises:
            TargetError: it can't, or not in time, or somebody else writes.
            TakenOverByHand: something else was put in by hand meanwhile.
        """
        self._before(roll_out_step(self.intent.to), self._look_before())
        self._desire(self.intent.to)
        self._work.crash_point("during roll out")
        state = self._work.target.wait_until_serving(self.intent.to, self._work.told)
        count = len(state.instances)
        serve = "1 instance serves it, by" if count == 1 else f"{count} instances serve it, each by"
        self._work.told(f"{serve} its own word")
        self._work.crash_point("after roll out")

    def _look_before(self) -> Former | None:
        """Take what the watch window compares with, before the release that serves has left.

        Who goes on with an operation finds it in the ledger: by then another release answers.
        """
        recorded = self.chain.operation(self.number).former
        if recorded is not None or not self.intent.watch_s or self.intent.to.sha256 is None:
            return recorded
        with self._gateways() as gateways:
            if gateways is None:
                return None
            self._work.step("look before", "looking at how requests are answered now")
            try:
                return look_before(gateways, self._described(self.intent.origin))
            except (BlobNotFound, ModelFileError, StoreUnavailable, WatchFailed) as error:
                # What is wrong with the release that leaves is no reason to keep it.
                self._work.told(f"there is nothing to compare with: {error.message}")
                return None

    def _watch(self, step: Planned) -> None:
        """Watch the release that every instance has proven.

        Raises:
            WatchFailed: it is out of bounds, or nothing arrived that could tell.
            LedgerMoved: the operation was taken over meanwhile, by a rollback for example.
            TakenOverByHand: something else was put in by hand meanwhile.
            TargetError: it does not serve any more, or can't be asked.
            BlobNotFound, ModelFileError: its file is gone, or is not what was published.
        """
        self._before(step)
        self._work.crash_point("during watch")
        with self._gateways() as gateways:
            self._watched = self._seen_by(gateways) if gateways else _NOBODY
        # Who goes on from here needs no other window, and tells what this one saw.
        self._append(Step(intent=self.number, effect=Effect.WATCH, watched=self._watched))
        self._work.told(self._watched)
        self._work.crash_point("after watch")

    def _seen_by(self, gateways: Gateways) -> str:
        described = self._described(self.intent.to)
        assert described is not None
        self._wait_until_found(gateways)
        former = self.chain.operation(self.number).former or Former(None, None)
        window = Window(gateways, *described, former, self._work.limits, self.intent.watch_s)
        return window.watch(partial(self._check_serving, gateways), self._work.progress)

    def _wait_until_found(self, gateways: Gateways) -> None:
        """Give the gateways the time to find a first instance, where none served before.

        A cluster's DNS goes on for seconds to name nobody, which is no fault of the release. Who
        finds none for longer has the window tell.
        """
        deadline = time.monotonic() + _FOUND_S
        if gateways.all_ready():
            return
        self._work.told("waiting for every gateway to find an instance")
        while not gateways.all_ready() and time.monotonic() < deadline:
            time.sleep(_AGAIN_S)

    @contextlib.contextmanager
    def _gateways(self) -> Iterator[Gateways | None]:
        urls = self._work.gateways(self._patiently(self._work.target.read))
        if not urls:
            yield None
            return
        with contextlib.closing(Gateways(urls, self._work.settings.iris_gateway_key)) as gateways:
            yield gateways

    def _described(self, release: Release | None) -> tuple[ModelCard, str] | None:
        """Return what a release says of itself, and its digest."""
        if release is None:
            return None
        data = self._patiently(lambda: self._work.store.models.read(release.blob))
        model = load_model(data, release.sha256)
        return model.card, model.sha256

    def _check_serving(self, gateways: Gateways) -> None:
        """See that there is still something to watch, and by which gateways it is reached.

        That an instance is missing is no fault of the release while others serve it: an autoscaler
        may have added one that is not ready yet.

        Raises:
            LedgerMoved, TakenOverByHand, TargetError: there is not.
            StoreUnavailable: nobody knows, for longer than a moment.
        """
        self._patiently(self._check_ours)
        state = self._patiently(self._work.target.read)
        self._check_no_hand(state)
        missing = awaited(state, self.intent.to)
        if missing is not None and not is_served(state, self.intent.to):
            why = f": {state.rollout.reason}" if state.rollout.reason else ""
            raise WatchFailed(f"{self.intent.to} serves no more, it needs {missing}{why}")
        if urls := self._work.gateways(state):
            gateways.keep_to(urls)

    def compensate(self) -> None:
        """Bring back what served before.

        Raises:
            TargetError: it does not come back.
            TakenOverByHand: something else was put in by hand meanwhile.
        """
        origin = self.intent.origin
        words = f"going back to {origin or 'nothing served'}"
        self._before(Planned(Effect.COMPENSATE, words))
        self._desire(origin)
        self._work.crash_point("during compensate")
        self._work.target.wait_until_serving(origin, self._work.told)
        self._work.crash_point("after compensate")

    def move_alias(self, release: Release | None) -> AliasState:
        """Let the alias name the version that serves.

        Nothing served takes it away, and so does a release that is no registered version.

        Raises:
            VersionUnfit: MLflow does not have the version any more.
            LedgerForeign: that MLflow belongs to another ledger.
            RegistryUnavailable: MLflow did not answer.
        """
        number = registry_number(release) if release else None
        self._work.check_registry_id(self.chain)
        alias = self._work.settings.alias
        self._before(alias_step(release if number else None, alias))
        self._work.versions.move_alias(alias, number)
        self._work.crash_point("after move alias")
        return AliasState.MOVED

    def move_alias_or_defer(self, release: Release | None) -> AliasState:
        """Move the alias; where MLflow can't do it now, leave that to `iris recover`."""
        try:
            return self.move_alias(release)
        except (RegistryUnavailable, LedgerForeign) as error:
            self._work.told(f"the alias waits for iris recover: {error.message}")
            return AliasState.PENDING
        except VersionUnfit as error:
            self._work.told(f"the alias stays: {error.message}")
            return AliasState.UNTOUCHED

    def alias_may_have_moved(self) -> bool:
        """Tell whether the step that moves the alias was recorded."""
        return Effect.MOVE_ALIAS in self.chain.operation(self.number).effects

    def was_watched(self) -> bool:
        """Tell whether the window was watched to its end."""
        return bool(self._watched)

    def end(
        self, result: Result, serving: Release | None, alias: AliasState, explanation: str
    ) -> None:
        """Record how it ended."""
        self._work.crash_point("before outcome")
        self._append(
            Outcome(
                intent=self.number,
                result=result,
                serving=serving,
                alias=alias,
                explanation=explanation,
                watched=self._watched,
            )
        )
        self._work.crash_point("after outcome")
        self._work.step("outcome", f"recorded: {result}")

    def leave_to_hand(self, error: TakenOverByHand) -> None:
        """Record that what serves was changed by hand; the ledger goes on from what served before.

        An alias that may have moved is left to `iris recover`.

        Args:
            error: says what was found.
        """
        serving = self.chain.serving
        alias = AliasState.PENDING if self.alias_may_have_moved() else AliasState.UNTOUCHED
        self.end(Result.TAKEN_OVER_BY_HAND, serving, alias, error.message)

    def serving_now(self) -> TargetState:
        """Return the target's state after writing our stamp into it, so that older ones fail.

        Raises:
            TargetError: it does not answer, or somebody else writes.
            TakenOverByHand: something else was put in by hand meanwhile.
        """
        self._desire(self._work.target.read().release)
        return self._work.target.read()

    def _before(self, step: Planned, former: Former | None = None) -> None:
        self._append(Step(intent=self.number, effect=step.effect, former=former))
        self._work.step(step.effect.value, step.words)
        self._work.crash_point(f"before {step.effect}")

    def _append(self, body: Body) -> None:
        try:
            self.chain = self._work.ledger.append(self.chain, body)
        except StoreUnavailable as error:
            raise _naming_recover(error) from error

    def _desire(self, release: Release | None) -> None:
        """Write the release, by compare-and-set, as often as others' harmless writes ask for it.

        Raises:
            LedgerMoved: the operation was taken over.
            TakenOverByHand: something else was put in by hand.
            TargetError: the target does not answer, or never stands still.
        """
        for _ in range(_WRITES):
            state = self._work.target.read()  # before the ledger is read, or the fence has a gap
            self._check_ours()
            self._check_no_hand(state)
            fence = self._fence()
            with contextlib.suppress(TargetMoved):
                self._work.target.write(release, fence, state.revision)
                return
        raise TargetUnavailable(
            f"the target changed {_WRITES} times while it was written to",
            hint="somebody else writes to it; look at iris status",
        )

    def _fence(self) -> Fence:
        assert self.chain.genesis is not None
        assert self.chain.head is not None
        return Fence(self.chain.genesis.ledger, self.chain.head.number, self.chain.head.digest)

    def _check_ours(self) -> None:
        if self._work.ledger.read().head != self.chain.head:
            raise LedgerMoved(
                "this operation was taken over by somebody else",
                hint="look at iris history; nothing more is done here",
            )

    def _patiently(self, look: Callable[[], T]) -> T:
        """Return what a look finds, and bear with a store or target that is away for a moment.

        Raises:
            StoreUnavailable, TargetUnavailable: it stays away.
        """
        ends = time.monotonic() + _AWAY_S
        while True:
            try:
                return look()
            except (StoreUnavailable, TargetUnavailable) as error:
                if time.monotonic() >= ends:
                    raise _naming_recover(error) from error
                self._work.told(f"looking again: {error.message}")
            time.sleep(_AGAIN_S)

    def _check_no_hand(self, state: TargetState) -> None:
        if state.release not in self.chain.put_in(self.intent):
            raise TakenOverByHand(
                f"{state.release or 'nothing'} was put in by hand, and is left as it is",
                hint="iris rollback --to VERSION brings a recorded release back",
            )


def _naming_recover(error: IrisError) -> IrisError:
    """Return the error, with what to do next where it leaves the operation open."""
    if not isinstance(error, StoreUnavailable):
        return error
    hint = f"{error.hint}; then end what was begun: iris recover"
    return StoreUnavailable(error.message, hint=hint)
