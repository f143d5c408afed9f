"""The blob store on Azure Blob Storage: one container a part.

Signing in, first match wins:

1. `AZURE_STORAGE_CONNECTION_STRING` (Azurite, or an account key). It must be that of the account
   in the store's address: one left over in an environment would otherwise silently win.
2. A workload identity, where `AZURE_FEDERATED_TOKEN_FILE` is set (the AKS webhook sets it).
3. The default chain: managed identity, environment, Azure CLI.

The service's rules that this relies on are those of Put Blob with `If-None-Match: *`
(https://learn.microsoft.com/rest/api/storageservices/put-blob): it creates or answers 409
`BlobAlreadyExists`, and a blob becomes visible when it is complete.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from azure.core.credentials import TokenCredential
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobServiceClient, ContainerClient, StorageErrorCode

from artifacts.errors import BlobNotFound, SettingsError, StoreUnavailable
from artifacts.store import BlobStore, Store

_CONNECTION_STRING = "AZURE_STORAGE_CONNECTION_STRING"
_TOKEN_FILE = "AZURE_FEDERATED_TOKEN_FILE"  # noqa: S105  the variable's name, no secret
_OPTIONS: dict[str, Any] = {
    # An account that can't be reached is told within half a minute: three attempts, with pauses of
    # 3 and 5 s (the library's own pauses are of 18, 24 and 42 s).
    "connection_timeout": 5,
    "read_timeout": 20,
    "retry_total": 2,
    "initial_backoff": 1,
    "increment_base": 2,
    "random_jitter_range": 1,
    # Always one request, of the largest size that Put Blob takes: blocks that a broken write left
    # uncommitted make Azurite say that the blob exists.
    "max_single_put_size": 5000 * 1024**2,
}
_CONTAINERS = ("models", "ledger", "records", "replay", "mlflow")
_LOST = (StorageErrorCode.BLOB_ALREADY_EXISTS, StorageErrorCode.CONDITION_NOT_MET)


def open_azure_store(account: str) -> Store:
    """Open the store in the storage account `account`; nothing is read or written yet.

    Raises:
        SettingsError: the connection string is another account's, or the workload identity's
            token file is missing.
    """
    service = _sign_in(account)
    return Store(
        models=AzureBlobStore(service.get_container_client("models")),
        ledger=AzureBlobStore(service.get_container_client("ledger")),
        records=AzureBlobStore(service.get_container_client("records")),
        replay=AzureBlobStore(service.get_container_client("replay")),
        mlflow_artifact_root=f"wasbs://mlflow@{account}.blob.core.windows.net/artifacts",
        prepare=partial(_make_containers, service),
    )


class AzureBlobStore(BlobStore):
    """One part of the store, in a container."""

    def __init__(self, container: ContainerClient) -> None:
        self._container = container

    def address(self, name: str = "") -> str:
        """Return the URL."""
        return f"{self._container.url}/{name}"

    def list(self, prefix: str = "") -> list[str]:
        """Return the names that begin with `prefix`, in order."""
        with _reported("list", self.address()):
            try:
                return sorted(self._container.list_blob_names(name_starts_with=prefix))
            except ResourceNotFoundError:
                return []

    def _put_if_absent(self, name: str, data: bytes) -> bool:
        with _reported("write", self.address(name)):
            try:
                self._container.upload_blob(name, data, overwrite=False)
            except HttpResponseError as error:
                if getattr(error, "error_code", None) in _LOST:
                    return False
                raise
            return True

    def _replace(self, name: str, data: bytes) -> None:
        with _reported("write", self.address(name)):
            self._container.upload_blob(name, data, overwrite=True)

    def _read(self, name: str) -> bytes:
        with _reported("read", self.address(name)):
            try:
                return self._container.download_blob(name).readall()
            except ResourceNotFoundError:
                raise BlobNotFound(f"there is no blob {self.address(name)}") from None

    def _delete(self, name: str) -> None:
        with _reported("delete", self.address(name)), suppress(ResourceNotFoundError):
            self._container.delete_blob(name)


def _sign_in(account: str) -> BlobServiceClient:
    connection_string = os.environ.get(_CONNECTION_STRING)
    if not connection_string:
        url = f"https://{account}.blob.core.windows.net"
        return BlobServiceClient(url, credential=_credential(), **_OPTIONS)
    try:
        service = BlobServiceClient.from_connection_string(connection_string, **_OPTIONS)
    except ValueError as error:
        raise SettingsError(f"{_CONNECTION_STRING} is not valid: {error}") from None
    if service.account_name != account:
        raise SettingsError(
            f"{_CONNECTION_STRING} is that of the account {service.account_name}, and the store is "
            f"azure://{account}; unset the variable, or correct IRIS_STORE"
        )
    return service


def _credential() -> TokenCredential:
    from azure.identity import DefaultAzureCredential, WorkloadIdentityCredential

    token_file = os.environ.get(_TOKEN_FILE)
    if not token_file:
        return DefaultAzureCredential()
    if not Path(token_file).is_file():
        raise SettingsError(
            f"{_TOKEN_FILE} names {token_file}, which does not exist; is the service account "
            "labelled for workload identity?"
        )
    return WorkloadIdentityCredential()


def _make_containers(service: BlobServiceClient) -> None:
    """Make the containers that are missing, where the identity may; else the first write tells."""
    for name in _CONTAINERS:
        with _reported("make the container", f"{service.url}{name}"):
            try:
                service.create_container(name)
            except ResourceExistsError:
                continue
            except HttpResponseError as error:
                if _status(error) != 403:
                    raise


@contextmanager
def _reported(verb: str, address: str) -> Iterator[None]:
    """Turn the library's errors into ours."""
    try:
        yield
    except AzureError as error:
        hint = "check that the account and the container exist and can be reached"
        if isinstance(error, ClientAuthenticationError) or _status(error) in (401, 403):
            person = "" if os.environ.get(_TOKEN_FILE) else "sign in (az login), or "
            hint = f"{person}check the identity's role on the container, or {_CONNECTION_STRING}"
        message = f"cannot {verb} {address}: {_first_line(error)}"
        raise StoreUnavailable(message, hint=hint) from error


def _status(error: AzureError) -> int | None:
    return error.status_code if isinstance(error, HttpResponseError) else None


def _first_line(error: AzureError) -> str:
    return (str(error.message).splitlines() or [type(error).__name__])[0]
