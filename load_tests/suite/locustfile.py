"""The users, on Locust; the one module that imports it.

Locust lets gevent replace the standard library's sockets and threads when it is imported, so this
runs in processes of its own: `python -m load_tests.suite.locustfile FOLDER NUMBER OF` is one
generator of a run, and `make load-ui` gives the same users to Locust's web page.

The loop is open. A user does not wait for its answer before it sends again: a greenlet of a bounded
pool takes each request when it is due. What finds no place waits for one, and its time counts from
when it was due.
"""

# isort: off
from locust import FastHttpUser, events, task  # first of all: it replaces what the others import
from locust.contrib.fasthttp import FAILURE_EXCEPTIONS
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import MasterRunner
# isort: on

import gc
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import msgspec
from gevent.pool import Pool
from geventhttpclient.url import URL

from load_tests.suite import plan as plans
from load_tests.suite.checking import Found, Given, Outcome, judge
from load_tests.suite.plan import KEY, OVER, Notes, Plan, Told
from load_tests.suite.questions import Question

ALL = "all"
BEAT_S = 0.01
SECOND_S = 1.0
LOOK_S = 0.1
LONGEST_WORDS = 400
MOST_WORDS = 20
PLAN = "LOAD_PLAN"
"""Where the plan is, for Locust's own command line."""
SHARES = int(os.environ.get("LOAD_SHARES", "1"))
"""How many of Locust's workers share it."""


class RequestFailed(Exception):
    """Why a request counts as failed, for Locust's own list."""


class Generator:
    """One process of a run: its share of the requests, and what became of them."""

    def __init__(self, plan: Plan, number: int, of: int) -> None:
        self.plan = plan
        self._number = number
        self._of = of
        self.notes = Notes(len(range(number, len(plan.due), of)), Outcome.UNSENT)
        self.pool = Pool(plan.in_flight)
        self.began = 0.0
        self.lags_ms: list[float] = []
        self.cpu: list[float] = []
        self.most_in_flight = 0
        self.ended = plan.seconds
        self._url = URL(plan.host)
        self._headers = {"x-iris-synthetic": "1"}
        if key := os.environ.get(KEY):
            self._headers["authorization"] = f"Bearer {key}"

    def follow(self, user: "Scheduled") -> None:
        """Send what this kind of user is to send, each request when it is due."""
        for index in self._mine(user.kind):
            wait = self.began + self.plan.due[index] - time.monotonic()
            if wait > 0:
                gevent.sleep(wait)
            if self.plan.due[index] >= self.ended:
                return
            self.pool.spawn(self._send, user, index)  # waits for a place
            self.most_in_flight = max(self.most_in_flight, len(self.pool))

    def watch_itself(self) -> Iterator[gevent.Greenlet]:
        """Note how late this process is, and how much of a core it takes."""
        yield gevent.spawn(self._beat)
        yield gevent.spawn(self._count_cpu)

    def until_over(self, over: Path) -> None:
        """Wait for the end of the plan, or until somebody says that the load is over."""
        while (now := time.monotonic() - self.began) < self.plan.seconds:
            if over.exists():
                self.ended = now
                return
            gevent.sleep(LOOK_S)

    def told(self) -> Told:
        """Return what became of everything."""
        return self.notes.told(self.lags_ms, self.cpu, self.most_in_flight, self.ended)

    def _mine(self, kind: str) -> Iterator[int]:
        asks, questions = self.plan.asks, self.plan.questions
        for index in range(self._number, len(asks), self._of):
            if kind in (questions[asks[index]].kind, ALL):
                yield index

    def _send(self, user: "Scheduled", index: int) -> None:
        """Send one request, judge its answer, and note what became of it."""
        question = self.plan.questions[self.plan.asks[index]]
        request_id = f"{self.plan.run}-{index}"
        at = index // self._of
        sent = self.notes.sent[at] = time.monotonic() - self.began
        left_ms = str(self.plan.left_ms(index, sent))
        # The id comes first: of a head that is too large, what comes late may not be read at all.
        headers = {"x-request-id": request_id, "request-timeout-ms": left_ms, **self._headers}
        given = None
        try:
            given = self._exchange(user, question, headers | question.headers)
        except FAILURE_EXCEPTIONS as error:
            found = Found(Outcome.ERROR, words=f"{question.name}: {type(error).__name__} {error}")
        done = time.monotonic() - self.began
        if given is not None:
            found = judge(question, request_id, given, self.plan.expected)
        self._note(at, done, found)
        failure = RequestFailed(found.words) if found.outcome > Outcome.UNJUDGED else None
        user.environment.events.request.fire(
            request_type=question.method,
            name=f"{question.kind}: {question.name}",
            response_time=(done - self.plan.due[index]) * 1000,
            response_length=len(given.body) if given else 0,
            exception=failure,
            context={},
            response=None,
        )

    def _exchange(self, user: "Scheduled", question: Question, headers: dict[str, str]) -> Given:
        client = user.client.client.clientpool.get_client(self._url)
        response = client.request(question.method, question.path, question.body, headers)
        try:
            body = bytes(response.read())
            return Given(response.get_code(), str(response.get("x-request-id", "")), body)
        finally:
            response.release()

    def _note(self, at: int, done: float, found: Found) -> None:
        notes = self.notes
        notes.done[at] = done
        notes.outcome[at] = found.outcome
        if found.release is not None:
            known = notes.releases
            notes.release[at] = known.setdefault(
                (found.release.version, found.release.sha256), len(known)
            )
        if found.words:
            words = f"{found.outcome.name.lower()}: {found.words}"[:LONGEST_WORDS]
            if words in notes.words or len(notes.words) < MOST_WORDS:
                notes.words[words] = notes.words.get(words, 0) + 1

    def _beat(self) -> None:
        due = time.monotonic()
        while True:  # each beat was due, also those that one long stop has swallowed
            due += BEAT_S
            gevent.sleep(max(0.0, due - time.monotonic()))
            self.lags_ms.append((time.monotonic() - due) * 1000)

    def _count_cpu(self) -> None:
        while True:
            began, cpu = time.monotonic(), time.process_time()
            gevent.sleep(SECOND_S)
            self.cpu.append((time.process_time() - cpu) / (time.monotonic() - began))


class Scheduled(FastHttpUser):
    """Sends what the plan holds for its kind; one of each is enough, however many requests."""

    abstract = True
    fixed_count = 1
    kind = ""

    def __init__(self, environment: Environment) -> None:
        generator = _generator(environment)
        self.concurrency = generator.plan.in_flight
        self.network_timeout = self.connection_timeout = generator.plan.grace_s
        self.host = generator.plan.host
        super().__init__(environment)

    @task
    def follow(self) -> None:
        """Follow the plan to its end."""
        _generator(self.environment).follow(self)
        raise StopUser


class Everybody(Scheduled):
    """All kinds in one: of each kind Locust might give a worker none, and another one two."""

    abstract = SHARES == 1
    fixed_count = SHARES
    kind = ALL


class Single(Scheduled):
    """A client that sends single rows."""

    abstract = SHARES > 1
    kind = "single"


class Table(Scheduled):
    """A client that sends 2 to 100 rows at once."""

    abstract = SHARES > 1
    kind = "table"


class Mistaken(Scheduled):
    """A client that does everything wrongly, and expects to be told what."""

    abstract = SHARES > 1
    kind = "mistake"


class Reader(Scheduled):
    """A client that reads metadata and health."""

    abstract = SHARES > 1
    kind = "reader"


def begin(environment: Any, **_: object) -> None:
    """Begin the plan anew each time that somebody starts it on Locust's own page."""
    if isinstance(environment.runner, MasterRunner):
        return  # its workers send
    number = getattr(environment.runner, "worker_index", 0)
    if number >= SHARES:  # it came in the place of one that has gone, whose share nobody knows
        raise RuntimeError(f"this is worker {number + 1} of {SHARES}: start all of them anew")
    environment.generator = Generator(plans.read(Path(os.environ[PLAN])), number, SHARES)
    environment.generator.began = time.monotonic()


events.test_start.add_listener(begin)  # type: ignore[no-untyped-call]  # Locust's


def _generator(environment: Any) -> Generator:
    found = environment.generator
    assert isinstance(found, Generator)
    return found


def main() -> None:
    """Wait for the moment to begin, run, and write what became of it."""
    folder, number, of = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    generator = Generator(plans.read(folder / "plan"), number, of)
    environment: Any = Environment(user_classes=[Single, Table, Mistaken, Reader])
    environment.generator = generator
    runner = environment.create_local_runner()
    gc.collect()
    gc.freeze()  # the plan is large, and none of it is ever garbage
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    generator.began = float(sys.stdin.readline())
    gevent.sleep(max(0.0, generator.began - time.monotonic()))
    itself = list(generator.watch_itself())
    runner.start(user_count=4, spawn_rate=4)
    generator.until_over(folder / OVER)
    end = generator.began + generator.ended + generator.plan.grace_s
    while runner.user_count and time.monotonic() < end:
        gevent.sleep(BEAT_S)
    generator.pool.join(max(0.0, end - time.monotonic()))
    gevent.killall(itself)
    (folder / f"told-{number}").write_bytes(msgspec.msgpack.encode(generator.told()))
    os._exit(0)  # what is still under way is not waited for


if __name__ == "__main__":
    main()
