"""The whole path: real gateways before a real inference service."""

import asyncio
import json
import os
import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artifacts.digests import sha256_hex
from artifacts.model import TOLERANCE, Model, load_model
from artifacts.release import registry_release
from tests.integration.gateway.processes import GatewayProgram
from tests.integration.serving.processes import Inference, free_port
from tests.support.model_files import LABELS, model_file

SCRIPT = Path(__file__).with_name("check.lua")
Dtype = Literal["float64", "float32"]
Row = list[float]


class Way:
    """Gateways before one inference service that serves a model, which is here too."""

    def __init__(self, folder: Path, dtype: Dtype = "float64", gateways: int = 1) -> None:
        data = model_file(dtype=dtype)
        self.model: Model = load_model(data)
        self.tolerance = TOLERANCE[dtype]
        (folder / "model.onnx").write_bytes(data)
        self._stack = ExitStack()
        port = str(free_port())
        environ = {**registry_release(7, sha256_hex(data)).environ(), "INFERENCE_PORT": port}
        environ["MODEL_PATH"] = str(folder / "model.onnx")
        self.inference = self._stack.enter_context(Inference(environ, folder)).until_ready()
        self.gateways = [
            self._stack.enter_context(GatewayProgram(INFERENCE_URL=f"http://127.0.0.1:{port}"))
            for _ in range(gateways)
        ]
        for gateway in self.gateways:
            gateway.wait_ready()

    def close(self) -> None:
        """End all processes."""
        self._stack.close()

    def batches(self) -> tuple[float, float]:
        """Return how many batches BentoML has made, and of how many calls."""
        text = self.inference.client.get("/metrics").text
        names = ("model_rows_count", 'requests_total{route="/predict",status="200"}')
        patterns = (rf"^iris_inference_{re.escape(name)} (\S+)$" for name in names)
        batches, calls = (float(re.findall(p, text, re.MULTILINE)[0]) for p in patterns)
        return batches, calls

    def is_right(self, rows: list[Row], predictions: list[dict[str, Any]]) -> bool:
        """Tell whether each row was answered as the model answers it alone."""
        alone = np.vstack([self.model.predict(np.array([row])) for row in rows])
        found = np.array([[p["probabilities"][label] for label in LABELS] for p in predictions])
        if found.shape != alone.shape or np.abs(found - alone).max() > self.tolerance:
            return False
        first, second = np.sort(alone, axis=1)[:, :-3:-1].T
        same = [
            p["label"] == LABELS[best] for p, best in zip(predictions, alone.argmax(1), strict=True)
        ]
        return bool(np.all(same | (first - second <= 2 * self.tolerance)))


@pytest.fixture(scope="module", params=["float64", "float32"])
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    """A gateway before a service, with a model of either precision."""
    path = Way(tmp_path_factory.mktemp("path"), request.param)
    yield path
    path.close()


rows = st.lists(
    st.lists(st.floats(-1e3, 1e3).map(lambda value: round(value, 3)), min_size=4, max_size=4),
    min_size=1,
    max_size=20,
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(rows, min_size=1, max_size=40))
def test_a_row_gets_the_same_alone_and_in_any_batch(path: Way, requests: list[list[Row]]) -> None:
    """Whatever shares its call: the same label, and probabilities equal to the file's precision."""

    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=path.gateways[0].url, timeout=30) as client:
            posts = (client.post("/v1/predict", json={"instances": rows}) for rows in requests)
            return await asyncio.gather(*posts)

    for asked, answer in zip(requests, asyncio.run(ask()), strict=True):
        assert path.is_right(asked, answer.raise_for_status().json()["predictions"])


def test_calls_of_several_gateways_share_batches(tmp_path: Path) -> None:
    """Four gateways that each send lone rows at once: BentoML's dispatcher merges their calls."""
    path = Way(tmp_path, gateways=4)
    try:
        count, calls = path.batches()

        def ask(number: int) -> bool:
            flower = [5 + number / 1000, 3.5, 1.4, 0.2]
            answer = path.gateways[number % 4].predict(flower).raise_for_status().json()
            return path.is_right([flower], answer["predictions"])

        with ThreadPoolExecutor(32) as pool:
            assert all(pool.map(ask, range(600)))
        count, calls = path.batches()[0] - count, path.batches()[1] - calls
    finally:
        path.close()
    assert count < calls <= 600


@pytest.mark.parametrize("connections", [7, 33, 129])
def test_every_answer_is_right_for_its_own_request(
    path: Way, tmp_path: Path, connections: int
) -> None:
    """Odd numbers of connections, 1 to 100 rows a request, a third of the requests invalid."""
    wrk = shutil.which("wrk")
    if wrk is None:
        absent = "no wrk, the load generator: apt-get install wrk"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(absent)
    (tmp_path / "requests").write_text("\n".join(_request(path, n) for n in range(1, 301)))
    command = [wrk, "-t1", f"-c{connections}", "-d1s", "-s", str(SCRIPT), path.gateways[0].url]
    output = subprocess.run(
        [*command, "--", str(tmp_path / "requests")], capture_output=True, text=True, check=True
    ).stdout
    figures = json.loads(output[output.index('{"checked"') :].splitlines()[0])
    assert figures["checked"] > 300
    assert (figures["wrong"], figures["broken"]) == (0, 0), output


def _request(path: Way, number: int) -> str:
    """Return a request with what is expected of it, as a line for the script."""
    dice = random.Random(number)
    flowers: list[list[Any]] = [
        [round(dice.uniform(0.1, 8), 1) for _ in range(4)] for _ in range(dice.randint(1, 100))
    ]
    if number % 3 == 0:
        flowers[dice.randrange(len(flowers))][dice.randrange(4)] = dice.choice(
            [None, "1", True, []]
        )
        return f"422\t\t{json.dumps({'instances': flowers})}"
    best = path.model.predict(np.array(flowers)).argmax(axis=1)
    return f"200\t{','.join(LABELS[i] for i in best)}\t{json.dumps({'instances': flowers})}"
