"""Ctrl-C: what serves, what is open, what to type next; and nothing half-written."""

import os
import signal

import pytest

from registry import interruption
from registry.errors import Interrupted
from registry.interruption import interruptible
from registry.promotion import Request, promote
from registry.settings import RegistrySettings
from tests.unit.registry.fakes import World

OPEN = ["after intent", "before publish", "during roll out", "before move alias", "before outcome"]


def interrupt(world: World, point: str) -> Interrupted:
    """Promote version 1 and press Ctrl-C at a point; return what the user is told."""
    world.register()
    work = world.work()

    def press(here: str) -> None:
        if here == point:
            raise KeyboardInterrupt

    work.crash_point = press
    settings = RegistrySettings(iris_home=str(world.folder))
    with pytest.raises(Interrupted) as told, interruptible(settings):
        promote(work, Request(1))
    assert told.value.exit_code == 130
    assert "nothing is serving here now" in told.value.message
    return told.value


@pytest.mark.parametrize("point", OPEN)
def test_what_is_open_is_told_with_the_two_next_commands(world: World, point: str) -> None:
    """Finish it or go back: both are named, and the ledger is whole."""
    told = interrupt(world, point)
    assert "a promotion to version 1" in told.message
    assert "iris recover" in told.hint
    assert "iris rollback" in told.hint
    assert world.work().ledger.read().open is not None
    assert not list(world.folder.glob("**/.*"))


def test_where_nothing_is_open_that_is_told(world: World) -> None:
    """Nothing has to be mended then."""
    assert "nothing was left half-done" in interrupt(world, "before intent").message


def test_a_damaged_ledger_is_told_as_well(world: World) -> None:
    """It is no traceback, even now."""
    folder = world.folder / "store" / "ledger" / "local"
    folder.mkdir(parents=True)
    (folder / "00000000.json").write_text("{}")
    settings = RegistrySettings(iris_home=str(world.folder))
    with pytest.raises(Interrupted, match="not known"), interruptible(settings):
        raise KeyboardInterrupt


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_as_ctrl_c_does(world: World, number: int) -> None:
    """With its own exit code, and the handlers are put back."""
    before = signal.getsignal(number)
    settings = RegistrySettings(iris_home=str(world.folder))
    with pytest.raises(Interrupted) as told, interruptible(settings):
        os.kill(os.getpid(), number)
    assert told.value.exit_code == 128 + number
    assert signal.getsignal(number) is before


def test_a_signal_that_is_ignored_stays_ignored(world: World) -> None:
    """As nohup leaves it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible(RegistrySettings(iris_home=str(world.folder))):
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_second_signal_ends_it_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch, first: int, second: int
) -> None:
    """Whoever does not wait for how things stand gets no traceback, and the first one's code."""

    def again(_: RegistrySettings) -> None:
        os.kill(os.getpid(), second)

    monkeypatch.setattr(interruption, "target_state", again)
    settings = RegistrySettings(iris_home=str(world.folder))
    with pytest.raises(Interrupted) as told, interruptible(settings):
        os.kill(os.getpid(), first)
    assert told.value.exit_code == 128 + first
    assert "iris status" in told.value.hint
