"""The warm-up: the golden rows go through the service's own front door until it is warm.

BentoML's dispatcher learns from its first eleven calls how long a batch takes, and until then it
may hold a request back; the first of all costs some 40 ms. So a process says ready only after it
has answered more calls than that, one after the other as a lone client sends them, and rightly.
"""

import asyncio
import time

import httpx

from artifacts.errors import IrisError
from serving.inference.served_model import ServedModel, check_golden_answer

CALLS = 16
DEADLINE_S = 30.0


class WarmUpFailed(IrisError):
    """The service's own path does not answer as it must."""


async def warm_up(served: ServedModel, url: str) -> None:
    """Call `url` until the path through the batcher is warm; every answer is checked.

    Raises:
        WarmUpFailed: the path does not answer, or answers with an error.
        CorruptModelFile: it answers something else than the model computes.
    """
    deadline = time.monotonic() + DEADLINE_S
    async with httpx.AsyncClient(base_url=url, timeout=DEADLINE_S, trust_env=False) as client:
        await _wait_for_the_door(client, deadline)
        body = {"rows": served.model.card.golden.rows}
        for _ in range(CALLS):
            try:
                response = await client.post("/predict", json=body)
                response.raise_for_status()
            except httpx.HTTPError as error:
                raise WarmUpFailed(f"the warm-up call failed: {error}") from error
            check_golden_answer(served, response.json())


async def _wait_for_the_door(client: httpx.AsyncClient, deadline: float) -> None:
    """Return once the server accepts connections: the start-up hooks run before it does."""
    while True:
        try:
            await client.get("/health/live")
        except httpx.TransportError as error:
            if time.monotonic() > deadline:
                raise WarmUpFailed(f"{client.base_url} does not answer: {error}") from error
            await asyncio.sleep(0.01)
        else:
            return
