"""The logs of gateway and inference together, and of the init container's program."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from artifacts.digests import sha256_hex
from artifacts.release import registry_release
from tests.integration.gateway.processes import GatewayProgram, row
from tests.integration.serving.processes import Inference, free_port, publish, until
from tests.support.model_files import model_file

DATA = model_file()
RELEASE = registry_release(7, sha256_hex(DATA))
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_one_request_id_finds_everything(tmp_path: Path) -> None:
    """Gateway and inference log a request under the same id, trace and release."""
    (tmp_path / "model.onnx").write_bytes(DATA)
    port = str(free_port())
    environ = {**RELEASE.environ(), "INFERENCE_PORT": port}
    environ["MODEL_PATH"] = str(tmp_path / "model.onnx")
    with (
        Inference(environ, tmp_path) as inference,
        GatewayProgram(INFERENCE_URL=f"http://127.0.0.1:{port}", GATEWAY_LOG_SHARE=1) as gateway,
    ):
        inference.until_ready()
        gateway.wait_ready()
        trace = f"00-{TRACE}-00f067aa0ba902b7-01"
        headers = {"x-request-id": "mine", "traceparent": trace}
        gateway.predict(row(5), headers=headers).raise_for_status()
        inference.client.post("/predict", content=b"{}", headers={"x-request-id": "wrong"})

        def logged(request_id: str) -> list[dict[str, Any]]:
            lines = [json.loads(line) for line in inference.log.read_text().splitlines()]
            return [line for line in lines if line.get("request_id") == request_id]

        (there,) = until(lambda: logged("mine"), "inference logs it")
        (wrong,) = until(lambda: logged("wrong"), "inference logs what it refuses")
        assert "/health/ready" not in inference.log.read_text()  # asked before it was ready
        here = gateway.logged("request", request_id="mine")
    assert (here["program"], there["program"]) == ("gateway", "inference")
    for line in (here, there):
        assert (line["trace_id"], line["version"]) == (TRACE, "7")
        assert line["sha256"] == RELEASE.sha256
    assert min(there["duration_ms"], here["duration_ms"]) > 0
    assert (wrong["route"], wrong["status"], wrong["level"]) == ("/predict", 400, "warning")


def test_the_init_container_tells_of_the_release_in_the_same_fields(tmp_path: Path) -> None:
    """One line when the file is in its place, one where it can't be had."""
    release = publish(tmp_path, 3)
    environ = {**os.environ, **release.environ(), "IRIS_STORE": str(tmp_path / "store")}
    environ["MODEL_PATH"] = str(tmp_path / "model.onnx")
    command = [sys.executable, "-m", "serving.download_model"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    line = json.loads(done.stdout)
    assert (line["program"], line["version"]) == ("download-model", "3")
    assert line["sha256"] == release.sha256
    environ |= registry_release(4, "0" * 64).environ()
    failed = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    line = json.loads(failed.stdout)
    assert failed.returncode == 1
    assert line["level"] == "error"
    assert "v4/model.onnx" in line["error"]
