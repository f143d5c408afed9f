"""The gateway: one that runs elsewhere, or a process of our own, which is kept alive."""

import asyncio
from collections.abc import Callable, Mapping

import httpx

from artifacts.settings import HomeSettings
from serving.supervisor.child import CannotStart, Child, sign_in
from serving.supervisor.home import Home
from serving.supervisor.rules import failures_after_death, pause
from serving.supervisor.waiting import until

# How long the gateway may take to notice a new list; it looks ten times a second.
TAKE_OVER_S = 15.0


def recording(settings: HomeSettings, share: float) -> dict[str, str]:
    """Return what a gateway needs to record what it serves.

    Where nothing is recorded that is nothing: then it can't tell how to sign in to the store.
    """
    if not share:
        return {}
    return {**sign_in(), "IRIS_STORE": settings.store_uri, "IRIS_ENV": settings.iris_env}


class Gateway:
    """A gateway that runs elsewhere, and reads the same list of instances."""

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        """Take its address."""
        self.url = url
        self._client = client

    async def until_live(self, timeout_s: float) -> bool:
        """Return whether it answers, within a limit."""
        return await until(self._live, timeout_s)

    async def until_generation(self, generation: int) -> bool:
        """Return once its calls go to that list of instances; False where that takes too long.

        One that is away, or is being started, will read the list, and is not waited for.
        """

        async def taken_over() -> bool:
            return await self._generation() in (generation, None)

        return await until(taken_over, TAKE_OVER_S)

    async def _live(self) -> bool:
        try:
            return (await self._client.get(f"{self.url}/health/live")).is_success
        except httpx.TransportError:
            return False

    async def _generation(self) -> int | None:
        """Return which list its calls go to; -1 where it doesn't say so, None where it is away."""
        try:
            answer = (await self._client.get(f"{self.url}/health/ready")).json()
            return int(answer.get("generation", -1))
        except (httpx.ConnectError, httpx.ConnectTimeout):
            return None
        except (httpx.TransportError, ValueError):
            return -1


class OwnGateway(Gateway):
    """A child that clients talk to, at `url`."""

    def __init__(
        self,
        home: Home,
        address: tuple[str, int],
        client: httpx.AsyncClient,
        recording: Mapping[str, str],
    ) -> None:
        """Take host and port to listen on, and the variables that `recording` returns."""
        host, port = address
        super().__init__(f"http://{host}:{port}", client)
        self._environ = {
            "GATEWAY_HOST": host,
            "GATEWAY_PORT": str(port),
            "GATEWAY_INSTANCES": str(home.instances),
            **recording,
        }
        self._home = home
        self._child: Child | None = None

    async def keep_alive(self, say: Callable[[str], None]) -> None:
        """Start it, and start it again when it ends, until cancelled."""
        failures = 0
        while True:
            await asyncio.sleep(pause(failures))
            try:
                lived_s, reason = await self._live_once()
            except CannotStart as error:
                lived_s, reason = 0.0, error.in_one_line()
            failures = failures_after_death(failures, lived_s)
            say(f"the gateway ended ({reason}); it is started again in {pause(failures):g} s")

    async def _live_once(self) -> tuple[float, str]:
        """Start it and wait for its end; return how long it lived, and what it said last."""
        child = await Child.start(self._home, "gateway", "serving.gateway", self._environ)
        self._child = child
        code = await child.wait()
        return child.age_s, f"code {code}: {child.last_line()}"

    async def stop(self) -> None:
        """Let it finish what it has accepted, then end it."""
        if self._child is not None:
            await self._child.stop()

    async def _generation(self) -> int | None:
        """Return the same; one that runs but does not listen yet may have read the list before."""
        if self._child is None or not self._child.running:
            return None
        found = await super()._generation()
        return -1 if found is None else found
