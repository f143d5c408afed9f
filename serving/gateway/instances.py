"""The inference instances: which there are, which are ready, and which gets the next call.

The list comes from a file that a supervisor replaces, or from addresses in a setting. A new file is
taken over as a whole, as soon as one instance of it is ready (or it is empty), so a change of
release neither loses a request nor goes back and forth: new calls go to the new list only, calls
that are under way finish where they are. An address may be a name, such as that of a headless
Service: it is resolved again and again, and each address that it has is an instance.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec

from artifacts.errors import SettingsError
from serving.gateway.inference import (
    Address,
    Inference,
    InferenceBusy,
    InferenceError,
    InferenceUnreachable,
)
from serving.gateway.instance import LOOK_S, Instance
from serving.gateway.models import NO_RELEASE, Answered, Origin, ReleaseId, ServedModel
from serving.gateway.problems import (
    DEADLINE_EXCEEDED,
    INFERENCE_FAILED,
    NOT_READY,
    OVERLOADED,
    Problem,
)
from serving.gateway.schema import Row

RESOLVE_S = 1.0  # how often names are resolved again
TRIES = 3  # instances that are asked for one call, at most

log = logging.getLogger(__name__)

Resolve = Callable[[Address], Awaitable[list[Address]]]


class NobodyThere(OSError):
    """A name stands for no address: a headless Service without a pod that is ready."""


async def resolved(address: Address) -> list[Address]:
    """Return each address that a name stands for, as the system resolves it.

    Raises:
        NobodyThere: it stands for none.
        OSError: nobody could be asked.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM
        )
    except UnicodeError as error:  # a part of the name is empty, or too long
        raise OSError(str(error)) from None
    except socket.gaierror as error:
        if error.errno in (socket.EAI_NONAME, socket.EAI_NODATA):
            raise NobodyThere(str(error)) from None
        raise
    return [Address(str(where[0]), address.port) for *_, where in found]


class InstanceList(msgspec.Struct, frozen=True):
    """What the file holds."""

    class Entry(msgspec.Struct, frozen=True):
        """Where an instance is."""

        url: str

    generation: int
    instances: list[Entry]


class Instances:
    """All instances that calls go to."""

    def __init__(
        self,
        urls: Sequence[str] = (),
        file: str = "",
        resolve: Resolve = resolved,
        resolve_s: float = RESOLVE_S,
    ) -> None:
        """Take the addresses, or the file that lists them; and how names are resolved, how often.

        Raises:
            SettingsError: an address is none.
        """
        self.generation = 0
        self.was_ready = False
        self.retries = 0
        """How many calls were made again, on another instance."""
        self._file = file
        self._names = [Address.of(url) for url in urls]
        self._resolve = resolve
        self._resolve_s = resolve_s
        self._found: dict[Address, list[Address]] = {}
        self._seen: tuple[int, ...] | None = None
        self._complaints: dict[str, str] = {}
        self._deserted: set[Address] = set()
        self._turn = 0
        self._watching: dict[Instance, asyncio.Task[None]] = {}
        self._current: list[Instance] = []
        self.ready: list[Instance] = []
        """Those that would answer a call now."""
        self._model: ServedModel | None = None
        self._coming: tuple[int, list[Instance]] | None = None

    @property
    def all(self) -> list[Instance]:
        """Those that are listed now."""
        return list(self._current)

    @property
    def model(self) -> ServedModel:
        """The release that requests are checked against.

        Raises:
            Problem: no instance is ready.
        """
        if self._model is None:
            raise Problem(NOT_READY, "Nothing is served yet, or all instances are starting.")
        return self._model

    @property
    def release(self) -> ReleaseId:
        """That release, or `NO_RELEASE`."""
        return self._model.release if self._model else NO_RELEASE

    @property
    def started(self) -> bool:
        """Whether an instance was ready once, or it is known that there is none.

        In an outage of inference a new gateway is as good as the others, and better than none. One
        that can't resolve names, or can't reach those that are there, is not.
        """
        return self.was_ready or (bool(self._names) and self._deserted.issuperset(self._names))

    def _note(self) -> None:
        """Find anew what every request asks for, as an instance or the list has changed."""
        self.ready = [instance for instance in self._current if instance.ready]
        models = (instance.model for instance in self.ready)
        self._model = next((model for model in models if model is not None), None)

    async def watch(self) -> None:
        """Keep the list and its instances up to date, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for name in self._names:
                tasks.create_task(self._follow(name, tasks))
            while True:
                if self._file:
                    self._look_at_file(tasks)
                self._take_over()
                self.was_ready = self.was_ready or bool(self.ready)
                await asyncio.sleep(LOOK_S)

    async def predict(
        self, rows: list[Row], features: Sequence[str], deadline: float, origin: Origin
    ) -> Answered:
        """Return what one instance gives for the rows; predicting is pure, so others may be asked.

        Raises:
            Problem: none gave an answer in time.
        """
        try:
            async with asyncio.timeout_at(deadline):
                return await self._predict_on_any(rows, features, deadline, origin)
        except (InferenceError, TimeoutError) as error:
            raise _problem(error, origin) from None

    async def _predict_on_any(
        self, rows: list[Row], features: Sequence[str], deadline: float, origin: Origin
    ) -> Answered:
        """Ask one instance after the other, until one can answer."""
        tried: list[Instance] = []
        failure: InferenceError = InferenceUnreachable("no instance is ready for these features")
        time = asyncio.get_running_loop().time
        while len(tried) < TRIES and (instance := self.next(features, tried)) is not None:
            self.retries += bool(tried)
            tried.append(instance)
            try:
                return await instance.predict(rows, features, deadline - time(), origin)
            except InferenceError as error:
                failure = error
        raise failure

    def next(self, features: Sequence[str], tried: list[Instance]) -> Instance | None:
        """Return the least busy of those that fit, each in its turn; one that fails comes last."""
        self._turn += 1
        count = len(self._current)
        in_turn = (self._current[(self._turn + i) % count] for i in range(count))
        fitting = (
            instance
            for instance in in_turn
            if instance.ready
            and instance not in tried
            and instance.model is not None
            and instance.model.features == features
        )
        return min(fitting, key=lambda i: (i.fails, i.in_flight), default=None)

    async def _follow(self, name: Address, tasks: asyncio.TaskGroup) -> None:
        """Keep the list as the name resolves now. While it does not, it has what it had."""
        while True:
            try:
                self._found[name] = await self._resolve(name)
            except OSError as error:
                nobody = isinstance(error, NobodyThere)
                (self._deserted.add if nobody else self._deserted.discard)(name)
                self._complain(name.host, f"can't be resolved: {error}")
            else:
                self._deserted.discard(name)
                self._complaints.pop(name.host, None)
            self._change_to({a for found in self._found.values() for a in found}, tasks)
            await asyncio.sleep(self._resolve_s)

    def _change_to(self, addresses: set[Address], tasks: asyncio.TaskGroup) -> None:
        """Begin with the instances that have come, and let go those that have gone.

        Those stay until another one can answer.
        """
        there = {instance.inference.address for instance in self._current}
        come = [Instance(Inference(a), self._note) for a in sorted(addresses - there)]
        gone = [i for i in self._current if i.inference.address not in addresses]
        if not any(instance.ready for instance in self._current if instance not in gone):
            gone = []
        if come or gone:
            self._current = [i for i in self._current if i not in gone] + come
            self._start(come, tasks)
            self._stop(gone)
            self._note()
            fields = {"come": len(come), "gone": len(gone)}
            log.info("instances have come or gone", extra=fields)

    def _look_at_file(self, tasks: asyncio.TaskGroup) -> None:
        """Prepare the list that the file holds, if it is another file than the last one seen."""
        try:
            found = os.stat(self._file)  # noqa: PTH116  # ten times a second, without a Path each
            seen = (found.st_mtime_ns, found.st_ino, found.st_size)
            if seen == self._seen:
                return
            listed = msgspec.json.decode(Path(self._file).read_bytes(), type=InstanceList)
            addresses = [Address.of(entry.url) for entry in listed.instances]
            coming = [Instance(Inference(address), self._note) for address in addresses]
        except FileNotFoundError:
            return
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, SettingsError) as error:
            self._complain(self._file, f"is no list of instances: {error}")
            return
        self._seen = seen
        self._stop(self._coming[1] if self._coming else [])
        self._coming = (listed.generation, coming)
        self._start(coming, tasks)

    def _take_over(self) -> None:
        """Put the coming list in the place of the current one, once it can answer."""
        if self._coming is None:
            return
        generation, coming = self._coming
        if coming and not any(instance.ready for instance in coming):
            return
        former, self._current, self.generation = self._current, coming, generation
        self._coming = None
        self._note()
        self._stop(former)
        fields = {"generation": generation, "instances": len(coming)}
        log.info("a new list of instances is taken over", extra=fields)

    def _complain(self, source: str, complaint: str) -> None:
        """Log what is wrong with where the list comes from, once while it is so."""
        if self._complaints.get(source) != complaint:
            self._complaints[source] = complaint
            fields = {"source": source, "error": complaint}
            log.error("the list of instances can't be brought up to date", extra=fields)

    def _start(self, instances: list[Instance], tasks: asyncio.TaskGroup) -> None:
        for instance in instances:
            self._watching[instance] = tasks.create_task(instance.watch())

    def _stop(self, instances: list[Instance]) -> None:
        for instance in instances:
            self._watching.pop(instance).cancel()


def _problem(error: InferenceError | TimeoutError, origin: Origin) -> Problem:
    """Return what the client gets for what went wrong with its call: the border of inference."""
    match error:
        case TimeoutError():
            return Problem(DEADLINE_EXCEEDED, "The inference service did not answer in time.")
        case InferenceUnreachable():
            return Problem(NOT_READY, "No inference instance can be reached.")
        case InferenceBusy():
            return Problem(OVERLOADED, "The inference service has more work than it can do.")
    fields = {"call": origin.request_id, "error": error.message}
    log.error("a call of inference failed", extra=fields)
    return Problem(INFERENCE_FAILED, "The inference service failed to answer the call.")
