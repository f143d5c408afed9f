"""Rows of many concurrent requests in few calls.

A call costs about the same for one row as for a hundred, so what waits while calls are under way
goes into the next one together. Nothing waits for a timer: a request that finds a free place for a
call leaves at once (with what came in the same turn of the event loop). All rows of a request are
in one call, so they are answered by one release.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain

from serving.gateway.models import Answered
from serving.gateway.problems import (
    DEADLINE_EXCEEDED,
    INTERNAL_ERROR,
    OVERLOADED,
    Problem,
)
from serving.gateway.schema import Row

Call = Callable[[list[Row], Sequence[str], float, str | None], Awaitable[Answered]]

SWEEP_S = 0.05  # how late a passed deadline may be noticed

log = logging.getLogger(__name__)


class Waiting:
    """The rows of one request, and its answer to come."""

    __slots__ = ("answer", "deadline", "features", "rows", "traceparent")

    def __init__(
        self,
        rows: list[Row],
        features: Sequence[str],
        deadline: float,
        traceparent: str | None,
        answer: "asyncio.Future[Answered]",
    ) -> None:
        self.rows = rows
        self.features = features
        self.deadline = deadline
        self.traceparent = traceparent
        self.answer = answer


class Coalescer:
    """The queue before the calls."""

    def __init__(
        self, call: Call, *, places: Callable[[], int], call_rows: int, queue_rows: int
    ) -> None:
        """Set up an empty queue.

        Args:
            call: gets rows, the features in their order, the deadline on the event loop's clock
                and the trace of the first request; raises only `Problem`.
            places: how many calls may be under way now.
            call_rows: the most rows of a call that holds more than one request.
            queue_rows: the most rows that wait; what comes on top is refused.
        """
        self._call = call
        self._places = places
        self._call_rows = call_rows
        self._queue_rows = queue_rows
        self._queue: deque[Waiting] = deque()
        self._queued_rows = 0
        self._calls: dict[asyncio.Task[None], list[Waiting]] = {}
        self._dispatch_due = False
        self._sweep_due = False

    async def predict(
        self,
        rows: list[Row],
        features: Sequence[str],
        deadline: float,
        traceparent: str | None = None,
    ) -> Answered:
        """Wait for the answer to the rows of one request.

        Raises:
            Problem: the queue is full, the deadline passed, or the call failed.
        """
        if self._queue and self._queued_rows + len(rows) > self._queue_rows:
            raise Problem(OVERLOADED, f"{self._queued_rows} rows are waiting already.")
        loop = asyncio.get_running_loop()
        waiting = Waiting(rows, features, deadline, traceparent, loop.create_future())
        self._queue.append(waiting)
        self._queued_rows += len(rows)
        if not self._dispatch_due:
            self._dispatch_due = True
            loop.call_soon(self._dispatch)
        if not self._sweep_due:
            self._sweep_due = True
            loop.call_later(SWEEP_S, self._sweep)
        return await waiting.answer

    def _dispatch(self) -> None:
        """Start calls while there are free places and something waits."""
        self._dispatch_due = False
        while self._queue and len(self._calls) < self._places():
            batch = self._take()
            if batch:
                task = asyncio.get_running_loop().create_task(self._run(batch))
                self._calls[task] = batch
                task.add_done_callback(self._finish)

    def _take(self) -> list[Waiting]:
        """Take from the queue what the next call holds: the oldest that have the same features."""
        batch: list[Waiting] = []
        rows = 0
        while self._queue:
            waiting = self._queue[0]
            if not waiting.answer.done():  # else the client left, or its deadline passed
                if batch and (
                    rows + len(waiting.rows) > self._call_rows
                    or waiting.features != batch[0].features
                ):
                    break
                batch.append(waiting)
                rows += len(waiting.rows)
            self._queue.popleft()
            self._queued_rows -= len(waiting.rows)
        return batch

    async def _run(self, batch: list[Waiting]) -> None:
        """Make one call, and hand each request its own rows of the answer."""
        first = batch[0]
        rows = first.rows if len(batch) == 1 else [row for waiting in batch for row in waiting.rows]
        deadline = max(waiting.deadline for waiting in batch)
        try:
            model, given = await self._call(rows, first.features, deadline, first.traceparent)
        except Problem as problem:
            for waiting in batch:
                _fail(waiting, problem)
            return
        start = 0
        for waiting in batch:
            end = start + len(waiting.rows)
            if not waiting.answer.done():
                waiting.answer.set_result(Answered(model, given[start:end]))
            start = end

    def _finish(self, task: "asyncio.Task[None]") -> None:
        """Free the place of a call that has ended."""
        batch = self._calls.pop(task)
        if not task.cancelled() and (defect := task.exception()) is not None:
            log.error("a call ended in a defect", exc_info=defect)
            for waiting in batch:
                _fail(waiting, Problem(INTERNAL_ERROR, "The gateway failed to make the call."))
        self._dispatch()

    def _sweep(self) -> None:
        """Refuse what has passed its deadline. One look at all costs less than a timer for each."""
        self._sweep_due = bool(self._queue or self._calls)
        if not self._sweep_due:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        for waiting in self._queue:
            if waiting.deadline <= now:
                _fail(waiting, Problem(OVERLOADED, "The request waited until its deadline."))
        for waiting in chain.from_iterable(self._calls.values()):
            if waiting.deadline <= now:
                _fail(waiting, Problem(DEADLINE_EXCEEDED, "The call took until the deadline."))
        loop.call_later(SWEEP_S, self._sweep)


def _fail(waiting: Waiting, problem: Problem) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(problem)
