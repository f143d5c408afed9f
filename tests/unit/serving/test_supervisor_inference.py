"""What the supervisor takes from an inference process."""

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest

from artifacts.release import registry_release
from serving.supervisor.inference import CannotServe, Inference

if TYPE_CHECKING:
    from serving.supervisor.child import Child

OUR_PID = 4711


def is_ready(status: int, answer: object) -> bool:
    """Ask a process of ours, at whose port somebody answers like this."""

    def handle(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json=answer)

    async def ask() -> bool:
        async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as client:
            child = cast("Child", SimpleNamespace(pid=OUR_PID))
            release = registry_release(1, "1" * 64)
            return await Inference(release, "http://127.0.0.1:5000", child, client).ready()

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("status", "answer", "ready"),
    [
        (200, {"status": "ready", "pid": OUR_PID}, True),
        (503, {"status": "loading", "pid": OUR_PID}, False),
        (200, {"status": "ready", "pid": OUR_PID + 1}, False),
        (200, {"status": "ready"}, False),
        (503, {"status": "failed", "reason": "theirs", "pid": OUR_PID + 1}, False),
        (200, [], False),
    ],
)
def test_only_the_process_itself_can_say_that_it_is_ready(
    status: int, answer: Any, *, ready: bool
) -> None:
    """Another's process that got the port first is not taken for the one that was started."""
    assert is_ready(status, answer) is ready


def test_a_process_that_has_failed_is_not_waited_for() -> None:
    """Its own reason is told."""
    with pytest.raises(CannotServe, match="the digest is another"):
        is_ready(503, {"status": "failed", "reason": "the digest is another", "pid": OUR_PID})
