"""Waiting for something that can only be asked for."""

import asyncio
from collections.abc import Awaitable, Callable

LOOK_S = 0.05


async def until(condition: Callable[[], Awaitable[bool]], timeout_s: float) -> bool:
    """Ask again and again; return whether it came true within the limit."""
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                if await condition():
                    return True
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        return False
