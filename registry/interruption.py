"""Ctrl-C, SIGTERM or a closed terminal: what serves now, what is half-done, what to type next."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from artifacts.errors import IrisError
from artifacts.store import open_store
from registry.errors import Interrupted
from registry.settings import RegistrySettings
from registry.status import target_state
from registry.workspace import open_ledger

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class _Signalled(KeyboardInterrupt):
    """A signal that ends the command as Ctrl-C does: it passes every handler of errors."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextmanager
def interruptible(settings: RegistrySettings) -> Iterator[None]:
    """Turn a signal into an error that says how things stand. It goes around what is to be closed.

    Raises:
        Interrupted: Ctrl-C was pressed, SIGTERM came, or the terminal was closed.
    """
    try:
        with _as_interrupts():
            yield
    except KeyboardInterrupt as interrupt:
        error = _told(settings)
        number = interrupt.number if isinstance(interrupt, _Signalled) else signal.SIGINT
        error.exit_code = 128 + number
        raise error from None


@contextmanager
def _as_interrupts() -> Iterator[None]:
    """Let SIGTERM and SIGHUP interrupt, where they are not ignored (as nohup has it)."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    changed = [n for n, handler in before.items() if handler is not signal.SIG_IGN]
    if threading.current_thread() is not threading.main_thread():
        changed = []  # only the main thread may set handlers
    for number in changed:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, before[number])


def _interrupt(number: int, _: FrameType | None) -> None:
    # A terminal that closes, and whoever ends services, send more than one: the first counts, and
    # the others must not disturb what is being closed.
    for other in _SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    raise _Signalled(number)


def _told(settings: RegistrySettings) -> Interrupted:
    """Say how things stand, unless whoever waits for that is impatient too."""
    try:
        with _as_interrupts():
            return _interrupted(settings)
    except KeyboardInterrupt:
        return Interrupted(
            "interrupted, twice; what serves and what was begun was not looked at",
            hint="iris status",
        )


def _interrupted(settings: RegistrySettings) -> Interrupted:
    try:
        chain = open_ledger(settings, open_store(settings.store_uri)).read()
    except IrisError as error:
        return Interrupted(
            f"interrupted; {_serving(settings)}; what was begun is not known: {error.message}",
            hint="when the store answers again: iris status",
        )
    if chain.open is None:
        return Interrupted(
            f"interrupted; {_serving(settings)}; nothing was left half-done", hint="iris status"
        )
    return Interrupted(
        f"interrupted; {_serving(settings)}; {chain.open.describe()}",
        hint=chain.ways_on(dead=True),
    )


def _serving(settings: RegistrySettings) -> str:
    state = target_state(settings)
    if state is None:
        return "nothing is serving here now"
    ready = sorted({str(i.release) for i in state.instances if i.ready and i.release})
    return f"{' and '.join(ready) or 'nothing'} serves now"
