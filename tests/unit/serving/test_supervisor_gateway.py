"""Whether a gateway elsewhere has taken over a list of instances."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from serving.supervisor import gateway
from serving.supervisor.gateway import Gateway


def taken_over(answers: Iterator[int | Exception], generation: int) -> bool:
    """Return what the wait for a generation comes to, where questions are answered so in turn."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/health/live":
            return httpx.Response(200)
        given = next(answers)
        if isinstance(given, Exception):
            raise given
        return httpx.Response(200, json={"generation": given})

    async def wait() -> bool:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            return await Gateway("http://gateway", client).until_generation(generation)

    return asyncio.run(wait())


def test_it_is_waited_for_until_it_names_the_list() -> None:
    """Also where a question is lost: it goes on calling the instances of the list before."""
    assert taken_over(iter([1, httpx.ReadTimeout("busy"), httpx.RemoteProtocolError("gone"), 2]), 2)


def test_the_list_of_a_former_life_is_another() -> None:
    """A supervisor that was started again counts from 1 again."""
    assert taken_over(iter([17, 17, 1]), 1)


def test_one_that_never_takes_it_over_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hang, and the rollout must not."""
    monkeypatch.setattr(gateway, "TAKE_OVER_S", 0.2)
    assert not taken_over(iter(lambda: 1, None), 2)


@pytest.mark.parametrize("error", [httpx.ConnectError("refused"), httpx.ConnectTimeout("away")])
def test_one_that_is_away_is_not_waited_for(error: httpx.TransportError) -> None:
    """It reads the list when it comes."""

    def away(_: httpx.Request) -> httpx.Response:
        raise error

    async def wait() -> bool:
        async with httpx.AsyncClient(transport=httpx.MockTransport(away)) as client:
            return await Gateway("http://gateway", client).until_generation(1)

    assert asyncio.run(wait())
