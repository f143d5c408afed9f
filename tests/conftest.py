"""What all tests share: Azurite, and an environment without the developer's own settings."""

import os
from collections.abc import Iterator

import pytest

from tests.support import azurite as emulator
from tests.support.azurite import Account, Azurite

pytest.register_assert_rewrite("tests.support.blob_store_contract")

_OURS = ("AZURE_", "GATEWAY_", "INFERENCE_", "IRIS_", "MLFLOW_", "MODEL_", "SUPERVISOR_")


def pytest_configure() -> None:
    """Start from the defaults, whatever the shell has set: a test sets what it needs."""
    for name in [name for name in os.environ if name.startswith(_OURS)]:
        del os.environ[name]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs Azurite where there is none; where CI is set, that is an error."""
    reason = emulator.why_absent()
    wanting = [item for item in items if "azurite" in getattr(item, "fixturenames", ())]
    if not (reason and wanting):
        return
    if os.environ.get("CI"):
        raise pytest.UsageError(f"{len(wanting)} tests need Azurite: {reason}")
    config.hook.pytest_deselected(items=wanting)
    items[:] = [item for item in items if item not in wanting]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why tests were left out."""
    if reason := emulator.why_absent():
        terminalreporter.write_line(f"the tests on Azurite were left out: {reason}", yellow=True)


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """Azure Blob Storage, for the length of the session."""
    with Azurite() as running:
        yield running


@pytest.fixture
def account(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> Account:
    """An empty storage account, with the environment set so that `open_store` finds it."""
    account = azurite.new_account()
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", account.connection_string)
    return account
