"""Whatever is done, dies, is broken and mended, in whatever order: the invariants hold."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from artifacts.errors import IrisError
from artifacts.release import Release
from registry import recovery
from registry.crash import CRASH_POINTS
from registry.promotion import Request, promote
from registry.recovery import recover
from registry.rollback import choose, rollback
from registry.rollout import Fence
from tests.unit.registry.fakes import Crash, World

NUMBERS = st.integers(1, 3)
POINTS = st.sampled_from(["", "", *CRASH_POINTS])


class Machine(RuleBasedStateMachine):
    """Users, crashes, hands and outages on one environment, in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.world = World(self.folder)
        for number in range(3):
            self.world.register(tilt=number / 100)
        self.alias_by_hand: int | None = None
        self.hands = 0
        self.served: set[int] = set()
        self._put = self.world.target.put
        self.world.target.put = self._noted  # type: ignore[method-assign]
        self.patch = patch.object(recovery, "is_dead", lambda _: True)
        self.patch.start()

    def teardown(self) -> None:
        self.patch.stop()
        shutil.rmtree(self.folder)

    @rule(number=NUMBERS, point=POINTS, hand=st.booleans())
    def promote(self, number: int, point: str, *, hand: bool) -> None:
        with self._hand_respected(), self._meanwhile(hand=hand), self._failing():
            promote(self.world.work(crash_at=point), Request(number, reason="drawn"))

    @rule(point=POINTS, hand=st.booleans())
    def recover(self, point: str, *, hand: bool) -> None:
        with self._hand_respected(), self._meanwhile(hand=hand), self._failing():
            recover(self.world.work(crash_at=point))

    @rule(number=st.none() | NUMBERS, point=POINTS)
    def rollback(self, number: int | None, point: str) -> None:
        with self._failing():
            work = self.world.work(crash_at=point)
            rollback(work, choose(work, None if number is None else str(number)), "drawn")

    @rule()
    def edit_by_hand(self) -> None:
        self.hands += 1
        self._put(Release(f"by-hand-{self.hands}", "by-hand.onnx", None))

    @rule(number=NUMBERS)
    def move_alias_by_hand(self, number: int) -> None:
        self.world.versions.aliases["champion"] = self.alias_by_hand = number

    @rule()
    def mlflow_goes_down_or_up(self) -> None:
        self.world.versions.down ^= True

    @rule(number=NUMBERS)
    def break_or_mend(self, number: int) -> None:
        self.world.target.broken ^= {str(number)}

    @precondition(lambda self: self.world.work().ledger.read().releases())
    @rule(data=st.data())
    def serve_again(self, data: st.DataObject) -> None:
        """Every past release can be served again, and then everything agrees."""
        self._mend()
        release = data.draw(st.sampled_from(self.world.work().ledger.read().releases()))
        rollback(self.world.work(), choose(self.world.work(), release.version), "drawn")
        assert self.world.target.state.release == release
        self.world.consistent()

    @rule()
    def mend_and_recover(self) -> None:
        """With all mended one recovery leaves nothing open; what hands did is settled by asking."""
        self._mend()
        recover(self.world.work())
        chain = self.world.work().ledger.read()
        assert chain.open is None
        assert chain.pending is None
        if not self._by_hand() and self.alias_by_hand is None:
            self.world.consistent()

    @invariant()
    def at_most_one_is_open(self) -> None:
        chain = self.world.work().ledger.read()
        left = [o for o in chain.operations if o.outcome is None and not o.superseded]
        assert left == [o for o in [chain.open] if o is not None]

    @invariant()
    def the_alias_names_nothing_that_never_served(self) -> None:
        alias = self.world.versions.aliases.get("champion")
        assert alias in {None, self.alias_by_hand} | self.served

    def _noted(self, release: Release | None, fence: Fence | None = None) -> None:
        self._put(release, fence)
        if release and release.version.isdecimal() and self.world.target.state.instances:
            self.served |= set() if self._broken(release) else {int(release.version)}

    def _broken(self, release: Release) -> bool:
        return release.version in self.world.target.broken

    def _by_hand(self) -> bool:
        return str(self.world.serving()).startswith("by-hand")

    def _mend(self) -> None:
        self.world.versions.down = False
        self.world.target.broken.clear()

    @contextmanager
    def _failing(self) -> Iterator[None]:
        with contextlib.suppress(Crash, IrisError):
            yield

    @contextmanager
    def _meanwhile(self, *, hand: bool) -> Iterator[None]:
        """Let a hand be quicker than the next write."""
        if hand:
            self.world.target.before_write = self.edit_by_hand
        yield
        self.world.target.before_write = lambda: None

    @contextmanager
    def _hand_respected(self) -> Iterator[None]:
        """What a hand put in stays, unless a rollback that met it was asked to replace it."""
        chain = self.world.work().ledger.read()
        asked = chain.put_in(chain.open.intent) if chain.open else set()
        found, hands = self.world.target.state.release, self.hands
        by_hand = self._by_hand() and found not in asked
        yield
        if by_hand or self.hands > hands:
            assert self._by_hand()


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=25,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
