"""Gateways before one inference service with a real model, and the clients made for them."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from artifacts.digests import sha256_hex
from artifacts.release import registry_release
from tests.clients import generated
from tests.clients.generated import Client
from tests.integration.gateway.processes import GatewayProgram
from tests.integration.gateway.test_keys import write_keys
from tests.integration.serving.processes import Inference, free_port
from tests.support.model_files import model_file

KEY = "open sesame"


class Gateways(NamedTuple):
    """Two that answer alike, but for the key that one of them asks for."""

    free: GatewayProgram
    guarded: GatewayProgram


@pytest.fixture(scope="session")
def gateways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateways]:
    """Run them, and what is behind them."""
    if reason := generated.why_absent():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no clients: {reason}")
    folder = tmp_path_factory.mktemp("way")
    data = model_file()
    (folder / "model.onnx").write_bytes(data)
    write_keys(folder / "keys", shop=KEY)
    environ = {
        **registry_release(7, sha256_hex(data)).environ(),
        "MODEL_PATH": str(folder / "model.onnx"),
        "INFERENCE_PORT": str(free_port()),
    }
    with Inference(environ, folder) as inference:
        url = f"http://127.0.0.1:{inference.until_ready().port}"
        keys = folder / "keys"
        with (
            GatewayProgram(INFERENCE_URL=url) as free,
            GatewayProgram(INFERENCE_URL=url, GATEWAY_API_KEYS_FILE=keys) as guarded,
        ):
            free.wait_ready()
            guarded.wait_ready()
            yield Gateways(free, guarded)


@pytest.fixture(scope="session")
def document(gateways: Gateways) -> Path:
    """The document, as a gateway gives it out."""
    generated.FOLDER.mkdir(exist_ok=True)
    generated.DOCUMENT.write_bytes(gateways.free.get("/openapi.json").content)
    return generated.DOCUMENT


@pytest.fixture(scope="session", params=[generated.typescript, generated.java])
def client(request: pytest.FixtureRequest, document: Path) -> Client:
    """A client of each language, made of the document."""
    made = request.param()
    assert isinstance(made, Client)
    return made
