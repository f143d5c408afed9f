"""Rows of many concurrent requests in few calls.

A call costs about the same for one row as for a hundred, so what waits while calls are under way
goes into the next one together. Nothing waits for a timer: a request that finds a free place for a
call leaves at once (with what came in the same turn of the event loop). All rows of a request are
in one call, so they are answered by one release.

It calls back instead of being awaited, so a request takes no task and no future of its own.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain

from serving.exposition import Histogram
from serving.gateway.models import Answered, Origin
from serving.gateway.problems import (
    CALL_REASONS,
    DEADLINE_EXCEEDED,
    INTERNAL_ERROR,
    OVERLOADED,
    QUEUE_FULL,
    WAS_LATE,
    WOULD_BE_LATE,
    Problem,
)
from serving.gateway.schema import Row

Call = Callable[[list[Row], Sequence[str], float, Origin], Awaitable[Answered]]

SWEEP_S = 0.05  # how late a passed deadline may be noticed
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_WELL_BEFORE = 0.8
_LEARNING = 0.1  # what the latest call weighs in the expected duration of the next

log = logging.getLogger(__name__)


class Question(ABC):
    """The rows of one request; `answered` or `failed` is called once, unless nobody waits."""

    __slots__ = ("asked", "call", "deadline", "features", "logged", "rows", "settled")

    def __init__(self, rows: list[Row], features: Sequence[str], deadline: float) -> None:
        """Take rows, the features in their order, and the deadline on the event loop's clock."""
        self.rows = rows
        self.features = features
        self.deadline = deadline
        self.asked = 0.0
        self.logged = False
        """Whether its call is to be logged by inference too."""
        self.call = ""
        """The id that its call went under; where that failed, or it is logged."""
        self.settled = False

    @property
    @abstractmethod
    def gone(self) -> bool:
        """Whether nobody waits for the answer any more."""

    @property
    @abstractmethod
    def origin(self) -> Origin:
        """What its call is made for, where it is the first of it."""

    @abstractmethod
    def answered(self, answered: Answered) -> None:
        """Take the answer; must not raise."""

    @abstractmethod
    def failed(self, problem: Problem) -> None:
        """Take the reason why there is none; must not raise."""


class Figures:
    """What is counted of queue and calls."""

    def __init__(self) -> None:
        self.waits = Histogram(SECONDS)
        """How long the oldest request of each call had waited for it."""
        self.rows = Histogram(ROWS)
        self.durations = {outcome: Histogram(SECONDS) for outcome in ("ok", *CALL_REASONS)}


class Coalescer:
    """The queue before the calls."""

    def __init__(
        self, call: Call, *, places: Callable[[], int], call_rows: int, queue_rows: int
    ) -> None:
        """Set up an empty queue.

        Args:
            call: gets rows, the features in their order, the deadline on the event loop's clock
                and the origin of the first request; raises only `Problem`.
            places: how many calls may be under way now.
            call_rows: the most rows of a call that holds more than one request.
            queue_rows: the most rows that wait; what comes on top is refused.
        """
        self._call = call
        self._places = places
        self._call_rows = call_rows
        self.queue_rows = queue_rows
        self.figures = Figures()
        self._queue: deque[Question] = deque()
        self.queued_rows = 0
        """How many rows wait for a call."""
        self._tasks: dict[asyncio.Task[None], list[Question]] = {}
        self.under_way = 0
        """How many calls are made now."""
        self._call_s = 0.0
        self._dispatch_due = False
        self._sweep_due = False

    @property
    def places(self) -> int:
        """How many calls may be made at a time."""
        return self._places()

    def ask(self, question: Question, now: float) -> None:
        """Let a question wait for its call; `now` is the event loop's time.

        Raises:
            Problem: it can't be answered in time, so it is not even tried.
        """
        rows = len(question.rows)
        if self._queue:
            self._check_room(rows, question.deadline - now)
        question.asked = now
        self._queue.append(question)
        self.queued_rows += rows
        if not self._dispatch_due:
            self._dispatch_due = True
            asyncio.get_running_loop().call_soon(self._dispatch)
        if not self._sweep_due:
            self._sweep_due = True
            asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)

    def _check_room(self, rows: int, patience_s: float) -> None:
        """Refuse what is too much, and what would not be answered before its deadline.

        It waits for the calls that are under way and for those that hold what waits already. That
        is to be well before the deadline: who is let in and misses it has waited for nothing, and
        in the end has cost model time.
        """
        if self.queued_rows + rows > self.queue_rows:
            detail = f"{self.queued_rows} rows are waiting already."
            raise Problem(OVERLOADED, detail, reason=QUEUE_FULL)
        wait_s = self._call_s
        if self.queued_rows > self._call_rows:
            wait_s *= 1 + self.queued_rows / self._call_rows / max(1, self._places())
        if wait_s > patience_s * _WELL_BEFORE:
            detail = f"It would take {wait_s:.1f} s, which is too late."
            raise Problem(OVERLOADED, detail, reason=WOULD_BE_LATE)

    def _dispatch(self) -> None:
        """Start calls while there are free places and something waits."""
        self._dispatch_due = False
        while self._queue and self.under_way < self._places():
            batch = self._take()
            if batch:
                task = asyncio.get_running_loop().create_task(self._run(batch))
                self._tasks[task] = batch
                self.under_way += 1
                task.add_done_callback(self._finish)

    def _take(self) -> list[Question]:
        """Take from the queue what the next call holds: the oldest that have the same features."""
        batch: list[Question] = []
        rows = 0
        while self._queue:
            question = self._queue[0]
            if not (question.settled or question.gone):
                if batch and (
                    rows + len(question.rows) > self._call_rows
                    or question.features != batch[0].features
                ):
                    break
                batch.append(question)
                rows += len(question.rows)
            self._queue.popleft()
            self.queued_rows -= len(question.rows)
        return batch

    async def _run(self, batch: list[Question]) -> None:
        """Make one call, and hand each question its own rows of the answer."""
        try:
            model, given = await self._call_for(batch)
        except Problem as problem:
            for question in batch:
                _fail(question, problem)
            return
        finally:
            self.under_way -= 1
            self._dispatch()
        await asyncio.sleep(0)  # the next call leaves first: to write the answers takes a while
        start = 0
        for question in batch:
            end = start + len(question.rows)
            if not question.settled:
                question.settled = True
                question.answered(Answered(model, given[start:end]))
            start = end

    async def _call_for(self, batch: list[Question]) -> Answered:
        """Make one call, and learn how long calls take.

        Raises:
            Problem: there is no answer.
        """
        first = batch[0]
        origin = first.origin
        for question in [question for question in batch if question.logged]:
            question.call = origin.request_id
            origin = origin._replace(logged=True)
        rows = first.rows if len(batch) == 1 else [row for asked in batch for row in asked.rows]
        deadline = max(question.deadline for question in batch)
        figures = self.figures
        figures.rows.observe(len(rows))
        time = asyncio.get_running_loop().time
        began = time()
        figures.waits.observe(began - first.asked)
        try:
            answered = await self._call(rows, first.features, deadline, origin)
        except Problem as problem:
            for question in batch:
                question.call = origin.request_id
            took = time() - began
            figures.durations[problem.reason].observe(took)
            if problem.kind is DEADLINE_EXCEEDED:  # it takes that long at least
                self._call_s = max(self._call_s, took)
            raise
        took = time() - began
        figures.durations["ok"].observe(took)
        self._call_s += (took - self._call_s) * _LEARNING
        return answered

    def _finish(self, task: "asyncio.Task[None]") -> None:
        """Leave nobody waiting, whatever ended the task."""
        batch = self._tasks.pop(task)
        if not task.cancelled() and (defect := task.exception()) is not None:
            log.error("a call ended in a defect", exc_info=defect)
            for question in batch:
                _fail(question, Problem(INTERNAL_ERROR, "The gateway failed to make the call."))

    def _sweep(self) -> None:
        """Refuse what has passed its deadline. One look at all costs less than a timer for each."""
        self._sweep_due = bool(self._queue or self._tasks)
        if not self._sweep_due:
            return
        loop = asyncio.get_running_loop()
        loop.call_later(SWEEP_S, self._sweep)
        now = loop.time()
        for question in self._queue:
            if question.deadline <= now:
                detail = "The request waited until its deadline."
                _fail(question, Problem(OVERLOADED, detail, reason=WAS_LATE))
        for question in chain.from_iterable(self._tasks.values()):
            if question.deadline <= now:
                _fail(question, Problem(DEADLINE_EXCEEDED, "The call took until the deadline."))


def _fail(question: Question, problem: Problem) -> None:
    if not question.settled:
        question.settled = True
        question.failed(problem)
