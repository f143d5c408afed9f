"""What is right: computed from the model files before the run, in one batch a file.

The file is read with ONNX Runtime itself, so that a defect of the service's own reader is seen.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import onnxruntime as ort

from load_tests.suite.checking import Expected
from load_tests.suite.errors import UsageError
from load_tests.suite.questions import Feature, Row

# What the service promises between a row alone and the same row in a batch (docs/api.md).
TOLERANCE = {"float64": 1e-12, "float32": 1e-6}
# Golden rows are the trained estimator's; the file may differ from it by what its export lost.
GOLDEN_TOLERANCE = 1e-5


class _Golden(msgspec.Struct, frozen=True):
    rows: list[Row] = []
    probabilities: list[list[float]] = []


class Described(msgspec.Struct, frozen=True):
    """What a model says of itself, in its file or at `GET /v1/model`."""

    features: list[Feature]
    labels: list[str]
    input_dtype: str = "float64"
    sha256: str = ""
    version: str = ""
    since: str = ""
    golden: _Golden = _Golden()


class Sure(NamedTuple):
    """The rows to send, and what each release answers to them."""

    pool: list[Row]
    expected: dict[str, Expected]
    """By the digest of the release."""
    by: str
    """Where the answers come from."""


def from_files(files: Iterable[Path], pool: Sequence[Row]) -> dict[str, Expected]:
    """Return what each model file answers to the rows, by its digest.

    Raises:
        UsageError: a file can't be read, or is no model file.
    """
    found = {}
    for file in files:
        try:
            data = file.read_bytes()
        except OSError as error:
            raise UsageError(f"{file} cannot be read: {error.strerror}") from error
        found[hashlib.sha256(data).hexdigest()] = _expected(file, data, pool)
    return found


def from_golden(served: Described) -> Sure:
    """Return the golden rows, whose answers are known without a file.

    Raises:
        UsageError: the model shows none.
    """
    golden = served.golden
    if not golden.rows:
        raise UsageError("the model shows no golden rows; give its file: MODEL=model.onnx")
    expected = Expected(
        served.labels, golden.probabilities, _warnings(served, golden.rows), GOLDEN_TOLERANCE
    )
    return Sure(golden.rows, {served.sha256: expected}, "golden rows")


def _expected(file: Path, data: bytes, pool: Sequence[Row]) -> Expected:
    try:
        session: Any = ort.InferenceSession(data, providers=["CPUExecutionProvider"])
        card = session.get_modelmeta().custom_metadata_map["iris.card"]
        described = msgspec.json.decode(card, type=Described)
        dtype = np.dtype(described.input_dtype)
        (probabilities,) = session.run(["probabilities"], {"rows": np.array(pool, dtype)})
        tolerance = TOLERANCE[described.input_dtype]
    except Exception as error:  # ONNX Runtime's errors have no class in common
        raise UsageError(f"{file} is no model file of ours: {error}") from error
    rows = np.asarray(probabilities, dtype=np.float64).tolist()
    return Expected(described.labels, rows, _warnings(described, pool), tolerance)


def _warnings(described: Described, pool: Sequence[Row]) -> list[dict[str, float]]:
    return [
        {
            feature.name: value
            for feature, value in zip(described.features, row, strict=True)
            if not feature.minimum <= value <= feature.maximum
        }
        for row in pool
    ]
