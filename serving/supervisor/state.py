"""What the supervisor has been told, kept on disk: written whole, and flushed, before it counts."""

import uuid
from pathlib import Path

import msgspec

from artifacts.errors import IrisError
from artifacts.files import write_whole
from artifacts.release import Release


class Fence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The record of a ledger under which something was set: the ledger's id, number and digest."""

    ledger: str
    number: int
    digest: str


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is desired, and what served last.

    `target` is the name by which a ledger knows this supervisor, made once; `revision` rises with
    each write of a caller, and with each start, since the file may have been edited before it.
    """

    target: str
    revision: int = 0
    release: Release | None = None
    fence: Fence | None = None
    served: Release | None = None


class StateLost(IrisError):
    """The state can't be read or written."""


def read_state(path: Path) -> State:
    """Return the state that is kept at `path`; a new one where there is none.

    Raises:
        StateLost: something is there, but it is no state.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        return State(target=str(uuid.uuid4()))
    except (OSError, ValueError) as error:
        raise StateLost(
            f"{path} cannot be read: {error}",
            hint="correct it, or move it away: the next iris promote then says how to go on",
        ) from error


def write_state(path: Path, state: State) -> None:
    """Keep `state`.

    Raises:
        StateLost: it could not be written; the one before is still there.
    """
    try:
        write_whole(path, msgspec.json.format(msgspec.json.encode(state), indent=2) + b"\n")
    except OSError as error:
        raise StateLost(
            f"{path} cannot be written: {error.strerror}",
            hint="check the folder's rights and the disk's free space",
        ) from error
