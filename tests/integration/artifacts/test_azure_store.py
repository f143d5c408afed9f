"""The blob store on Azure: the contract on Azurite, and what only Azure has."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from azure.core.pipeline.transport import HttpTransport
from azure.storage.blob import ContainerClient

from artifacts.azure_store import _OPTIONS, AzureBlobStore
from artifacts.errors import BlobNotFound, StoreUnavailable
from artifacts.store import BlobStore, open_store
from tests.support.azurite import Account
from tests.support.blob_store_contract import LARGE, NAME, BlobStoreContract
from tests.support.faulty_proxy import FaultyProxy
from tests.support.ports import free_port

# What goes wrong is to be told at once in most of these tests, not after pauses and attempts.
NO_PAUSE: dict[str, Any] = {"initial_backoff": 0, "increment_base": 0, "random_jitter_range": 0}
AT_ONCE: dict[str, Any] = {"retry_total": 0}


def models(account: Account, **options: Any) -> AzureBlobStore:
    """Open the releases of an account."""
    text = account.connection_string
    return AzureBlobStore(ContainerClient.from_connection_string(text, "models", **options))


@pytest.fixture
def prepared(account: Account) -> Account:
    """An account with its containers."""
    open_store(account.uri).prepare()
    return account


@pytest.fixture
def proxy(prepared: Account) -> Iterator[FaultyProxy]:
    """A proxy before the account."""
    with FaultyProxy(prepared.port) as proxy:
        yield proxy


class TestAzureBlobStore(BlobStoreContract):
    """The contract, on Azurite."""

    @pytest.fixture
    def blobs(self, prepared: Account) -> BlobStore:
        return open_store(prepared.uri).models

    @pytest.fixture
    def reopened(self, prepared: Account) -> Callable[[], BlobStore]:
        return lambda: open_store(prepared.uri).models

    @pytest.fixture
    def losing(self, prepared: Account, proxy: FaultyProxy) -> BlobStore:
        proxy.answers_to_lose = 1
        return models(prepared.through(proxy.port), **AT_ONCE)

    @pytest.fixture
    def breaking(self, prepared: Account, proxy: FaultyProxy) -> BlobStore:
        proxy.cut_after = len(LARGE) // 2
        return models(prepared.through(proxy.port), **AT_ONCE)


def test_a_write_repeated_after_a_lost_answer_finds_itself(
    prepared: Account, proxy: FaultyProxy
) -> None:
    """The library tries again by itself and is told "it exists": that is our own write."""
    proxy.answers_to_lose = 1
    blobs = models(prepared.through(proxy.port), retry_total=1, **NO_PAUSE)
    assert blobs.create(NAME, b"one") is False
    assert blobs.read(NAME) == b"one"


def test_a_large_blob_that_breaks_off_leaves_its_name_free(
    prepared: Account, proxy: FaultyProxy
) -> None:
    """A blob is one request at any size: no blocks lie around that look like a blob."""
    blobs = models(prepared.through(proxy.port), **_OPTIONS | AT_ONCE)
    proxy.cut_after = 75_000_000
    with pytest.raises(StoreUnavailable):
        blobs.create(NAME, bytes(80_000_000))
    proxy.cut_after = None
    assert blobs.create(NAME, b"one") is True


def test_preparing_again_is_no_error(prepared: Account) -> None:
    """Every command may make sure that the containers are there."""
    open_store(prepared.uri).prepare()


def test_a_container_that_is_missing_reads_as_empty(account: Account) -> None:
    """Nothing was ever written, so nothing is there."""
    ledger = open_store(account.uri).ledger
    assert ledger.list() == []
    with pytest.raises(BlobNotFound):
        ledger.read(NAME)


def test_a_write_to_a_missing_container_says_what_is_missing(account: Account) -> None:
    """The message names the place, and the hint the container."""
    with pytest.raises(StoreUnavailable, match=rf"(?s){account.name}/models.*container"):
        open_store(account.uri).models.create(NAME, b"one")


def test_an_account_that_cannot_be_reached_is_named(account: Account) -> None:
    """Whatever is done tells which address did not answer, and what to check."""
    blobs = models(account.through(free_port()), **AT_ONCE)
    uses: list[Callable[[], object]] = [
        lambda: blobs.read(NAME),
        lambda: blobs.create(NAME, b"one"),
        lambda: blobs.delete(NAME),
        blobs.list,
    ]
    for use in uses:
        with pytest.raises(StoreUnavailable, match=rf"(?s){account.name}/models.*can be reached"):
            use()


def test_an_account_that_cannot_be_reached_is_told_within_half_a_minute(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempts and the pauses between them are bounded, also where nobody refuses."""
    pauses: list[float] = []
    monkeypatch.setattr(HttpTransport, "sleep", lambda _, seconds: pauses.append(seconds))
    unreachable = account.through(free_port())
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", unreachable.connection_string)
    with pytest.raises(StoreUnavailable):
        open_store(account.uri).models.read(NAME)
    assert len(pauses) == 2
    assert sum(pauses) + (1 + len(pauses)) * _OPTIONS["connection_timeout"] < 30


def test_a_wrong_key_says_where_the_rights_come_from(account: Account) -> None:
    """Whoever may not is told what to check."""
    blobs = models(account._replace(key="d3Jvbmc="), **AT_ONCE)
    with pytest.raises(StoreUnavailable, match=r"(?s)authenticate.*role on the container"):
        blobs.read(NAME)
