"""Whatever is done, dies, is broken and mended, in whatever order: the invariants hold."""

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from artifacts.errors import IrisError
from artifacts.release import Release, registry_release
from registry import promotion, recovery
from registry.chain import Chain
from registry.crash import CRASH_POINTS
from registry.gates import Finding, Report, Verdict
from registry.promotion import Request, promote
from registry.reconcile import reconcile_to_ledger, reconcile_to_serving
from registry.recovery import recover
from registry.rollback import choose, rollback
from registry.rollout import Fence, Instance
from registry.versions import Candidate
from registry.workspace import Workspace
from tests.unit.registry.fakes import Crash, World
from tests.unit.registry.test_reconcile import BY_HAND, HAND

NUMBERS = st.integers(1, 3)
VERSIONS = st.sampled_from([None, "1", "2", "3", BY_HAND.version])


class Trouble(NamedTuple):
    """What befalls a command, where it comes to that point."""

    point: str
    kind: str


TROUBLES = st.just(Trouble("", "")) | st.builds(
    Trouble,
    st.sampled_from(sorted(set(CRASH_POINTS) - {"after genesis"})),
    st.sampled_from(["dies", "dies", "MLflow goes down", "a hand edits", "a version breaks"]),
)


def passed(
    work: Workspace, chain: Chain, candidate: Candidate, file: bytes, contract_change: str
) -> Report:
    """Let any version pass: what gates say is tested elsewhere, and takes its time."""
    del work, file, contract_change
    return Report(
        version=candidate.number,
        release=registry_release(candidate.number, candidate.sha256),
        champion=chain.serving,
        head=chain.head,
        findings=[Finding("integrity", Verdict.PASS, "")],
    )


class Machine(RuleBasedStateMachine):
    """Users, crashes, hands and outages on one environment, in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.world = World(self.folder)
        self.world.work().store.models.create(BY_HAND.blob, HAND)
        for number in range(3):
            self.world.register(tilt=number / 100)
        self.alias_by_hand = False
        self.aliases: set[int | None] = {None}
        """What served, by number, or a hand let the alias name."""
        self.edits = 0
        self._note_what_is_done()
        self.reader = self.world.work().ledger
        """Reads on from what it has read: it would find a record that was changed since."""
        self.patches = contextlib.ExitStack()
        self.patches.enter_context(patch.object(recovery, "is_dead", lambda _: True))
        self.patches.enter_context(patch.object(promotion, "examine", passed))

    def teardown(self) -> None:
        self.patches.close()
        shutil.rmtree(self.folder)

    @initialize(number=NUMBERS)
    def first(self, number: int) -> None:
        promote(self.world.work(), Request(number))

    @rule(number=NUMBERS, trouble=TROUBLES)
    def promote(self, number: int, trouble: Trouble) -> None:
        with self._hand_respected():
            self._run(
                lambda work: promote(work, Request(number, reason="drawn", watch_s=1.0)),
                "promote",
                trouble,
            )

    @rule(trouble=TROUBLES)
    def recover(self, trouble: Trouble) -> None:
        with self._hand_respected():
            self._run(recover, "recover", trouble)

    @rule(version=VERSIONS, trouble=TROUBLES)
    def rollback(self, version: str | None, trouble: Trouble) -> None:
        self._run(lambda work: rollback(work, choose(work, version), "drawn"), "rollback", trouble)

    @rule(to_serving=st.booleans(), trouble=TROUBLES)
    def reconcile(self, trouble: Trouble, *, to_serving: bool) -> None:
        run = reconcile_to_serving if to_serving else reconcile_to_ledger
        self._run(lambda work: run(work, "drawn"), run.__name__, trouble)

    @rule()
    def edit_by_hand(self) -> None:
        """Put a release in past the ledger; its instance reports the digest that it found."""
        self.edits += 1
        self._put(Release(BY_HAND.version, BY_HAND.blob, None))
        self.world.target.report([Instance("i", BY_HAND, ready=True)])

    @rule(number=NUMBERS)
    def move_alias_by_hand(self, number: int) -> None:
        self.world.versions.aliases["champion"] = number
        self.alias_by_hand = True
        self.aliases.add(number)

    @precondition(lambda self: self.reader.read().releases())
    @rule(data=st.data())
    def serve_again(self, data: st.DataObject) -> None:
        """Every past release can be served again, whatever hands did; then everything agrees."""
        self._mend()
        release = data.draw(st.sampled_from(self.reader.read().releases()))
        rollback(self.world.work(), choose(self.world.work(), release.version), "drawn")
        assert self.world.target.state.release == release
        self.world.consistent()

    @rule()
    def mend_and_recover(self) -> None:
        """With all mended one recovery leaves nothing open, and only what hands did."""
        self._mend()
        recover(self.world.work())
        chain = self.reader.read()
        assert chain.open is None
        assert chain.pending is None

    @rule()
    def mend_and_settle(self) -> None:
        """What hands did is gone when a person says so, and then everything agrees."""
        self.mend_and_recover()
        if self.reader.read().serving is not None:
            reconcile_to_ledger(self.world.work(), "drawn")
            self.world.consistent()

    @invariant()
    def at_most_one_is_open(self) -> None:
        chain = self.reader.read()
        left = [o for o in chain.operations if o.outcome is None and not o.superseded]
        assert left == [o for o in [chain.open] if o is not None]

    @invariant()
    def the_alias_names_nothing_that_never_served(self) -> None:
        assert self.world.versions.aliases.get("champion") in self.aliases

    @invariant()
    def what_no_hand_changed_agrees(self) -> None:
        """Only an open operation, a hand, or an alias that is recorded as pending excuse."""
        chain = self.reader.read()
        by_hand = self.world.target.state.release != chain.serving and self._by_hand()
        if chain.open is None and chain.pending is None and not (by_hand or self.alias_by_hand):
            self.world.consistent()

    def _run(self, command: Callable[[Workspace], Any], name: str, trouble: Trouble) -> None:
        """Let a command run, and something befall it; what befell the one before was mended."""
        self._mend()
        work = self.world.work()
        befallen: list[str] = []

        def crash_point(here: str) -> None:
            if here == trouble.point and not befallen:
                befallen.append(here)
                self._befall(trouble.kind)

        work.crash_point = crash_point
        try:
            command(work)
        except Crash:
            event(f"{name} dies {trouble.point}")
        except IrisError as error:
            event(f"{name}: {type(error).__name__}")
        else:
            event(f"{name} done")

    def _befall(self, kind: str) -> None:
        match kind:
            case "dies":
                raise Crash
            case "MLflow goes down":
                self.world.versions.down = True
            case "a hand edits":
                self.world.target.before_write = self.edit_by_hand
            case "a version breaks":
                self.world.target.broken = {"1", "2", "3"} - {self.world.serving()}

    def _mend(self) -> None:
        self.world.versions.down = False
        self.world.target.broken.clear()
        self.world.target.before_write = lambda: None

    def _note_what_is_done(self) -> None:
        """Note what has served, and when the alias was moved by a command."""
        self._put, move_alias = self.world.target.put, self.world.versions.move_alias

        def put(release: Release | None, fence: Fence | None = None) -> None:
            self._put(release, fence)
            serving = {i.release.version for i in self.world.target.state.instances if i.release}
            self.aliases |= {int(version) for version in serving if version.isdecimal()}

        def move(name: str, number: int | None) -> None:
            move_alias(name, number)
            self.alias_by_hand = False

        self.world.target.put = put  # type: ignore[method-assign]
        self.world.versions.move_alias = move  # type: ignore[method-assign]

    def _by_hand(self) -> bool:
        release = self.world.target.state.release
        return release is not None and release.version == BY_HAND.version

    @contextmanager
    def _hand_respected(self) -> Iterator[None]:
        """What a hand put in stays, unless a command that met it was asked to replace it."""
        chain = self.reader.read()
        asked = {chain.serving} | (chain.put_in(chain.open.intent) if chain.open else set())
        edits = self.edits
        by_hand = self._by_hand() and self.world.target.state.release not in asked
        yield
        if by_hand or self.edits > edits:
            assert self._by_hand()


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
