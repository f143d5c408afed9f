"""The knee that the search finds is where a closed loop of the same requests ends, too."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from load_tests.benchmark import wrk
from load_tests.suite.plan import Plan, read
from tests.integration.gateway.processes import GatewayProgram
from tests.integration.serving.processes import Inference, free_port
from tests.load.suite import LIMITS, Load
from tests.support.model_files import model_file

pytestmark = pytest.mark.timeout(400)

CALL_ROWS = 8
CONNECTIONS, SECONDS = 32, 8
NEAR = 0.15
OBJECTIVES = f"""{LIMITS}
[ramp]
p99_ms = 500
error_share = 0
shed_share = 0.01

[overload]
goodput_share = 0.3
"""
"""Of the machine nothing is asked: what gives out is the service.

In a step of 3 s the queue of a seventh too much is half a second and more; with 1 s allowed, such a
step held.
"""


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[str]:
    """A service that takes 20 ms for each 8 rows, so that nothing else is the limit."""
    (tmp_path / "model.onnx").write_bytes(model_file())
    environ = {
        "MODEL_VERSION": "1",
        "MODEL_BLOB_NAME": "iris-classifier/v1/model.onnx",
        "MODEL_PATH": str(tmp_path / "model.onnx"),
        "INFERENCE_PORT": str(free_port()),
    }
    command = ("load_tests.benchmark.servers.serve_slow",)
    with Inference(environ, tmp_path, command) as inference:
        inference.until_ready()
        url = f"http://127.0.0.1:{inference.port}"
        with GatewayProgram(INFERENCE_URL=url, GATEWAY_CALL_ROWS=CALL_ROWS) as gateway:
            gateway.wait_ready()
            yield gateway.url


def test_the_knee_is_what_a_closed_loop_gets(slow: str, tmp_path: Path) -> None:
    """And twice that can be sent: the generator is not the limit, and the service sheds.

    The mix is that of `overload`: with tables, of which the largest takes as long as thirteen calls
    of single rows, the knee lies below what a closed loop gets, since they queue before each other.
    """
    (tmp_path / "own.toml").write_text(OBJECTIVES)
    ended = Load(
        tmp_path,
        patience_s=300,
        HOST=slow,
        OBJECTIVES=tmp_path / "own.toml",
        MODEL=tmp_path / "model.onnx",
        PROFILE="overload",
        RATE=100,
        FOR="8s",
    ).end()
    assert ended.code == 0, ended.said
    knee = max(step["rate"] for step in ended.run["steps"] if step["state"] == "held")
    closed = closed_loop(slow, read(tmp_path / ".load" / "run" / "plan"), tmp_path)
    sys.stdout.write(f"the knee {knee:.0f}/s, a closed loop {closed:.0f}/s\n")
    assert abs(knee / closed - 1) < NEAR, f"{knee:.0f}/s against {closed:.0f}/s\n{ended.said}"
    figures = ended.run["figures"]
    assert figures["rate"] == pytest.approx(2 * knee, rel=0.05)
    assert figures["shed_share"] > 0.3
    assert figures["wrong"] == 0


def closed_loop(url: str, plan: Plan, folder: Path) -> float:
    """Return how many requests/s wrk gets answered, of those of a plan, in the same order."""
    lines = ["local requests, next_one = {}, 0", "function init()"]
    for asks in plan.asks[:1000]:
        question = plan.questions[asks]
        headers = ", ".join(f"[{quoted(k)}] = {quoted(v)}" for k, v in question.headers.items())
        words = (quoted(question.method), quoted(question.path), f"{{{headers}}}")
        lines.append(
            f"requests[#requests + 1] = wrk.format({', '.join(words)}, {quoted(question.body)})"
        )
    lines += [
        "end",
        "function request()",
        "next_one = next_one % #requests + 1",
        "return requests[next_one]",
        "end",
    ]
    script = folder / "same.lua"
    script.write_text("\n".join(lines))
    done = subprocess.run(
        [wrk.program(), "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-s", str(script), url],
        check=True,
        capture_output=True,
        text=True,
    )
    (rate,) = (x for x in done.stdout.splitlines() if x.startswith("Requests/sec:"))
    return float(rate.split()[1])


def quoted(text: str | bytes) -> str:
    """Return a string of Lua."""
    data = text.encode() if isinstance(text, str) else text
    return '"' + "".join(f"\\{byte:03d}" for byte in data) + '"'
