"""The end of a command by a signal: what serves now, what is half-done, and what to type next.

Ctrl-C is one. A closed terminal (SIGHUP) and `kill` (SIGTERM) end a command in the same way: what
it has started is ended, and nothing is half-written. Under nohup, which ignores SIGHUP, it goes on.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from artifacts.errors import IrisError
from artifacts.store import open_store
from registry.errors import Interrupted
from registry.settings import RegistrySettings
from registry.status import target_state
from registry.workspace import open_ledger


class _Ended(BaseException):
    """A signal asks the process to end. No handler of an expected failure catches it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def interruptible(settings: RegistrySettings) -> Iterator[None]:
    """Turn an interruption into an error that says how things stand.

    It goes around what is to be closed, and is called in the main thread.

    Raises:
        Interrupted: Ctrl-C was pressed, the terminal was closed, or the process was told to end.
    """
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in kept.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _end)
    try:
        yield
    except KeyboardInterrupt:
        raise _interrupted(settings, signal.SIGINT) from None
    except _Ended as ended:
        raise _interrupted(settings, ended.number) from None
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _end(number: int, _: FrameType | None) -> None:
    raise _Ended(number)


def _interrupted(settings: RegistrySettings, number: int) -> Interrupted:
    interrupted = _how_things_stand(settings)
    interrupted.exit_code = 128 + number
    return interrupted


def _how_things_stand(settings: RegistrySettings) -> Interrupted:
    try:
        operation = open_ledger(settings, open_store(settings.store_uri)).read().open
    except IrisError as error:
        return Interrupted(
            f"interrupted; {_serving(settings)}; what was begun is not known: {error.message}",
            hint="when the store answers again: iris status",
        )
    if operation is None:
        return Interrupted(
            f"interrupted; {_serving(settings)}; nothing was left half-done", hint="iris status"
        )
    return Interrupted(
        f"interrupted; {_serving(settings)}; {operation.describe()}",
        hint="to finish it, or undo what cannot be finished: iris recover; "
        "to go back: iris rollback",
    )


def _serving(settings: RegistrySettings) -> str:
    state = target_state(settings)
    if state is None:
        return "nothing is serving here now"
    ready = sorted({str(i.release) for i in state.instances if i.ready and i.release})
    return f"{' and '.join(ready) or 'nothing'} serves now"
