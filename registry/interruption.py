"""Ctrl-C during a command: what serves now, what was left half-done, and what to type next."""

from collections.abc import Iterator
from contextlib import contextmanager

from artifacts.errors import IrisError
from artifacts.store import open_store
from registry.errors import Interrupted
from registry.settings import RegistrySettings
from registry.status import target_state
from registry.workspace import open_ledger


@contextmanager
def interruptible(settings: RegistrySettings) -> Iterator[None]:
    """Turn Ctrl-C into an error that says how things stand. It goes around what is to be closed.

    Raises:
        Interrupted: Ctrl-C was pressed.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise _interrupted(settings) from None


def _interrupted(settings: RegistrySettings) -> Interrupted:
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
