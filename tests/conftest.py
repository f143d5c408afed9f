"""What all tests share: Azurite, and an environment without the developer's own settings."""

import gc
import os
from collections.abc import Iterator
from unittest.mock import patch

import pytest

from tests.support import azurite as emulator
from tests.support.azurite import Account, Azurite

pytest.register_assert_rewrite("tests.support.blob_store_contract")

# What is imported stays, and to look at it again and again for garbage takes a tenth of the time.
gc.disable()

_OURS = ("AZURE_", "GATEWAY_", "INFERENCE_", "IRIS_", "MLFLOW_", "MODEL_", "SUPERVISOR_")


def pytest_configure() -> None:
    """Start from the defaults, whatever the shell has set: a test sets what it needs."""
    for name in [name for name in os.environ if name.startswith(_OURS)]:
        del os.environ[name]


def pytest_collection_finish() -> None:
    """Look for garbage from here on, among what the tests make."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Give each test an environment of its own; MLflow leaves its address in that of the process.

    So does a session's fixture that calls MLflow, which no test's own fixture could take back.
    """
    with patch.dict(os.environ):
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        os.environ.pop("MLFLOW_REGISTRY_URI", None)
        yield


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """Azure Blob Storage, for the length of the session; CI can't do without it."""
    if reason := emulator.why_absent():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no Azurite: {reason}")
    with Azurite() as running:
        yield running


@pytest.fixture
def account(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> Account:
    """An empty storage account, with the environment set so that `open_store` finds it."""
    account = azurite.new_account()
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", account.connection_string)
    return account
