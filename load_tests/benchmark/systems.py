"""Who is measured: how each is started, what it is sent, and how its answer is read.

Every system gets the same rows. Those that take a model get the same fitted pipeline, and where
they can take it (`-onnx`), the model file that `iris import` made from that pipeline.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

Rows = list[list[float]]

SERVERS = Path(__file__).parent / "servers"


class Place(NamedTuple):
    """What a command may name; the model's file is in the variable BENCH_MODEL."""

    python: Path
    """The interpreter of the system's environment."""
    port: int
    other_ports: tuple[int, int]
    folder: Path
    """A folder of its own."""


Command = Callable[[Place], list[str]]


class System(NamedTuple):
    """One system under test."""

    name: str
    title: str
    lock: str
    """The lock in `requirements/bench/` that its environment is made from; empty: the project's."""
    command: Command
    path: str
    body: Callable[[Rows], bytes]
    answer: Callable[[bytes], Rows] | None
    """Reads probabilities from an answer; None: the answer must be the body that was sent."""
    front: str
    """What clients of a peer talk to, `rust` or `python`; else `ours`, or `echo`, the limit."""
    onnx: bool = False
    """Whether it gets the model file instead of the fitted pipeline."""


def _instances(rows: Rows) -> bytes:
    return json.dumps({"instances": rows}).encode()


def _predictions(answer: bytes) -> Rows:
    given: Rows = json.loads(answer)["predictions"]
    return given


def _ours(answer: bytes) -> Rows:
    return [list(one["probabilities"].values()) for one in json.loads(answer)["predictions"]]


def _plain(answer: bytes) -> Rows:
    given: Rows = json.loads(answer)
    return given


def _bento_body(rows: Rows) -> bytes:
    return json.dumps({"rows": rows}).encode()


def _open_inference_body(rows: Rows) -> bytes:
    values = [value for row in rows for value in row]
    tensor = {"name": "rows", "shape": [len(rows), 4], "datatype": "FP64", "data": values}
    return json.dumps({"inputs": [tensor], "outputs": [{"name": "predict_proba"}]}).encode()


def _open_inference_answer(answer: bytes) -> Rows:
    (tensor,) = json.loads(answer)["outputs"]
    flat, classes = tensor["data"], tensor["shape"][1]
    return [flat[start : start + classes] for start in range(0, len(flat), classes)]


def _mlflow_body(rows: Rows) -> bytes:
    return json.dumps({"inputs": rows}).encode()


def _python(script: str, *words: str) -> Command:
    """Return the command of a server that is a script; its words may name fields of the place."""
    return lambda place: [str(place.python), str(SERVERS / script), *_filled(words, place)]


def _program(name: str, *words: str) -> Command:
    """Return the command of a program that the environment holds; words as for a script."""
    return lambda place: [str(place.python.with_name(name)), *_filled(words, place)]


def _filled(words: tuple[str, ...], place: Place) -> list[str]:
    return [word.format(servers=SERVERS, **place._asdict()) for word in words]


_AT = ("--address", "127.0.0.1", "--port", "{port}")
_UVICORN = ("--host", "127.0.0.1", "--port", "{port}", "--no-access-log", "--app-dir", "{servers}")
_BENTO = ("serve", "serve_bentoml:Classifier", "--working-dir", "{servers}")
_BENTO_PORT = ("--host", "127.0.0.1", "--port", "{port}")
_OTHERS = ("{other_ports[0]}", "{other_ports[1]}")

OURS = "iris"

_ALL = [
    System(
        OURS, "iris serve", "", _program("iris", "serve"),
        "/v1/predict", _instances, _ours, "ours",
    ),
    System(
        "mosec", "mosec, scikit-learn", "mosec", _python("serve_mosec.py", *_AT),
        "/inference", _instances, _predictions, "rust",
    ),
    System(
        "mosec-onnx", "mosec, ONNX", "mosec", _python("serve_mosec.py", *_AT),
        "/inference", _instances, _predictions, "rust", onnx=True,
    ),
    System(
        "fastapi", "FastAPI, scikit-learn", "fastapi",
        _program("uvicorn", "serve_fastapi:app", *_UVICORN),
        "/predict", _instances, _predictions, "python",
    ),
    System(
        "fastapi-onnx", "FastAPI, ONNX", "fastapi",
        _program("uvicorn", "serve_fastapi:app", *_UVICORN),
        "/predict", _instances, _predictions, "python", onnx=True,
    ),
    System(
        "bentoml", "BentoML, scikit-learn", "bentoml", _program("bentoml", *_BENTO, *_BENTO_PORT),
        "/predict", _bento_body, _plain, "python",
    ),
    System(
        "bentoml-onnx", "BentoML, ONNX", "bentoml", _program("bentoml", *_BENTO, *_BENTO_PORT),
        "/predict", _bento_body, _plain, "python", onnx=True,
    ),
    System(
        "mlserver", "MLServer, scikit-learn", "mlserver",
        _python("serve_mlserver.py", "{folder}", "{port}", *_OTHERS),
        "/v2/models/iris/infer", _open_inference_body, _open_inference_answer, "python",
    ),
    System(
        "kserve", "KServe, scikit-learn", "kserve", _python("serve_kserve.py", "{port}"),
        "/v1/models/iris:predict", _instances, _predictions, "python",
    ),
    System(
        "kserve-onnx", "KServe, ONNX", "kserve", _python("serve_kserve.py", "{port}"),
        "/v1/models/iris:predict", _instances, _predictions, "python", onnx=True,
    ),
    System(
        "litserve", "LitServe, scikit-learn", "litserve", _python("serve_litserve.py", "{port}"),
        "/predict", _instances, _predictions, "python",
    ),
    System(
        "litserve-onnx", "LitServe, ONNX", "litserve", _python("serve_litserve.py", "{port}"),
        "/predict", _instances, _predictions, "python", onnx=True,
    ),
    System(
        "mlflow", "MLflow, scikit-learn", "mlflow",
        _python("serve_mlflow.py", "{folder}", "{port}"),
        "/invocations", _mlflow_body, _predictions, "python",
    ),
    System(
        "echo", "echo on the gateway's server", "", _python("serve_echo.py", "{port}"),
        "/", _instances, None, "echo",
    ),
    System(
        "echo-granian", "echo on granian", "echo", _python("serve_echo_peers.py", "{port}"),
        "/", _instances, None, "echo",
    ),
    System(
        "echo-uvicorn", "echo on uvicorn", "echo",
        _program("uvicorn", "serve_echo_peers:asgi", *_UVICORN, "--log-level", "warning"),
        "/", _instances, None, "echo",
    ),
]  # fmt: skip

SYSTEMS = {system.name: system for system in _ALL}

DEFAULT = (
    OURS, "mosec", "mosec-onnx", "fastapi", "fastapi-onnx", "bentoml", "bentoml-onnx",
    "echo", "echo-granian", "echo-uvicorn",
)  # fmt: skip
"""What is measured where PEERS is not set. A full record names all the others as well."""
