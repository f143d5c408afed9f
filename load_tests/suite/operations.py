"""Promotions and a rollback while the load goes on, by the commands that a user types."""

import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from load_tests.suite.errors import SystemFailed
from load_tests.suite.system import iris, status

WATCH = "2s"
REASON = "a load test"


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """A command, and how it ended."""

    words: str
    began: float
    """Seconds from the start."""
    ended: float
    failure: str = ""


def commands(versions: Sequence[int], serving: int, promotions: int) -> list[list[str]]:
    """Return so many promotions, of the two versions in turn, and the rollback at the end.

    Args:
        versions: the two; what serves comes second.
        serving: what serves.
        promotions: how many.
    """
    first, second = sorted(versions, key=lambda version: version == serving)[:2]
    turns = [(first, second)[number % 2] for number in range(promotions)]
    before = (first, second)[promotions % 2]  # what did not come last
    promote = [["promote", str(v), "--watch", WATCH, "--reason", REASON] for v in turns]
    return [*promote, ["rollback", "--to", str(before), "--reason", REASON]]


def plan(environ: Mapping[str, str], promotions: int) -> list[list[str]]:
    """Return the commands for what serves now.

    Raises:
        SystemFailed: it has no two versions.
    """
    found = status(environ)
    versions = found["registered"]["versions"]
    release = found["release"]
    if len(versions) < 2 or release is None or not str(release["version"]).isdecimal():
        raise SystemFailed("two registered versions are needed, one of them serving: iris train")
    return commands(sorted(versions)[:2], int(release["version"]), promotions)


def run(
    environ: Mapping[str, str],
    asked: Sequence[Sequence[str]],
    now: Callable[[], float],
    latest: float,
) -> list[Operation]:
    """Run the commands one after the other; those that would begin after `latest` are left."""
    done = []
    for words in asked:
        began = now()
        if began > latest:
            break
        failure = ""
        try:
            iris(environ, *words)
        except SystemFailed as error:
            failure = str(error)
        done.append(Operation(words=" ".join(words[:3]), began=began, ended=now(), failure=failure))
        time.sleep(0.5)  # a moment of plain load between two of them
    return done
