"""The coalescer, before a call that is a function in memory."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from serving.gateway.coalescing import Coalescer, Question
from serving.gateway.models import Answered, Origin, Probabilities, ServedModel
from serving.gateway.problems import (
    DEADLINE_EXCEEDED,
    INFERENCE_FAILED,
    INTERNAL_ERROR,
    OVERLOADED,
    Problem,
)
from serving.gateway.schema import Row

FEATURES = ("length", "width")
FAR = 1e9


def served(version: str) -> ServedModel:
    """Return a release."""
    description = {"name": "m", "version": version, "sha256": version, "features": [], "labels": []}
    return ServedModel(msgspec.json.encode(description))


class Asked(Question):
    """A question with its outcome, which can be awaited."""

    def __init__(
        self,
        rows: list[Row],
        features: Sequence[str] = FEATURES,
        deadline: float = FAR,
        name: str = "",
    ) -> None:
        super().__init__(rows, features, deadline)
        self.left = False
        self.name = name
        self.outcome: asyncio.Future[list[Probabilities]] = asyncio.Future()

    @property
    def gone(self) -> bool:
        return self.left

    @property
    def origin(self) -> Origin:
        return Origin(self.name)

    def answered(self, answered: Answered) -> None:
        self.outcome.set_result(answered.probabilities)

    def failed(self, problem: Problem) -> None:
        self.outcome.set_exception(problem)

    async def problem(self) -> Problem:
        """Return why it failed."""
        with pytest.raises(Problem) as caught:
            await asyncio.wait_for(self.outcome, 10)
        return caught.value


class Calls:
    """Calls that wait until they are let go, and answer each row with itself."""

    def __init__(self) -> None:
        self.made: list[list[Row]] = []
        self.origins: list[Origin] = []
        self.go = asyncio.Event()
        self.fail_with: Exception | None = None
        self.pause_s = 0.0
        self.at_once = 0
        self.most_at_once = 0

    async def __call__(
        self, rows: list[Row], features: Sequence[str], deadline: float, origin: Origin
    ) -> Answered:
        """Make a call; the release is the number of the call."""
        self.made.append(rows)
        self.origins.append(origin)
        number = len(self.made)
        failure = self.fail_with
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.go.wait()
        await asyncio.sleep(self.pause_s)
        self.at_once -= 1
        if failure is not None:
            raise failure
        return Answered(served(str(number)), [(len(features), *row) for row in rows])


class Front(Coalescer):
    """A coalescer over calls, with small bounds."""

    def __init__(
        self, calls: Calls, *, places: int = 1, call_rows: int = 4, queue: int = 1000
    ) -> None:
        super().__init__(calls, places=lambda: places, call_rows=call_rows, queue_rows=queue)

    def asked(self, rows: list[Row], *others: object) -> Asked:
        """Ask a question, and return it."""
        question = Asked(rows, *others)  # type: ignore[arg-type]
        self.ask(question, asyncio.get_running_loop().time())
        return question


async def turns() -> None:
    """Let everything happen that can happen now."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_each_request_gets_its_own_rows_in_order() -> None:
    """However requests share calls, each gets its own rows, in its order, by one release."""
    calls = Calls()
    calls.go.set()
    front = Front(calls, places=2, call_rows=7)
    requests = [[[float(i), float(j)] for j in range(i % 5 + 1)] for i in range(200)]

    async def ask(rows: list[Row]) -> None:
        if rows[0][0] % 3 == 0:
            await asyncio.sleep(0)
        assert await front.asked(rows).outcome == [(2, *row) for row in rows]

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        for rows in requests:
            tasks.create_task(ask(rows))
    assert sum(len(rows) for rows in calls.made) == sum(len(rows) for rows in requests)
    assert len(calls.made) < len(requests)
    assert calls.most_at_once == 2
    assert max(len(rows) for rows in calls.made) <= 7


async def test_a_lone_request_does_not_wait() -> None:
    """A request leaves at once where a call may be made; what comes meanwhile goes together."""
    calls = Calls()
    front = Front(calls)
    asked = [front.asked([[1, 1]], FEATURES, FAR, "first")]
    await turns()
    assert calls.made == [[[1, 1]]]
    for name in ("second", "third"):
        asked.append(front.asked([[2, 2]], FEATURES, FAR, name))
        await turns()
    assert len(calls.made) == 1
    calls.go.set()
    await asyncio.gather(*(question.outcome for question in asked))
    assert calls.made[1:] == [[[2, 2], [2, 2]]]
    assert [origin.request_id for origin in calls.origins] == ["first", "second"]


async def test_a_logged_request_takes_its_call_along() -> None:
    """Inference logs the call of a request that is logged here, and the line here names it."""
    calls = Calls()
    calls.go.set()
    front = Front(calls)
    asked = [Asked([[1, 1]], name=name) for name in ("first", "second", "third")]
    asked[1].logged = True
    for question in asked:
        front.ask(question, asyncio.get_running_loop().time())
    await asyncio.gather(*(question.outcome for question in asked))
    assert [origin.logged for origin in calls.origins] == [True]
    assert asked[1].call == "first"
    calls.fail_with = Problem(INFERENCE_FAILED, "broken")
    failing = [front.asked([[1, 1]], FEATURES, FAR, name) for name in ("fourth", "fifth")]
    assert [(await question.problem()).kind for question in failing] == [INFERENCE_FAILED] * 2
    assert [question.call for question in failing] == ["fourth"] * 2
    assert not calls.origins[-1].logged


async def test_a_large_request_is_one_call() -> None:
    """A request is never split, so that one release answers all of it."""
    calls = Calls()
    calls.go.set()
    assert len(await Front(calls, call_rows=4).asked([[1, 1]] * 9).outcome) == 9
    assert [len(rows) for rows in calls.made] == [9]


async def test_rows_of_different_features_do_not_mix() -> None:
    """Requests that were checked against different features go in different calls."""
    calls = Calls()
    calls.go.set()
    front = Front(calls)
    one, two = front.asked([[1, 1]]), front.asked([[1]], ("length",))
    assert await one.outcome == [(2, 1, 1)]
    assert await two.outcome == [(1, 1)]
    assert len(calls.made) == 2


async def test_a_failed_call_fails_its_own_requests_only() -> None:
    """Requests of other calls are answered; the place of the failed call is free again."""
    calls = Calls()
    front = Front(calls)
    calls.fail_with = Problem(INFERENCE_FAILED, "no")
    first = [front.asked([[1, 1]]) for _ in range(2)]
    await turns()
    calls.fail_with = None
    second = front.asked([[2, 2]])
    await turns()
    calls.go.set()
    assert await second.outcome == [(2, 2, 2)]
    for question in first:
        assert (await question.problem()).kind is INFERENCE_FAILED


async def test_a_defect_leaves_nobody_waiting(caplog: pytest.LogCaptureFixture) -> None:
    """An error that nobody foresaw is an answer too, and the next request is served."""
    calls = Calls()
    calls.go.set()
    front = Front(calls)
    calls.fail_with = ZeroDivisionError()
    assert (await front.asked([[1, 1]]).problem()).kind is INTERNAL_ERROR
    assert "ZeroDivisionError" in caplog.text
    calls.fail_with = None
    assert await front.asked([[1, 1]]).outcome == [(2, 1, 1)]


async def test_a_client_that_leaves_costs_no_more_than_its_row() -> None:
    """A request whose client leaves while it waits is left out; one in a call spoils nothing."""
    calls = Calls()
    front = Front(calls)
    asked = [front.asked([[i, i]]) for i in range(2)]
    await turns()
    asked += [front.asked([[i, i]]) for i in range(2, 4)]
    await turns()
    asked[0].left = asked[2].left = True
    calls.go.set()
    assert await asked[1].outcome == [(2, 1, 1)]
    assert await asked[3].outcome == [(2, 3, 3)]
    assert calls.made == [[[0, 0], [1, 1]], [[3, 3]]]


async def test_a_full_queue_refuses_at_once() -> None:
    """What comes on top of the bound is refused before it costs anything; later there is room."""
    calls = Calls()
    front = Front(calls, queue=3)
    asked = [front.asked([[1, 1]])]
    await turns()
    asked.append(front.asked([[1, 1]] * 3))
    await turns()
    with pytest.raises(Problem) as caught:
        front.asked([[1, 1]])
    assert caught.value.kind is OVERLOADED
    calls.go.set()
    await asyncio.gather(*(question.outcome for question in asked))
    assert await front.asked([[1, 1]]).outcome == [(2, 1, 1)]


async def test_what_would_be_late_is_refused_at_once() -> None:
    """Once it is known how long a call takes, whoever can't wait that long costs no model time."""
    calls = Calls()
    front = Front(calls)
    now = asyncio.get_running_loop().time
    for _ in range(30):  # until the estimate is near
        calls.go.clear()
        question = front.asked([[1, 1]])
        asyncio.get_running_loop().call_later(0.02, calls.go.set)
        await question.outcome
    calls.go.clear()
    asked = [front.asked([[1, 1]]) for _ in range(8)]  # a call under way, and four rows that wait
    await turns()
    with pytest.raises(Problem) as caught:
        front.asked([[1, 1]], FEATURES, now() + 0.01)
    assert caught.value.kind is OVERLOADED
    patient = front.asked([[2, 2]], FEATURES, now() + 10)
    calls.go.set()
    await asyncio.gather(*(question.outcome for question in asked))
    assert await patient.outcome == [(2, 2, 2)]
    assert sum(map(len, calls.made)) == 30 + 8 + 1


async def test_calls_that_are_not_answered_teach_too() -> None:
    """Where calls run into their deadlines, the next ones are refused at once, until one is not."""
    calls = Calls()
    calls.go.set()
    front = Front(calls)
    now = asyncio.get_running_loop().time
    calls.fail_with = Problem(DEADLINE_EXCEEDED, "late")
    calls.pause_s = 0.1
    assert (await front.asked([[1, 1]]).problem()).kind is DEADLINE_EXCEEDED
    calls.fail_with, calls.pause_s = None, 0.0
    calls.go.clear()
    asked = [front.asked([[1, 1]]) for _ in range(5)]
    await turns()
    with pytest.raises(Problem) as caught:
        front.asked([[1, 1]], FEATURES, now() + 0.09)
    assert caught.value.kind is OVERLOADED
    calls.go.set()
    await asyncio.gather(*(question.outcome for question in asked))
    assert await front.asked([[2, 2]], FEATURES, now() + 10).outcome == [(2, 2, 2)]


async def test_nobody_waits_past_the_deadline() -> None:
    """A deadline ends the wait in the queue (nothing was spent) and in a call, each told apart."""
    calls = Calls()
    front = Front(calls)
    now = asyncio.get_running_loop().time()
    called = front.asked([[1, 1]], FEATURES, now + 0.01)
    await turns()
    patient = front.asked([[2, 2]])
    queued = front.asked([[3, 3]], FEATURES, now + 0.01)
    assert (await called.problem()).kind is DEADLINE_EXCEEDED
    assert (await queued.problem()).kind is OVERLOADED
    calls.go.set()
    assert await patient.outcome == [(2, 2, 2)]
    assert calls.made == [[[1, 1]], [[2, 2]]]
