"""The open loop, against a server in the test's own process."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from load_tests.benchmark.open_loop import Outcome, Target, run

MESSAGE = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


@contextmanager
def server(*statuses: int, delay_s: float = 0.0) -> Iterator[int]:
    """Answer with these statuses in turn, 0 for a connection that breaks off; yields the port."""
    started, ports, loops = threading.Event(), [], []
    answered = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answered
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                status = statuses[answered % len(statuses)]
                answered += 1
                await asyncio.sleep(delay_s)
                if not status:
                    break
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\nok".encode())
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    async def main() -> None:
        listening = await asyncio.start_server(serve, "127.0.0.1", 0)
        ports.append(listening.sockets[0].getsockname()[1])
        loops.append((asyncio.get_running_loop(), stop := asyncio.Event()))
        started.set()
        async with listening:
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    started.wait()
    yield ports[0]
    loop, stop = loops[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join()


def load(port: int, rate: float = 200, seconds: float = 0.5) -> Outcome:
    """Put a small load on the server."""
    return run(Target(port, MESSAGE), rate, seconds)


def test_every_request_ends_as_one_of_three() -> None:
    """Good, refused, or otherwise: what broke off is not forgotten."""
    with server(200, 503, 500, 0) as port:
        outcome = load(port)
    count = len(outcome.good) + outcome.refused + outcome.other
    assert 60 < count < 150
    assert len(outcome.good) == pytest.approx(count / 4, abs=1)
    assert outcome.refused == pytest.approx(count / 4, abs=1)


def test_the_same_requests_are_due_in_each_run() -> None:
    """Two runs differ by the server only."""
    with server(200) as port:
        one, other = load(port), load(port)
    assert len(one.good) == len(other.good)


def test_requests_leave_while_others_wait() -> None:
    """A slow server does not thin out what arrives: nobody waits for the answer before."""
    with server(200, delay_s=0.3) as port:
        outcome = load(port)
    assert len(outcome.good) > 60
    assert all(good.took >= 0.3 for good in outcome.good)
    assert max(good.at for good in outcome.good) < 5


def test_nobody_there_is_counted() -> None:
    """A port where nobody listens is no exception in the middle of a run."""
    with server(200) as port:
        pass
    assert load(port, seconds=0.1).other > 5
