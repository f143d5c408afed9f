"""Signing in to Azure: what is chosen, and what is refused before anything is sent."""

from pathlib import Path

import pytest
from azure.identity import DefaultAzureCredential, WorkloadIdentityCredential

from artifacts.azure_store import _credential
from artifacts.errors import SettingsError
from artifacts.store import open_store
from tests.support.azurite import Account


def test_a_connection_string_of_another_account_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One left over in the environment never silently wins over the store's address."""
    text = Account("leftover", 10000).connection_string
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
    with pytest.raises(SettingsError, match=r"account leftover, and the store is azure://irisml"):
        open_store("azure://irisml")


@pytest.mark.parametrize("text", ["nonsense", "AccountKey=a;AccountKey=b"])
def test_a_connection_string_that_is_none_is_refused(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable is named, in one line."""
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
    with pytest.raises(SettingsError, match="AZURE_STORAGE_CONNECTION_STRING") as caught:
        open_store("azure://irisml")
    assert "\n" not in str(caught.value)


def test_the_address_of_the_parts_is_the_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Releases and MLflow's artifacts lie in one account, in containers of their own."""
    text = Account("irisml", 10000).connection_string
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
    store = open_store("azure://irisml")
    assert store.models.address("a/b") == "http://127.0.0.1:10000/irisml/models/a/b"
    assert store.mlflow_artifact_root == "wasbs://mlflow@irisml.blob.core.windows.net/artifacts"


def test_a_workload_identity_is_used_where_one_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a token file there is one way to sign in, not a chain of guesses."""
    (tmp_path / "token").write_text("token")
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AZURE_CLIENT_ID", "client")
    monkeypatch.setenv("AZURE_TENANT_ID", "tenant")
    credential = _credential()
    assert isinstance(credential, WorkloadIdentityCredential)
    credential.close()


def test_without_one_the_default_chain_is_used() -> None:
    """A developer's own sign-in, or a virtual machine's identity."""
    credential = _credential()
    assert isinstance(credential, DefaultAzureCredential)
    credential.close()


def test_a_token_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod without its label is told so, not "authentication failed"."""
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", "/var/run/none")
    with pytest.raises(SettingsError, match=r"/var/run/none.*workload identity"):
        open_store("azure://irisml")
