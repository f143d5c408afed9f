"""`python -m load_tests.benchmark.stages`: what each stage of a request costs.

The one program of the load tests that imports the parts it measures: from outside, a stage can't be
seen. Each stage is measured alone, with the rows of 1, 32 and 128 requests of one row, and its cost
is given for a request, so that the columns show what coalescing saves.

    decode        the client's JSON into rows
    validate      what the gateway checks beyond that
    coalesce      the queue before the calls, with a call that answers at once
    encode call   the rows of a call into bytes, and the probabilities out of them
    transport     a call's bytes to an echo and back, over the gateway's connection
    batcher       what BentoML adds: a call of the inference service, less transport and model
    model         ONNX Runtime
    encode        the answer for the client
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import uvloop

from artifacts.model import load_model
from load_tests.benchmark import ours
from load_tests.benchmark.errors import BenchmarkError, SystemFailed
from load_tests.benchmark.model import Pipeline
from load_tests.benchmark.ports import free_ports
from load_tests.benchmark.report import table
from load_tests.benchmark.screen import say
from load_tests.benchmark.service import Service
from load_tests.benchmark.systems import SERVERS, Rows
from serving.gateway.answers import answer
from serving.gateway.coalescing import Coalescer, Question
from serving.gateway.connection import Connection, ConnectionLost
from serving.gateway.inference import Address, Inference, InferenceError, packed, unpacked
from serving.gateway.models import Answered, Origin, Probabilities, ServedModel
from serving.gateway.problems import Problem
from serving.gateway.schema import PredictRequest
from serving.gateway.validation import rows_of

COUNTS = (1, 32, 128)
REPEATS = 15
"""The fastest counts: what else the machine does only adds."""
AIM_S = 0.02
"""How long a repetition takes: long for the clock, short for the machine's moods."""
DEADLINE_S = 60.0

Costs = dict[str, dict[int, float]]
"""µs for a request, by stage and requests in a call."""


def main() -> int:
    """Measure every stage and print the table."""
    try:
        with tempfile.TemporaryDirectory(prefix="iris-stages-") as folder:
            costs = _measure_all(Path(folder))
    except BenchmarkError as error:
        sys.stderr.write(f"stages: {error}\n")
        return error.exit_code
    head = ["µs a request; requests in a call:", *map(str, COUNTS)]
    say(table(head, [[stage, *(f"{of[n]:,.1f}" for n in COUNTS)] for stage, of in costs.items()]))
    return 0


def _measure_all(folder: Path) -> Costs:
    pipeline, home = folder / "model.joblib", folder / "home"
    fitted = Pipeline()
    fitted.save(pipeline)
    port, inference_port, echo_port = free_ports()
    environ = ours.environ_of(home, port, inference_port)
    say("importing and promoting the model, as a user does")
    data = ours.prepare(home, pipeline, environ).read_bytes()
    flowers = [request.rows[0] for request in fitted.requests(1)]
    echo = [sys.executable, str(SERVERS / "serve_echo.py"), str(echo_port)]
    serve = [sys.executable, "-m", "iris", "serve", "--without-gateway"]
    with (
        Service(serve, environ, home, folder / "serve.log"),
        Service(echo, environ, folder, folder / "echo.log"),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        inference = f"http://127.0.0.1:{inference_port}"
        return runner.run(_stages(data, flowers, inference, echo_port))


async def _stages(data: bytes, flowers: Rows, url: str, echo_port: int) -> Costs:
    inference = Inference(Address.of(url))
    served = await _until_ready(inference)
    echo = await _until_connected(echo_port)
    model = load_model(data)
    costs: Costs = {}
    for count in COUNTS:
        rows = flowers[:count]
        given = [tuple(one) for one in model.predict(np.array(rows)).tolist()]
        found = _here(served, rows, given)
        found["coalesce"] = await _per_call(_coalesced(served, rows, given))
        message, origin = _message(rows), Origin("stages")
        found["transport"] = await _per_call(lambda: echo.request(message))  # noqa: B023 - used now
        found["model"] = _timed(lambda: model.predict(np.array(rows)))  # noqa: B023 - used now
        call = await _per_call(lambda: inference.predict(rows, DEADLINE_S, origin))  # noqa: B023
        apart = found["encode call"] + found["transport"] + found["model"]
        found["batcher"] = max(0.0, call - apart)
        for stage in _ORDER:
            costs.setdefault(stage, {})[count] = found[stage] / count
    return costs


_ORDER = (
    "decode", "validate", "coalesce", "encode call", "transport", "batcher", "model", "encode",
)  # fmt: skip


def _here(served: ServedModel, rows: Rows, given: list[Probabilities]) -> dict[str, float]:
    """Return what the stages without a wait cost, for all rows together."""
    bodies = [json.dumps({"instances": [row]}).encode() for row in rows]
    decode = msgspec.json.Decoder(PredictRequest).decode
    decoded = _timed(lambda: [decode(body) for body in bodies])
    checked = _timed(lambda: [rows_of(body, served.features, 1024) for body in bodies])
    reply = np.array(given).tobytes()
    call = _timed(lambda: (packed(rows), unpacked(reply, len(rows))))
    pairs = list(zip(rows, given, strict=True))
    encoded = _timed(lambda: [answer(served, [row], [one]) for row, one in pairs])
    return {
        "decode": decoded,
        "validate": max(0.0, checked - decoded),
        "encode call": call,
        "encode": encoded,
    }


class _Asked(Question):
    """A question that tells when it was the last one to be answered."""

    def __init__(self, row: list[float], served: ServedModel, done: Callable[[], None]) -> None:
        deadline = asyncio.get_running_loop().time() + DEADLINE_S
        super().__init__([row], served.features, deadline)
        self._done = done

    @property
    def gone(self) -> bool:
        return False

    @property
    def origin(self) -> Origin:
        return Origin("")

    def answered(self, answered: Answered) -> None:  # noqa: ARG002  the interface's
        self._done()

    def failed(self, problem: Problem) -> None:
        raise problem


def _coalesced(
    served: ServedModel, rows: Rows, given: list[Probabilities]
) -> Callable[[], Awaitable[Any]]:
    """Return what sends as many requests at once as there are rows through the queue."""

    async def call(*_: object) -> Answered:
        return Answered(served, given)

    queue = Coalescer(call, places=lambda: 2, call_rows=128, queue_rows=4096)

    async def all_at_once() -> None:
        left, finished = len(rows), asyncio.Event()

        def done() -> None:
            nonlocal left
            left -= 1
            if not left:
                finished.set()

        for row in rows:
            queue.ask(_Asked(row, served, done), 0.0)
        await finished.wait()

    return all_at_once


def _message(rows: Rows) -> bytes:
    body = packed(rows)
    head = "POST / HTTP/1.1\r\nhost: echo\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def _timed(work: Callable[[], Any]) -> float:
    """Return how many µs the work takes, the fastest of some repetitions."""
    began = time.perf_counter()
    work()
    times = max(1, int(AIM_S / (time.perf_counter() - began)))
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        for _ in range(times):
            work()
        taken.append((time.perf_counter() - began) / times)
    return min(taken) * 1e6


async def _per_call(work: Callable[[], Awaitable[Any]]) -> float:
    """Return how many µs it takes to await the work, the fastest of some repetitions."""
    began = time.perf_counter()
    await work()
    times = max(1, int(AIM_S / (time.perf_counter() - began)))
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        for _ in range(times):
            await work()
        taken.append((time.perf_counter() - began) / times)
    return min(taken) * 1e6


async def _until_ready(inference: Inference) -> ServedModel:
    for _ in range(int(DEADLINE_S / 0.1)):
        try:
            await inference.readiness()
            return await inference.describe()
        except InferenceError:
            await asyncio.sleep(0.1)
    raise SystemFailed("the inference service does not become ready")


async def _until_connected(port: int) -> Connection:
    for _ in range(int(DEADLINE_S / 0.1)):
        try:
            return await Connection.open("127.0.0.1", port)
        except ConnectionLost:
            await asyncio.sleep(0.1)
    raise SystemFailed("the echo does not start")


if __name__ == "__main__":
    sys.exit(main())
