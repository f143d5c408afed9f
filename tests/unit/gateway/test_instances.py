"""Where the list of instances comes from, with names that resolve as the test wants."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from serving.gateway.inference import Address
from serving.gateway.instances import Instances, NobodyThere, resolved
from serving.gateway.models import ServedModel

NAME = Address("inference", 5000)
MODEL = ServedModel(
    b'{"name": "m", "version": "1", "sha256": "1", "labels": [], "features": [{"name": "x"}]}'
)


class Names:
    """A resolver with one name."""

    def __init__(self, *hosts: str) -> None:
        self.hosts = hosts
        self.error: OSError = NobodyThere("Name or service not known")
        self.asked = 0
        self._asked = asyncio.Condition()

    async def __call__(self, address: Address) -> list[Address]:
        """Return the hosts; where there are none, the name is unknown."""
        assert address == NAME
        async with self._asked:
            self.asked += 1
            self._asked.notify_all()
        if not self.hosts:
            raise self.error
        return [Address(host, address.port) for host in self.hosts]

    async def asked_again(self) -> None:
        """Wait until what was set last has been seen."""
        seen = self.asked + 2
        async with asyncio.timeout(10), self._asked:
            await self._asked.wait_for(lambda: self.asked >= seen)


@asynccontextmanager
async def following(names: Names) -> AsyncIterator[Instances]:
    """Follow the name, every millisecond."""
    instances = Instances([NAME.url], resolve=names, resolve_s=0.001)
    watching = asyncio.create_task(instances.watch())
    try:
        await names.asked_again()
        yield instances
    finally:
        watching.cancel()
        await asyncio.wait({watching})


def hosts(instances: Instances) -> list[str]:
    """Return who is there."""
    return [instance.inference.address.host for instance in instances.all]


async def test_each_address_of_a_name_is_an_instance() -> None:
    """Who comes is found, who stays is kept as it is, and who goes is let go.

    But who goes is kept until another can answer.
    """
    names = Names("127.1.1.1", "127.1.1.2")
    async with following(names) as instances:
        assert hosts(instances) == ["127.1.1.1", "127.1.1.2"]
        stays = instances.all[1]
        names.hosts = ("127.1.1.3", "127.1.1.2")
        await names.asked_again()
        assert hosts(instances) == ["127.1.1.1", "127.1.1.2", "127.1.1.3"]
        while len(instances.all) == 3:
            instances.all[2].ready = True  # nobody listens there, so its probe takes it back
            await names.asked_again()
        assert hosts(instances) == ["127.1.1.2", "127.1.1.3"]
        assert instances.all[0] is stays


async def test_a_name_that_does_not_resolve_changes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """While nobody can say where the instances are, they are where they were; it is said once."""
    names = Names("127.1.1.1")
    async with following(names) as instances:
        names.hosts = ()
        await names.asked_again()
        await names.asked_again()
        assert hosts(instances) == ["127.1.1.1"]
    errors = [vars(record) for record in caplog.records if record.levelname == "ERROR"]
    told = [(record["source"], record["error"]) for record in errors]
    assert [(source, error.partition(":")[0]) for source, error in told] == [
        ("inference", "can't be resolved")
    ]


async def test_a_gateway_has_started_once_it_knows_how_things_stand() -> None:
    """One that knows that nobody is there lets clients in, who are told; one that is blind not."""
    names = Names()
    async with following(names) as instances:
        assert instances.started
    names.error = OSError("Temporary failure in name resolution")
    async with following(names) as instances:
        assert not instances.started
    names.hosts = ("127.1.1.1",)  # where nobody listens
    async with following(names) as instances:
        assert not instances.started
        instances.was_ready = True
        assert instances.started


async def test_who_failed_last_is_asked_last() -> None:
    """While others can answer, an instance whose latest call failed gets none."""
    names = Names("127.1.1.1", "127.1.1.2", "127.1.1.3")
    async with following(names) as instances:
        for instance in instances.all:
            instance.ready, instance.model = True, MODEL
        first, second, third = instances.all
        first.fails, second.in_flight = True, 5
        assert instances.next(MODEL.features, []) is third
        assert instances.next(MODEL.features, [third]) is second
        assert instances.next(MODEL.features, [third, second]) is first


async def test_the_system_resolves_names() -> None:
    """A name of this machine has its loopback address, and an address is itself."""
    assert Address("127.0.0.1", 5000) in await resolved(Address("localhost", 5000))
    assert await resolved(Address("127.0.0.9", 80)) == [Address("127.0.0.9", 80)]
    with pytest.raises(OSError, match="label"):
        await resolved(Address("a" * 70, 80))


@pytest.mark.parametrize(
    ("number", "nobody"),
    [(socket.EAI_NONAME, True), (socket.EAI_NODATA, True), (socket.EAI_AGAIN, False)],
)
async def test_a_name_of_nobody_is_told_from_silence(
    monkeypatch: pytest.MonkeyPatch, number: int, nobody: bool
) -> None:
    """Where the name server does not answer, nobody knows who is there."""

    async def fails(*_: object, **__: object) -> None:
        raise socket.gaierror(number, "no")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fails)
    with pytest.raises(OSError, match="no") as error:
        await resolved(Address("inference", 80))
    assert isinstance(error.value, NobodyThere) == nobody
