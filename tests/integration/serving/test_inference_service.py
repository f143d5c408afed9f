"""The inference service as a real process: `python -m bentos`."""

import asyncio
import http.client
import http.server
import json
import math
import os
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest

from artifacts.digests import sha256_hex
from artifacts.errors import CorruptModelFile
from artifacts.model import load_model
from artifacts.release import registry_release
from serving.inference.served_model import ServedModel
from serving.inference.warmup import warm_up
from serving.replica_set import Pinned
from serving.supervisor.ports import LOOPBACK
from tests.integration.serving.processes import Inference, free_port, until
from tests.support.model_files import ROWS, model_file, probabilities
from tests.support.observability import page_names, text_names
from tests.support.scanning import scan

DATA = model_file()
RELEASE = registry_release(7, sha256_hex(DATA))


def environ_for(folder: Path, data: bytes = DATA) -> dict[str, str]:
    """Return the environment of a process that shall serve `data` as release 7."""
    path = folder / "model.onnx"
    path.write_bytes(data)
    port = str(free_port())
    return {**RELEASE.environ(), "MODEL_PATH": str(path), "INFERENCE_PORT": port}


@pytest.fixture(scope="module")
def inference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inference]:
    """A process that is ready."""
    folder = tmp_path_factory.mktemp("inference")
    with Inference(environ_for(folder), folder) as process:
        yield process.until_ready()


def predict(inference: Inference, rows: object) -> httpx.Response:
    """Call the batchable API."""
    return inference.client.post("/predict", json={"rows": rows})


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health/live", 200),
        ("GET", "/health/ready", 200),
        ("GET", "/v1/model", 200),
        ("GET", "/metrics", 200),
        ("GET", "/readyz", 200),
        ("GET", "/nowhere", 404),
        ("POST", "/predict", 400),
    ],
)
def test_every_response_names_the_release(
    inference: Inference, method: str, path: str, status: int
) -> None:
    """Whatever a process answers, it says which release answered."""
    response = inference.client.request(method, path, content=b"{}")
    assert response.status_code == status
    assert response.headers["X-Model-Version"] == "7"
    assert response.headers["X-Model-Sha256"] == RELEASE.sha256


def test_the_model_route_says_what_is_served(inference: Inference) -> None:
    """Version, digest, blob and golden rows are there for whoever must prove what serves."""
    model = inference.client.get("/v1/model").json()
    found = (model["version"], model["blob"], model["sha256"], model["verified"])
    assert found == (RELEASE.version, RELEASE.blob, RELEASE.sha256, True)
    assert model["golden"]["rows"] == ROWS


def test_the_page_of_metrics_is_that_of_the_documentation(inference: Inference) -> None:
    """An operator finds each metric explained, and none that is not there."""
    answer = inference.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert text_names(answer.text) == page_names("inference")
    assert f'version="7",sha256="{RELEASE.sha256}"' in answer.text
    assert 'iris_inference_status{status="ready",error=""} 1' in answer.text


def test_the_metrics_of_a_scanned_service_stay_as_many(inference: Inference) -> None:
    """No label is made of what a client sends: 10,000 paths are one."""

    def labels() -> list[str]:
        return [line.split()[0] for line in inference.client.get("/metrics").text.splitlines()]

    def scanned(number: int, requests: int = 10_000) -> set[int]:
        url = str(inference.client.base_url)
        return scan(url, [("GET", f"/{number}/{step}") for step in range(requests)])

    scanned(9, requests=100)
    labels()
    before = labels()
    assert scanned(1) == {404}
    assert labels() == before


def test_a_call_of_the_model_is_counted(inference: Inference) -> None:
    """Rows and time of the model alone, and what was late, are told apart from BentoML's share."""

    def figure(name: str) -> float:
        text = inference.client.get("/metrics").text
        return float(re.findall(rf"^{name} (\S+)$", text, re.MULTILINE)[0])

    calls, rows = "iris_inference_model_duration_seconds_count", "iris_inference_model_rows_sum"
    late = "iris_inference_late_rows_total"
    before = {name: figure(name) for name in (calls, rows, late)}
    predict(inference, ROWS).raise_for_status()
    predict_table(inference, np.array(ROWS).tobytes(), **{"Request-Timeout-Ms": "0"})
    added = {name: figure(name) - before[name] for name in before}
    assert added == {calls: 1, rows: len(ROWS), late: len(ROWS)}


def predict_table(inference: Inference, body: bytes, **headers: str) -> httpx.Response:
    """Call the batchable API as the gateway does: with a table of float64."""
    headers = {"Content-Type": "application/octet-stream", **headers}
    return inference.client.post("/predict", content=body, headers=headers)


def test_a_row_gives_the_same_alone_and_in_any_batch(inference: Inference) -> None:
    """Requests that come at once are answered in one batch, each with its own rows.

    Whichever way they come: in JSON, as people write it, or as a table of float64.
    """
    random = np.random.default_rng(5)
    requests = [random.uniform(0.1, 8.0, (random.integers(1, 40), 4)) for _ in range(60)]

    def ask(rows: np.ndarray) -> np.ndarray:
        if len(rows) % 2:
            return np.array(predict(inference, rows.tolist()).json())
        answer = predict_table(inference, rows.astype("<f8").tobytes())
        assert answer.headers["Content-Type"] == "application/octet-stream"
        return np.frombuffer(answer.content, "<f8").reshape(len(rows), -1)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, requests))
    for rows, answer in zip(requests, answers, strict=True):
        np.testing.assert_allclose(answer, probabilities(rows), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "body", [b"", b"1", np.ones(5).tobytes(), np.full(4, np.nan).tobytes(), b"{}" * 400]
)
def test_a_body_that_is_no_table_is_refused(inference: Inference, body: bytes) -> None:
    """As many float64 as the model has features, in each row, and each a finite number."""
    response = predict_table(inference, body)
    expected = 200 if body == b"{}" * 400 else 400  # any 32 bytes are four numbers
    assert response.status_code == expected


def test_who_waits_no_more_costs_no_model_time(inference: Inference) -> None:
    """A request whose time is over when its batch begins is a 504; others get their answer."""
    table = np.array(ROWS).tobytes()
    late = predict_table(inference, table, **{"Request-Timeout-Ms": "0"})
    assert late.status_code == 504
    in_time = predict_table(inference, table, **{"Request-Timeout-Ms": "60000"})
    assert in_time.status_code == 200
    assert predict_table(inference, table, **{"Request-Timeout-Ms": "soon"}).status_code == 400


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # what BentoML imports is its own
def test_in_a_batch_only_the_late_rows_are_left_out() -> None:
    """The rows of several requests are in one array, each with the deadline of its own.

    A request that BentoML has split over two batches is late where any of its rows is.
    """
    from bentos.codec import Probabilities

    served = ServedModel(load_model(DATA), RELEASE, datetime.now(UTC))
    rows = np.array(ROWS)
    batch = np.concatenate(
        [served.timed(rows, -math.inf), served.timed(rows, math.inf), served.timed(rows, 0.0)]
    )
    answers = served.predict_timed(batch)
    count = len(rows)
    assert np.isinf(answers[:count]).all()
    np.testing.assert_allclose(answers[count : 2 * count], probabilities(rows), atol=1e-12)
    assert np.isinf(answers[2 * count :]).all()
    half_late = np.concatenate([answers[count : 2 * count], answers[:count]])
    response = asyncio.run(Probabilities.to_http_response(half_late, None))
    assert response.status_code == 504


def test_a_bad_request_fails_nobody_else_in_its_batch(inference: Inference) -> None:
    """Rows that can't be joined are refused before the batch; the others are answered."""
    bad = [[[1.0, 2.0, 3.0]], [[1, 2, 3, 4, 5]], [["a", 1, 2, 3]], [], "rows", [[1, 2, 3, 4], [1]]]
    requests = [ROWS, *bad] * 8
    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda rows: predict(inference, rows).status_code, requests))
    assert statuses == [200, *[400] * len(bad)] * 8


def test_bentomls_pickle_is_refused(inference: Inference) -> None:
    """Bytes that could run code are not even read."""
    headers = {"Content-Type": "application/vnd.bentoml+pickle"}
    response = inference.client.post("/predict", content=b"\x80\x04.", headers=headers)
    assert response.status_code == 415


def test_a_lone_request_waits_for_no_batch(inference: Inference) -> None:
    """A warm process answers a lone request at once; the bound is generous."""
    took = []
    for _ in range(20):
        began = time.perf_counter()
        predict(inference, ROWS[:1]).raise_for_status()
        took.append(time.perf_counter() - began)
    assert statistics.median(took) < 0.1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (DATA[:-1], "SHA-256"),
        (bytes([*DATA[:200], DATA[200] ^ 1, *DATA[201:]]), "SHA-256"),
        (b"\x80\x04\x95 rest of a pickle", "iris import model.pkl --trust"),
    ],
    ids=["cut short", "a bit flipped", "a pickle"],
)
def test_a_wrong_file_ends_the_process_with_one_line(
    tmp_path: Path, data: bytes, reason: str
) -> None:
    """Supervisor and kubelet find the reason in the last line, and the process gone."""
    with Inference(environ_for(tmp_path, data), tmp_path) as process:
        assert process.process.wait(30) == 1
        (line,) = process.log.read_text().splitlines()
        assert reason in line


def test_a_port_in_use_ends_the_process_with_its_number(
    tmp_path: Path, inference: Inference
) -> None:
    """A process that can't listen does not pretend to be loading."""
    environ = {**environ_for(tmp_path), "INFERENCE_PORT": str(inference.port)}
    with Inference(environ, tmp_path) as process:
        assert process.process.wait(30) != 0
        log = process.log.read_text()
        assert str(inference.port) in log
        assert "Traceback" not in log


def test_the_admin_port_answers_for_all_but_predictions(tmp_path: Path) -> None:
    """So that a network policy can let others ask for health and metrics, and nothing else."""
    admin = free_port()
    environ = {**environ_for(tmp_path), "INFERENCE_ADMIN_PORT": str(admin)}
    with Inference(environ, tmp_path) as process:
        process.until_ready()
        with httpx.Client(base_url=f"http://{LOOPBACK}:{admin}") as client:
            for path in ("/health/live", "/health/ready", "/metrics"):
                assert client.get(path).status_code == 200
            assert client.get("/v1/model").json() == process.client.get("/v1/model").json()
            assert client.post("/predict", json={"rows": ROWS}).status_code == 404
        assert predict(process, ROWS).status_code == 200


def test_in_a_cluster_the_word_of_the_download_names_the_release(tmp_path: Path) -> None:
    """What the pod's variables say meanwhile is of no matter."""
    environ = environ_for(tmp_path)
    pinned = tmp_path / "release.json"
    pinned.write_bytes(msgspec.json.encode(Pinned(RELEASE, str(RELEASE.sha256))))
    environ |= {"MODEL_VERSION": "8", "MODEL_RELEASE": str(pinned)}
    with Inference(environ, tmp_path) as process:
        assert process.until_ready().client.get("/v1/model").json()["version"] == "7"


def test_a_missing_variable_ends_the_process_with_its_name(tmp_path: Path) -> None:
    """Wrong configuration is one line that names the variable."""
    environ = environ_for(tmp_path)
    with Inference({**environ, "MODEL_VERSION": ""}, tmp_path) as process:
        assert process.process.wait(30) != 0
        (line,) = process.log.read_text().splitlines()
        assert "MODEL_VERSION is not set" in line


def test_a_stopped_process_answers_what_it_accepted(tmp_path: Path) -> None:
    """SIGTERM: requests under way are answered, then the process ends with 0."""
    with Inference(environ_for(tmp_path), tmp_path) as process:
        process.until_ready()
        body = json.dumps({"rows": ROWS}).encode()
        connection = http.client.HTTPConnection(LOOPBACK, process.port)
        connection.putrequest("POST", "/predict")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body[:10])
        httpx.get(f"http://{LOOPBACK}:{process.port}/health/live")  # so what came before is read
        process.process.terminate()
        until(lambda: process.status() == 0, "it takes no more requests")
        connection.send(body[10:])
        assert len(json.loads(connection.getresponse().read())) == len(ROWS)
        connection.close()
        assert process.process.wait(30) == 0


def test_under_bentoml_serve_a_wrong_file_is_never_ready(tmp_path: Path) -> None:
    """Where BentoML's own parent would start it again for ever, the process stays and says why."""
    environ = environ_for(tmp_path, DATA[:-1])
    port = environ["INFERENCE_PORT"]
    command = ("bentoml", "serve", "bentos.service:IrisClassifier", "--port", port)
    with Inference(environ, tmp_path, (*command, "--host", LOOPBACK)) as process:
        until(lambda: process.status() == 503, "the process says that it has failed")
        answer = process.client.get("/health/ready").json()
        assert answer["status"] == "failed"
        assert "SHA-256" in answer["reason"]
        failed = 'iris_inference_status{status="failed",error="DigestMismatch"} 1'
        assert failed in process.client.get("/metrics").text
        assert predict(process, ROWS).status_code >= 500


def test_a_path_that_answers_wrongly_is_never_ready() -> None:
    """The warm-up proves the answers, and does not only wait for them."""

    class Wrong(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.respond({})

        def do_POST(self) -> None:
            self.respond([[0.2, 0.3, 0.5]] * len(ROWS))

        def respond(self, body: object) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None: ...

    served = ServedModel(load_model(DATA), RELEASE, datetime.now(UTC))
    with http.server.HTTPServer((LOOPBACK, 0), Wrong) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(CorruptModelFile, match="come back changed"):
            asyncio.run(warm_up(served, f"http://{LOOPBACK}:{server.server_port}"))
        server.shutdown()


def test_the_service_needs_nothing_of_training() -> None:
    """The image of the inference service holds no MLflow, no scikit-learn, no pandas."""
    program = (
        "import sys, bentos.service, bentos.__main__; bentos.service.IrisClassifier.to_asgi();"
        "print(sorted({'mlflow', 'sklearn', 'pandas', 'onnx', 'skl2onnx'} & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ
    )
    assert found.stdout.strip() == "[]"


def test_the_init_container_needs_neither_bentoml_nor_onnx_runtime() -> None:
    """The program that fetches the file is small."""
    program = (
        "import sys, serving.download_model;"
        "print(sorted({'mlflow', 'sklearn', 'bentoml', 'onnxruntime', 'numpy'} & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
