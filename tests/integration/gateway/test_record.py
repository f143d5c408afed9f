"""Counters and record of a real gateway, on a real store."""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from artifacts.replay import ServedBatch, decode
from artifacts.store import BlobStore, open_store
from tests.integration.gateway.processes import (
    GatewayProgram,
    UpstreamProgram,
    is_answer_to,
    row,
    wait_until,
)

if TYPE_CHECKING:
    from tests.support.azurite import Account

SYNTHETIC = {"x-iris-synthetic": "1"}


@pytest.fixture(params=["files", "azure"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store, on files and on Azurite."""
    if request.param == "files":
        return str(tmp_path / "store")
    account: Account = request.getfixturevalue("account")
    open_store(account.uri).prepare()
    return account.uri


def batches(blobs: BlobStore) -> list[ServedBatch]:
    """Return what is recorded."""
    return [decode(blobs.read(name)) for name in blobs.list()]


def total(gateway: GatewayProgram, **labels: str) -> int:
    """Return the sum of the totals with these labels."""
    lines = gateway.get("/metrics").text.splitlines()
    named = [line for line in lines if line.startswith("iris_gateway_requests_total{")]
    wanted = [f'{name}="{value}"' for name, value in labels.items()]
    return sum(int(line.split()[-1]) for line in named if all(w in line for w in wanted))


def test_real_answers_are_recorded_and_nothing_else(upstream: UpstreamProgram, store: str) -> None:
    """Neither synthetic requests nor refused ones are; the end writes what is left."""
    with GatewayProgram(
        INFERENCE_URL=upstream.url, IRIS_STORE=store, IRIS_ENV="dev", GATEWAY_RECORD_SHARE=1
    ) as gateway:
        gateway.wait_ready()
        for number in range(5):
            assert is_answer_to(gateway.predict(row(number)).json(), number)
            assert gateway.predict(row(100), headers=SYNTHETIC).status_code == 200
            assert gateway.predict([True]).status_code == 422
        code, written = gateway.stop()
    assert code == 0, written
    (batch,) = batches(open_store(store).replay)
    assert [request.rows for request in batch.requests] == [[row(n)] for n in range(5)]
    assert [request.probabilities[0][0] for request in batch.requests] == [
        n / 1000 for n in range(5)
    ]
    assert open_store(store).replay.list(f"dev/{batch.sha256}/")


def test_a_store_that_is_down_costs_no_request(upstream: UpstreamProgram, tmp_path: Path) -> None:
    """It is told once; when the store is back, what was held is written."""
    (tmp_path / "store").write_text("a file where the folder should be")
    with GatewayProgram(
        INFERENCE_URL=upstream.url, IRIS_STORE=tmp_path / "store", GATEWAY_RECORD_SHARE=1
    ) as gateway:
        gateway.wait_ready()
        full = [row(n) for n in range(1000)]
        for _ in range(3):
            assert gateway.predict(*full, timeout=30).status_code == 200
        (tmp_path / "store").unlink()
        assert gateway.predict(*full, timeout=30).status_code == 200
        blobs = open_store(str(tmp_path / "store")).replay
        wait_until(lambda: len(blobs.list()) == 4, "all batches are written")
        code, written = gateway.stop()
    assert code == 0
    assert written.count("is not recorded") <= 1
    assert "Traceback" not in written


def test_without_a_store_nothing_is_recorded_and_that_is_said_once(
    upstream: UpstreamProgram,
) -> None:
    """The gateway serves all the same."""
    with GatewayProgram(INFERENCE_URL=upstream.url) as gateway:
        gateway.wait_ready()
        assert gateway.predict(row(1)).status_code == 200
        _, written = gateway.stop()
    assert written.count("IRIS_STORE is not set") == 1


def test_a_place_that_is_no_store_is_one_clear_line() -> None:
    """A wrong address stops the start, as any other wrong setting does."""
    with GatewayProgram(IRIS_STORE="s3://bucket") as gateway:
        code, written = gateway.wait()
    assert code == 2
    assert "s3://bucket" in written
    assert "Traceback" not in written


def test_predictions_are_counted_by_release_traffic_and_outcome() -> None:
    """Health is not among them, and what failed counts as that."""
    with UpstreamProgram() as upstream, GatewayProgram(INFERENCE_URL=upstream.url) as gateway:
        gateway.wait_ready()
        before = total(gateway)
        for _ in range(3):
            assert gateway.predict(row(1)).status_code == 200
        assert gateway.predict(row(1), headers=SYNTHETIC).status_code == 200
        assert gateway.predict([True]).status_code == 422
        upstream.behave(status=500, body="broken")
        assert gateway.predict(row(1)).status_code == 502
        assert total(gateway) == before + 6
        assert total(gateway, version="1", traffic="real", outcome="ok") == 3
        assert total(gateway, version="1", traffic="synthetic", outcome="ok") == 1
        assert total(gateway, version="1", traffic="real", outcome="client_error") == 1
        assert total(gateway, version="1", traffic="real", outcome="server_error") == 1


def test_azure_is_not_imported_where_the_store_is_a_folder() -> None:
    """A gateway on files starts without the library of the other back end."""
    code = "import sys, serving.gateway.server; sys.exit('azure' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
