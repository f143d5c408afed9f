"""A store on Azure, and nobody who is signed in."""

from pathlib import Path

from tests.integration.registry.commands import iris_process


def test_nobody_is_signed_in(tmp_path: Path) -> None:
    """It is told once, in our words and with the way out, however often Azure's library tried."""
    nobody = {"IRIS_STORE": "azure://irisml", "AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential"}
    done = iris_process(tmp_path, "history", **nobody)
    assert done.code == 1
    error, hint = done.stderr.splitlines()
    assert error.startswith("error: cannot list https://irisml.blob.core.windows.net/ledger/: ")
    assert "az login" in hint
