"""What a generator is told before the run, and what it tells after it; both are files."""

from array import array
from pathlib import Path

import msgspec

from load_tests.suite.checking import Expected
from load_tests.suite.questions import Question

KEY = "IRIS_GATEWAY_KEY"
"""The variable with the API key, which is in no file and in no list of processes."""
OVER = "over"
"""The file beside the plan that tells the generators to send no more."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A run: everything is decided but the moment at which it begins."""

    host: str
    run: str
    """What the ids of its requests begin with."""
    in_flight: int
    """The most requests that one generator has under way."""
    deadline_ms: int
    seconds: float
    grace_s: float
    """How long is waited for what is under way at the end."""
    questions: list[Question]
    due: list[float]
    """When each request is due, in seconds from the start."""
    asks: list[int]
    """Which question each is."""
    expected: dict[str, Expected]

    def left_ms(self, index: int, sent: float) -> int:
        """Return how long the service may take for a request, which waits since it was due.

        Args:
            index: the request.
            sent: when it is sent, in seconds from the start.
        """
        return max(1, round(self.deadline_ms - (sent - self.due[index]) * 1000))


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the requests of one generator, in columns; times are seconds from the start.

    The requests are those of the plan from the generator's own number on, in steps of how many
    generators there are.
    """

    sent: bytes
    done: bytes
    outcome: bytes
    release: bytes
    """Which of `releases` answered; -1: none."""
    releases: list[tuple[str, str]]
    words: dict[str, int]
    """What went wrong, and how often."""
    lags_ms: list[float]
    """By how much a timer that rings every 10 ms was late: what the process itself adds."""
    cpu: list[float]
    """The share of a core that the process took, each second."""
    most_in_flight: int
    ended: float
    """When it sent no more: at the end of the plan, or when it was told that the load is over."""


def write(plan: Plan, file: Path) -> None:
    """Write a plan."""
    file.write_bytes(msgspec.msgpack.encode(plan))


def read(file: Path) -> Plan:
    """Read a plan."""
    return msgspec.msgpack.decode(file.read_bytes(), type=Plan)


class Notes:
    """What a generator notes while it runs: a column each, and nothing is made but numbers."""

    def __init__(self, requests: int, unsent: int) -> None:
        """Take that none of so many requests was sent."""
        self.sent = array("d", [-1.0]) * requests
        self.done = array("d", [-1.0]) * requests
        self.outcome = array("b", [unsent]) * requests
        self.release = array("b", [-1]) * requests
        self.releases: dict[tuple[str, str], int] = {}
        self.words: dict[str, int] = {}

    def told(
        self, lags_ms: list[float], cpu: list[float], most_in_flight: int, ended: float
    ) -> Told:
        """Return all of it."""
        return Told(
            sent=self.sent.tobytes(),
            done=self.done.tobytes(),
            outcome=self.outcome.tobytes(),
            release=self.release.tobytes(),
            releases=list(self.releases),
            words=self.words,
            lags_ms=lags_ms,
            cpu=cpu,
            most_in_flight=most_in_flight,
            ended=ended,
        )
