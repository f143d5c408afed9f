"""An open loop: requests leave when they are due, however many are still under way.

What arrives does not slow down because the server does, so this is how overload looks. It takes a
tenth of a millisecond a request, which is enough for what is slow on purpose.
"""

import asyncio
import random
from typing import NamedTuple

CONNECTIONS = 4096
SEED = 7


class Good(NamedTuple):
    """An answer with status 200, in seconds."""

    at: float
    """Since the load began."""
    took: float
    """Since the request was due."""


class Outcome(NamedTuple):
    """How the requests of a load ended."""

    good: list[Good]
    refused: int
    """Answers with status 503."""
    other: int
    """All else: other answers, and none."""


class Target(NamedTuple):
    """What is sent where."""

    port: int
    message: bytes
    """A whole request."""


def run(target: Target, rate: float, seconds: float) -> Outcome:
    """Send requests at random times, as many a second on average, and wait for all answers."""
    return asyncio.run(_load(target, _schedule(rate, seconds)))


def _schedule(rate: float, seconds: float) -> list[float]:
    """Return when each request is due: a Poisson process, the same in each run."""
    dice = random.Random(SEED)  # noqa: S311 - a load, no secret
    times, now = [], dice.expovariate(rate)
    while now < seconds:
        times.append(now)
        now += dice.expovariate(rate)
    return times


async def _load(target: Target, schedule: list[float]) -> Outcome:
    began = asyncio.get_running_loop().time()
    client = _Client(target, began)
    async with asyncio.TaskGroup() as tasks:
        for due in schedule:
            delay = began + due - asyncio.get_running_loop().time()
            if delay > 0:
                await asyncio.sleep(delay)
            tasks.create_task(client.send(began + due))
    client.close()
    return Outcome(client.good, client.refused, client.other)


class _Client:
    """Connections that are opened as they are needed, and kept."""

    def __init__(self, target: Target, began: float) -> None:
        self._target = target
        self._began = began
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._room = asyncio.Semaphore(CONNECTIONS)
        self.good: list[Good] = []
        self.refused = 0
        self.other = 0

    async def send(self, due: float) -> None:
        """Send one request and note how it ends."""
        async with self._room:
            try:
                status = await self._exchange()
            except (OSError, asyncio.IncompleteReadError):
                status = 0
        if status == 200:
            now = asyncio.get_running_loop().time()
            self.good.append(Good(now - self._began, now - due))
        elif status == 503:
            self.refused += 1
        else:
            self.other += 1

    def close(self) -> None:
        """Close the connections."""
        for _, writer in self._idle:
            writer.close()

    async def _exchange(self) -> int:
        """Return the status of one answer."""
        if self._idle:
            reader, writer = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._target.port)
        try:
            writer.write(self._target.message)
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
        except (OSError, asyncio.IncompleteReadError):
            writer.close()
            raise
        self._idle.append((reader, writer))
        return int(head[9:12])
