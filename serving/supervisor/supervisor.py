"""The loop that makes what is into what is desired.

It looks at what is, not at what it remembers having done: whatever changes (a new desired release,
a process that died, a rollout that failed) makes it look again and decide anew.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from artifacts.errors import IrisError
from artifacts.files import write_whole
from artifacts.release import Release
from serving.supervisor.gateway import Gateway
from serving.supervisor.home import Home
from serving.supervisor.inference import Inference, Launcher
from serving.supervisor.rules import (
    Drain,
    Rest,
    Serve,
    View,
    desire,
    failures_after_death,
    next_action,
    pause,
    rollout_state,
)
from serving.supervisor.state import Fence, State, StateLost, read_state, write_state

Say = Callable[[str], None]

READ_BY_ALL = 0o644
"""Prometheus is another user, and where inference listens is no secret."""


class Supervisor:
    """What is desired, the inference processes that there are, and the gateway before them."""

    def __init__(
        self, home: Home, launcher: Launcher, gateway: Gateway | None, timeout_s: float, say: Say
    ) -> None:
        self.state = read_state(home.state)
        self.gateway = gateway
        self._home = home
        self._launcher = launcher
        self._timeout_s = timeout_s
        self._say = say
        self._running: Inference | None = None
        self._coming: Inference | None = None
        self._leaving: set[Inference] = set()
        self._background: set[asyncio.Task[None]] = set()
        self._failures: Counter[Release] = Counter()
        self._reason = ""
        self._generation = 0
        self._changed = asyncio.Event()

    def desire(self, revision: int, release: Release | None, fence: Fence) -> None:
        """Take over what a caller wants; it is on disk when this returns.

        Raises:
            RevisionMoved, Fenced: see `rules.desire`.
            StateLost: it can't be kept, so it doesn't count.
        """
        self._keep(desire(self.state, revision, release, fence))
        if release is not None:
            del self._failures[release]  # to be told again is to try again
        self._changed.set()

    async def describe(self) -> dict[str, Any]:
        """Return what is desired and what is, as each instance itself answers now."""
        instances = await asyncio.gather(*(process.describe() for process in self._there()))
        rollout = rollout_state(self._view(), draining=bool(self._leaving))
        return {
            "target": self.state.target,
            "revision": self.state.revision,
            "release": msgspec.to_builtins(self.state.release),
            "fence": msgspec.to_builtins(self.state.fence),
            "instances": instances,
            "rollout": {"state": rollout, "reason": "" if rollout == "idle" else self._reason},
            "gateways": [self.gateway.url] if self.gateway else [],
        }

    async def begin(self) -> None:
        """Keep what this supervisor is called, and let the gateway find that nobody serves yet.

        A ledger may be begun for that name before anything is desired. The revision rises, so what
        was decided before this start doesn't count.

        Raises:
            StateLost: the folder can't be written to.
        """
        self._keep(msgspec.structs.replace(self.state, revision=self.state.revision + 1))
        await self._publish(None)

    async def run(self) -> None:
        """Do what is to be done next, for ever."""
        while True:
            match next_action(self._view()):
                case Rest():
                    await self._changed.wait()
                    self._changed.clear()
                case Serve(release):
                    if (process := await self._bring_up(release)) is not None:
                        await self._switch_to(process)
                case Drain():
                    await self._drain()

    async def stop(self) -> None:
        """End every inference process; each finishes what it has accepted."""
        there = self._there()
        self._running = None  # its end is no news
        await asyncio.gather(*(process.child.stop() for process in there))

    def _there(self) -> list[Inference]:
        several = (self._running, self._coming, *self._leaving)
        return [process for process in several if process is not None]

    def _view(self) -> View:
        running = self._running.release if self._running else None
        return View(self.state.release, self.state.served, running, self._failures)

    async def _bring_up(self, release: Release) -> Inference | None:
        """Return a ready process with the release; None where that failed, or is not wanted now."""
        work = asyncio.create_task(self._start(release))
        try:
            while not work.done():
                await self._change_or_end_of(work)
                if not work.done() and next_action(self._view()) != Serve(release):
                    await self._abandon(work)
                    return None
            return work.result()
        except IrisError as error:
            self._note_failure(release, error.in_one_line())
            return None
        except asyncio.CancelledError:
            await self._abandon(work)
            raise

    async def _change_or_end_of(self, work: asyncio.Task[Inference]) -> None:
        change = asyncio.create_task(self._changed.wait())
        try:
            await asyncio.wait({work, change}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            change.cancel()
        self._changed.clear()

    async def _start(self, release: Release) -> Inference:
        """Fetch, start, wait until ready; whatever ends this before ends the process."""
        await asyncio.sleep(pause(self._failures[release]))
        process = self._coming = await self._launcher.start(release)
        try:
            await process.until_ready(self._timeout_s)
        except (IrisError, asyncio.CancelledError):
            await self._discard(process)
            raise
        return process

    async def _abandon(self, work: asyncio.Task[Inference]) -> None:
        """End a start, and what it has started, even if it was just done."""
        work.cancel()
        await asyncio.wait({work})
        if not work.cancelled() and work.exception() is None:
            await self._discard(work.result())

    async def _discard(self, process: Inference) -> None:
        """End a process that nobody calls."""
        await process.child.kill()
        self._coming = None

    async def _switch_to(self, process: Inference) -> None:
        """Let the gateway call `process` only; then let the one before it finish, and end it."""
        try:
            await self._publish(process)
        except StateLost as error:
            self._note_failure(process.release, error.in_one_line())
            await self._discard(process)
            return
        former, self._running, self._coming = self._running, process, None
        self._in_background(self._watch(process))
        self._say(f"serving {process.release} at {process.url}")
        self._remember(process.release)
        if former is not None:
            self._in_background(self._let_go(former))
            kept = (self.state.release, process.release, former.release)
            self._home.forget_models([release for release in kept if release is not None])

    async def _drain(self) -> None:
        """Let the gateway call nobody, and end what runs."""
        try:
            await self._publish(None)
        except StateLost as error:
            self._say(error.in_one_line())  # the gateway will find nobody there all the same
        former, self._running = self._running, None
        self._say("nothing is served now, as was asked for")
        if former is not None:
            self._in_background(self._let_go(former))

    async def _publish(self, process: Inference | None) -> None:
        """Write the list that the gateway reads, and wait until it has taken it over.

        Raises:
            StateLost: it can't be written; the gateway goes on with the one before.
        """
        self._generation += 1
        listed = [{"url": process.url}] if process else []
        body = {"generation": self._generation, "instances": listed}
        scraped = [{"targets": [process.url.removeprefix("http://")]}] if process else []
        try:
            write_whole(self._home.scraped, msgspec.json.encode(scraped), READ_BY_ALL)
            write_whole(self._home.instances, msgspec.json.encode(body))
        except OSError as error:
            raise StateLost(
                f"{self._home.instances} cannot be written: {error.strerror}"
            ) from error
        if self.gateway and not await self.gateway.until_generation(self._generation):
            self._say("the gateway does not say that it has taken over the new instances")

    def _keep(self, state: State) -> None:
        write_state(self._home.state, state)
        self.state = state

    def _remember(self, served: Release) -> None:
        """Keep what serves now, for the next start; unless nothing is to serve any more."""
        if self.state.release is None:
            return
        try:
            self._keep(msgspec.structs.replace(self.state, served=served))
        except StateLost as error:
            self._say(error.in_one_line())

    def _note_failure(self, release: Release, reason: str) -> None:
        self._failures[release] += 1
        self._reason = f"{release}: {reason}"
        self._say(f"could not bring up {self._reason}")

    async def _watch(self, process: Inference) -> None:
        """Note the death of a process that should be serving."""
        code = await process.child.wait()
        if process is not self._running:
            return
        release = process.release
        self._running = None
        self._failures[release] = failures_after_death(self._failures[release], process.child.age_s)
        self._reason = f"{release}: the process ended with code {code}: {process.child.last_line()}"
        self._say(self._reason)
        self._changed.set()

    async def _let_go(self, process: Inference) -> None:
        self._leaving.add(process)
        await process.child.stop()
        self._leaving.discard(process)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
